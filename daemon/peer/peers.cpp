// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/peers.hpp"

#include "daemon/peer/outgoing.hpp"
#include "daemon/peer/session.hpp"

namespace zrepd::peer {
namespace {

Error stopping() {
    return Error{.code = Code::cancelled, .message = "zrepd is stopping"};
}

/// Keeps it until its last task has ended, whoever else forgot it meanwhile.
Task<> run_session(std::shared_ptr<Session> session) {
    co_await session->run();
}

}  // namespace

Peers::Peers(asio::any_io_executor executor,
             Transport& transport,
             OnState on_state,
             PeerLimits limits)
    : executor_(executor),
      transport_(transport),
      on_state_(std::move(on_state)),
      limits_(limits),
      tasks_(executor) {}

Peers::~Peers() = default;

std::shared_ptr<Session> Peers::session(const HostName& host) {
    std::shared_ptr<Session>& entry = sessions_[host.str()];
    if (!entry) {
        entry = std::make_shared<Session>(executor_, transport_, host, limits_, on_state_);
    }
    return entry;
}

Task<Result<Json>> Peers::call(HostName host,
                               std::string method,
                               Json params,
                               std::chrono::milliseconds limit) {
    const bool too_late = co_await cancelled();
    if (stopping_ || too_late) co_return stopping();
    const auto call =
        std::make_shared<Call>(executor_, std::move(method), std::move(params), limit);
    const std::shared_ptr<Session> wanted = session(host);
    Result<bool> submitted = wanted->submit(call);
    if (!submitted) co_return submitted.error();
    if (*submitted) tasks_.spawn("peer session " + host.str(), run_session(wanted));
    if (!call->outcome) co_await call->timer.async_wait(nothrow);
    if (call->outcome) co_return std::move(*call->outcome);
    wanted->withdraw(call);
    const bool stop = co_await cancelled();
    if (stop) {
        co_return Error{.code = Code::cancelled, .message = call->method + " was cancelled"};
    }
    co_return Error{
        .code = Code::timed_out,
        .message = host.str() + " did not answer " + call->method + " within " +
                   std::to_string(std::chrono::ceil<std::chrono::seconds>(limit).count()) + " s",
        .remedy = "run it again; if that stays so, look at the load and at zpool status on " +
                  host.str() + ": zrepctl doctor " + host.str()};
}

Task<Result<std::unique_ptr<OutgoingStream>>> Peers::open_stream(HostName host,
                                                                 rpc::ReceiveIn request,
                                                                 std::chrono::seconds limit) {
    const bool too_late = co_await cancelled();
    if (stopping_ || too_late) co_return stopping();
    Task<Result<std::unique_ptr<OutgoingStream>>> opening =
        open_outgoing(tasks_, transport_, std::move(host), std::move(request), limit, limits_);
    co_return co_await std::move(opening);
}

std::shared_ptr<Session> Peers::existing(const HostName& host) const {
    const auto found = sessions_.find(host.str());
    return found == sessions_.end() ? nullptr : found->second;
}

PeerState Peers::state(const HostName& host) const {
    const auto session = existing(host);
    return session ? session->state() : PeerState::unknown;
}

bool Peers::offers(const HostName& host, std::string_view capability) const {
    const auto session = existing(host);
    return session && session->offers(capability);
}

void Peers::note_moving(const HostName& host) {
    const auto session = existing(host);
    if (session) session->note_moving();
}

void Peers::close_unused(const std::function<bool(const HostName&)>& is_needed) {
    const auto before = std::chrono::steady_clock::now() - limits_.unused;
    std::erase_if(sessions_, [&](const auto& entry) {
        const std::shared_ptr<Session>& session = entry.second;
        const bool idle = !session->is_busy() && session->used_at() < before;
        if (!idle || is_needed(session->host())) return false;
        session->stop();
        return true;
    });
}

Task<> Peers::stop() {
    stopping_ = true;
    for (const auto& [name, session] : sessions_) session->stop();
    for (const auto& [name, awaited] : awaited_) awaited->wake.notify();
    tasks_.cancel();
    co_await tasks_.join();
}

}  // namespace zrepd::peer
