// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/peers.hpp"

#include "daemon/peer/outgoing.hpp"
#include "daemon/peer/session.hpp"

namespace zrepd::peer {
namespace {

Error stopping() {
    return Error{.code = Code::cancelled, .message = "zrepd is stopping"};
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
    if (*submitted) tasks_.spawn("peer session " + host.str(), wanted->run());
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

PeerState Peers::state(const HostName& host) const {
    const auto found = sessions_.find(host.str());
    return found == sessions_.end() ? PeerState::unknown : found->second->state();
}

Task<> Peers::stop() {
    stopping_ = true;
    for (const auto& [name, session] : sessions_) session->stop();
    tasks_.cancel();
    co_await tasks_.join();
}

}  // namespace zrepd::peer
