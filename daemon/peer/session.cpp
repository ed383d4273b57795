// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/session.hpp"

#include <algorithm>

#include "common/text.hpp"
#include "daemon/log.hpp"

namespace zrepd::peer {

using Clock = std::chrono::steady_clock;

struct Session::Wire {
    Wire(asio::any_io_executor executor, Channel channel)
        : reader(executor, std::move(channel.in)),
          outbox(executor, std::move(channel.out)),
          helpers(executor) {}

    /// Ends the reading; the first reason given is the one told.
    void fail(Error error) {
        if (!reason) reason = std::move(error);
        reader.interrupt();
    }

    LineReader reader;
    Outbox outbox;
    TaskGroup helpers;
    std::optional<Error> reason;
    bool greeted = false;
};

namespace {

Error closed_error() {
    return Error{.code = Code::io_error, .message = "the connection was closed"};
}

Error stopping_error() {
    return Error{.code = Code::cancelled, .message = "zrepd is stopping"};
}

/// A host that may send lines nobody waits for could keep us busy with them: 64 MiB each.
Error not_asked_for(const char* what) {
    return Error{.code = Code::invalid_request, .message = what};
}

std::string seconds(std::chrono::milliseconds time) {
    return std::to_string((time.count() + 999) / 1000) + " s";
}

}  // namespace

Task<Error> explain(Connection& connection, std::string host, Error error) {
    switch (error.code) {
        case Code::io_error:
            co_return co_await connection.why();
        case Code::parse_error:
        case Code::invalid_request:
            co_return Error{
                .code = Code::peer_protocol,
                .message = host + " sent something that is not the peer protocol: " + error.message,
                .remedy = "compare `zrepctl version` on both hosts"};
        case Code::timed_out:
            co_return Error{.code = Code::peer_unreachable,
                            .message = host + " does not answer: " + error.message,
                            .remedy = "look at `journalctl -u zrepd` and the load on " + host};
        default:
            co_return error;
    }
}

Task<Result<rpc::Hello>> read_hello(LineReader& reader,
                                    std::string host,
                                    std::chrono::milliseconds limit) {
    Result<std::optional<std::string>> line =
        co_await reader.read_line({.idle = limit, .half_line = limit});
    if (!line) co_return line.error();
    if (!*line) co_return closed_error();
    co_return parse_hello(host, **line);
}

Session::Session(asio::any_io_executor executor,
                 Transport& transport,
                 HostName host,
                 PeerLimits limits,
                 Peers::OnState on_state)
    : executor_(std::move(executor)),
      transport_(transport),
      host_(std::move(host)),
      limits_(limits),
      on_state_(std::move(on_state)) {}

Result<bool> Session::submit(std::shared_ptr<Call> call) {
    if (stopping_) return stopping_error();
    if (waiting_.size() >= kMaxWaiting) {
        return Error{.code = Code::busy,
                     .message = std::to_string(kMaxWaiting) + " requests wait for " + host_.str()};
    }
    used_at_ = Clock::now();
    waiting_.push_back(std::move(call));
    send_waiting();
    return !std::exchange(running_, true);
}

void Session::withdraw(const std::shared_ptr<Call>& call) {
    std::erase(waiting_, call);
    if (in_flight_.erase(call->id) > 0) given_up_.insert(call->id);
    if (given_up_.size() > kMaxGivenUp) given_up_.erase(given_up_.begin());
    send_waiting();
}

void Session::send_waiting() {
    while (wire_ != nullptr && wire_->greeted && !waiting_.empty() &&
           in_flight_.size() < kMaxInFlight) {
        const std::shared_ptr<Call> call = std::move(waiting_.front());
        waiting_.pop_front();
        send(call);
    }
}

void Session::send(const std::shared_ptr<Call>& call) {
    call->id = ++last_id_;
    std::string line = rpc::request_line({call->id, call->method, call->params});
    if (line.size() > rpc::kMaxRequestLine) {
        call->settle(Error{.code = Code::invalid_params,
                           .message = "the request to " + host_.str() +
                                      " is larger than 1 MiB: too many filesystems at once"});
        return;
    }
    in_flight_[call->id] = call;
    wire_->outbox.push(std::move(line));
}

Task<> Session::run() {
    while (!waiting_.empty()) {
        Error error = co_await connect_and_serve();
        if (stopping_) error = stopping_error();
        if (!stopping_) set_state(PeerState::unreachable, &error);
        lose_calls(error);
    }
    running_ = false;
}

/// The calls a broken connection takes with it. Those that came while it was already broken get a
/// new one, unless there was none to begin with; while a login was under way that is refused now,
/// too: whoever has just mended the key and asks for a sync gets a try.
void Session::lose_calls(const Error& error) {
    std::vector<std::shared_ptr<Call>> lost;
    for (auto& [id, call] : in_flight_) lost.push_back(std::move(call));
    in_flight_.clear();
    given_up_.clear();
    const bool refused = error.code == Code::peer_auth || error.code == Code::peer_host_key;
    if (stopping_ || !was_connected_) {
        std::erase_if(waiting_, [&](const std::shared_ptr<Call>& call) {
            const bool later = call->asked_at > attempt_.began;
            if (!stopping_ && refused && later) return false;
            lost.push_back(call);
            return true;
        });
    }
    for (const auto& call : lost) call->settle(error);
}

bool Session::offers(std::string_view capability) const {
    return state_ == PeerState::connected &&
           std::find(capabilities_.begin(), capabilities_.end(), capability) != capabilities_.end();
}

/// Until the connection breaks; then why. A login that is refused is tried as the other user there
/// is.
Task<Error> Session::connect_and_serve() {
    attempt_.began = Clock::now();
    Error error = co_await connect_and_serve_once();
    if (stopping_ || was_connected_ || error.code != Code::peer_auth) co_return error;
    const std::string login = transport_.change_login(host_, error);
    if (login.empty()) co_return error;
    changed_login_ = {login, error.message};
    Error other = co_await connect_and_serve_once();
    changed_login_.reset();
    if (was_connected_ || other.code != Code::peer_auth) co_return other;
    transport_.change_login(host_, other);
    error.message += ", and as " + login;
    co_return error;
}

Task<Error> Session::connect_and_serve_once() {
    was_connected_ = false;
    if (stopping_) co_return stopping_error();
    Result<std::unique_ptr<Connection>> connection = transport_.open(host_, Purpose::session);
    if (!connection) co_return connection.error();
    Wire wire(executor_, (*connection)->take_channel());
    wire_ = &wire;
    Error error = co_await serve(wire);
    wire_ = nullptr;
    if (stopping_) co_return error;
    Task<Error> why = explain(**connection, host_.str(), std::move(error));
    co_return co_await std::move(why);
}

Task<Error> Session::serve(Wire& wire) {
    Task<Result<rpc::Hello>> greeting = read_hello(wire.reader, host_.str(), limits_.hello);
    Result<rpc::Hello> hello = co_await std::move(greeting);
    if (!hello) co_return hello.error();
    capabilities_ = std::move(hello->capabilities);
    wire.greeted = was_connected_ = true;
    set_state(PeerState::connected, nullptr);
    if (changed_login_)
        log::event(log::Level::info,
                   "login_changed",
                   {{"peer", host_.str()},
                    {"as", changed_login_->as},
                    {"error", changed_login_->refused}});
    wire.helpers.spawn("peer session writer", write_requests(wire));
    wire.helpers.spawn("peer session ping", ping(wire));
    send_waiting();
    Error error = co_await read_replies(wire);
    wire.helpers.cancel();
    co_await wire.helpers.join();
    co_return wire.reason.value_or(std::move(error));
}

Task<Error> Session::read_replies(Wire& wire) {
    while (true) {
        Result<std::optional<std::string>> line =
            co_await wire.reader.read_line({.line_bytes = rpc::kMaxReplyLine});
        if (!line) co_return line.error();
        if (!*line) co_return closed_error();
        Result<void> taken = take_reply(**line);
        if (!taken) co_return taken.error();
    }
}

Result<void> Session::take_reply(const std::string& line) {
    Result<rpc::Message> message = rpc::parse_message(line, json_limits(line.size()));
    if (!message) return message.error();
    if (!message->id) return not_asked_for("a notification");
    if (message->id->is_null() && message->error) {
        return Error{.code = Code::peer_unreachable,
                     .message = host_.str() + " closed the connection: " + message->error->text()};
    }
    const std::uint64_t id =
        message->id->is_number_unsigned() ? message->id->get<std::uint64_t>() : 0;
    const auto found = in_flight_.find(id);
    if (found == in_flight_.end()) {
        if (given_up_.erase(id) > 0) return ok();
        return not_asked_for("a reply to nothing we asked");
    }
    const std::shared_ptr<Call> call = std::move(found->second);
    in_flight_.erase(found);
    if (message->error) {
        call->settle(std::move(*message->error));
    } else {
        call->settle(std::move(message->result));
    }
    send_waiting();
    return ok();
}

Task<> Session::write_requests(Wire& wire) {
    Result<void> written = co_await wire.outbox.run(limits_.ping_every + limits_.ping_answer);
    // io_error: the reader comes to its end too, and finds out why.
    if (!written && written.error().code == Code::timed_out) wire.fail(written.error());
}

/// Without this a half-open connection (power cut, firewall) would look alive for hours. Any byte
/// is a sign of life: a reply of some MiB takes minutes on a slow link, and the streams die with
/// this connection (docs/adr/0004-ssh-sharing.md).
Task<> Session::ping(Wire& wire) {
    while (true) {
        const bool stop = co_await cancelled();
        if (stop) co_return;
        const auto heard_at = wire.reader.heard_at();
        const auto quiet = Clock::now() - heard_at;
        if (quiet < limits_.ping_every) {
            co_await sleep_for(limits_.ping_every - quiet);
            continue;
        }
        const auto call =
            std::make_shared<Call>(executor_, "peer.ping", Json::object(), limits_.ping_answer);
        const auto asked_at = Clock::now();
        send(call);
        co_await call->timer.async_wait(nothrow);
        if (call->outcome) continue;
        const bool stopped = co_await cancelled();
        if (stopped) co_return;
        // Its reply comes behind a long one, of which some has come, or it waits behind a stream.
        if (wire.reader.heard_at() != heard_at || moved_at_ > asked_at) {
            withdraw(call);
            continue;
        }
        wire.fail(Error{.code = Code::timed_out,
                        .message = "no reply to a ping within " + seconds(limits_.ping_answer)});
        co_return;
    }
}

void Session::set_state(PeerState state, const Error* error) {
    const std::optional<Code> code = error == nullptr ? std::nullopt : std::optional(error->code);
    note_trouble(error);
    if (state == state_ && code == reported_) return;
    state_ = state;
    reported_ = code;
    if (on_state_) on_state_(host_, state, error);
}

void Session::note_trouble(const Error* error) {
    if (error == nullptr) {
        trouble_.reset();
        return;
    }
    attempt_.ended = Clock::now();
    if (!trouble_) attempt_.away_since = attempt_.ended;
    trouble_ = *error;
}

void Session::stop() {
    stopping_ = true;
    if (wire_ != nullptr) wire_->fail(stopping_error());
}

}  // namespace zrepd::peer
