// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/incoming.hpp"

#include <fcntl.h>

#include "common/text.hpp"
#include "daemon/log.hpp"
#include "daemon/peer/limits.hpp"
#include "daemon/plan/pair.hpp"
#include "daemon/stream/begin_record.hpp"

namespace zrepd::peer {
namespace {

// As many as a client keeps in flight (peers.hpp); unwritten replies count too.
constexpr std::size_t kMaxActive = 64;

// A sender that died before the first byte holds its target's lock so long: less than a takeover
// waits for that.
constexpr std::chrono::seconds kBeginLimit{45};

/// `zfs receive` expects a descriptor that waits.
void set_blocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0) ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

Error refused(std::string message) {
    return Error{.code = Code::invalid_request, .message = std::move(message)};
}

/// On what its stream has to be built. A resumed one is compared by zfs with what it kept.
std::optional<Guid> base_of(const rpc::ReceiveIn& in) {
    if (in.mode == "resume") return std::nullopt;
    return in.mode == "full" ? Guid() : in.base;
}

}  // namespace

Incoming::Incoming(asio::any_io_executor executor,
                   TargetService& target,
                   Channel channel,
                   std::string peer,
                   bool direct,
                   Limits limits)
    : target_(target),
      peer_(std::move(peer)),
      direct_(direct),
      limits_(limits),
      load_(std::make_shared<Load>(executor)),
      reader_(executor, std::move(channel.in)),
      outbox_(executor, std::move(channel.out), [this] { place_.notify(); }),
      place_(executor),
      requests_(executor),
      writer_(executor) {}

Task<> Incoming::run() {
    rpc::Hello hello = target_.hello();
    hello.access = "peer";
    outbox_.push(rpc::notification_line("hello", rpc::encode(hello)));
    writer_.spawn("peer connection writer", write_lines());
    co_await serve();
    if (receiver_) co_await receive_stream();
    if (stopping_) requests_.cancel();
    co_await requests_.join();
    outbox_.close();
    if (stopping_) writer_.cancel();
    co_await writer_.join();
}

void Incoming::stop() {
    stopping_ = true;
    reader_.interrupt();
    place_.notify();
    load_->less.notify();
    requests_.cancel();
    writer_.cancel();
}

void Incoming::sender_gone() {
    if (receiver_) receiver_->sender_gone();
}

Task<> Incoming::write_lines() {
    Result<void> written = co_await outbox_.run(limits_.write);
    if (written) co_return;
    log::event(log::Level::debug,
               "peer_write_failed",
               {{"peer", peer_}, {"error", written.error().text()}});
    broken_ = true;
    reader_.interrupt();
    // serve() may wait for room in the outbox, which nobody makes any more.
    place_.notify();
    load_->less.notify();
}

Task<> Incoming::serve() {
    Next next = Next::more;
    while (next == Next::more) {
        const bool place = co_await wait_for_place();
        if (!place) co_return;
        Result<std::optional<std::string>> line = co_await reader_.read_line(line_limits());
        const bool waits = active_ > 0 || outbox_.bytes() > 0;
        if (!line && line.error().code == Code::timed_out && waits && !reader_.leftover()) {
            continue;  // for our answer, or for the rest of it
        }
        if (!line) {
            if (line.error().code == Code::parse_error || line.error().code == Code::timed_out) {
                outbox_.push(rpc::error_line(nullptr, line.error()));
            }
            co_return;
        }
        if (!*line) co_return;
        Task<Next> work = one_request(std::move(**line));
        next = co_await std::move(work);
    }
}

LineReader::Limits Incoming::line_limits() const {
    if (peer_.empty()) return {.idle = limits_.naming, .half_line = limits_.naming};
    return {.idle = limits_.idle, .half_line = limits_.half_line};
}

/// False when the connection is to end.
Task<bool> Incoming::wait_for_place() {
    while (active_ + outbox_.pending() >= kMaxActive || outbox_.bytes() > kUnreadBytes) {
        if (stopping_ || broken_) co_return false;
        co_await place_.wait();
    }
    // One host must not have a request running for each place on each of its connections.
    while (load_->active >= kMaxActive) {
        const bool stop = co_await cancelled();
        if (stopping_ || broken_ || stop) co_return false;
        co_await load_->less.wait();
    }
    co_return !stopping_ && !broken_;
}

Task<Incoming::Next> Incoming::one_request(std::string line) {
    Result<rpc::Request> request = rpc::parse_request(line, json_limits(line.size()));
    if (!request) {
        outbox_.push(rpc::error_line(nullptr, request.error()));
        co_return Next::close;
    }
    if (peer_.empty() || request->method == kIdentify) {
        Result<void> known = identify(*request);
        outbox_.push(known ? rpc::reply_line(request->id, Json::object())
                           : rpc::error_line(request->id, known.error()));
        co_return known ? Next::more : Next::close;
    }
    if (request->method == kReceive) {
        Task<Next> work = begin_stream(std::move(*request));
        co_return co_await std::move(work);
    }
    const PeerMethod* method = find_peer_method(request->method);
    if (method == nullptr) {
        const Error error{.code = Code::method_not_found,
                          .message = "no peer method " + quote(request->method),
                          .remedy = "upgrade zrepd on the older of the two hosts"};
        outbox_.push(rpc::error_line(request->id, error));
        co_return Next::more;
    }
    ++active_;
    ++load_->active;
    requests_.spawn("peer " + request->method, answer(std::move(*request), method->handler));
    co_return Next::more;
}

Result<void> Incoming::identify(const rpc::Request& request) {
    if (!peer_.empty()) return refused("this connection has named its host already: " + peer_);
    if (request.method != kIdentify) return refused("the first request must be peer.identify");
    auto in = rpc::decode_as<IdentifyIn>(request.params, rpc::Strictness::request);
    if (!in) return in.error();
    auto host = HostName::parse(in->host);
    if (!host) return host.error();
    auto foreign = check_foreign(*host);
    if (!foreign) return foreign;
    if (admit_) {
        auto admitted = admit_(host->short_name());
        if (!admitted) return admitted.error();
        load_ = std::move(*admitted);
    }
    peer_ = host->short_name();
    root_ = root_ && in->unrestricted.value_or(false);
    return ok();
}

Result<void> Incoming::check_foreign(const HostName& host) {
    const auto us = HostName::parse(target_.hello().host);
    if (us && !plan::Self{*us}.is(host)) return ok();
    const std::string name = host.short_name();
    return Error{.code = Code::invalid_params,
                 .message = "a host that connects may not be called " + name +
                            ": that means the host it connects to",
                 .remedy =
                     "give it a name of its own: host-name in its zrepd.conf, and behind "
                     "--as in authorized_keys on " +
                     target_.hello().host};
}

Task<> Incoming::answer(rpc::Request request, PeerMethod::Handler handler) {
    Caller caller{.peer = peer_, .root = root_};
    Task<Result<Json>> work = handler(target_, std::move(caller), std::move(request.params));
    Result<Json> result = co_await std::move(work);
    --active_;
    --load_->active;
    load_->less.notify();
    std::string line =
        result ? rpc::reply_line(request.id, *result) : rpc::error_line(request.id, result.error());
    if (is_unread(line.size())) {
        const Error error{.code = Code::busy,
                          .message = "the earlier answers were not read",
                          .remedy = "look at the network between the two hosts; it is asked again"};
        line = rpc::error_line(request.id, error);
    }
    outbox_.push(std::move(line));
    place_.notify();
}

/// Whether there is no room for an answer of this size.
bool Incoming::is_unread(std::size_t more) const {
    if (more <= kShortReply) return false;
    const std::size_t held = unread_of_peer_ ? unread_of_peer_(peer_) : outbox_.bytes();
    return held > 0 && held + more > kMaxUnreadOfOnePeer;
}

Task<Incoming::Next> Incoming::begin_stream(rpc::Request request) {
    if (active_ > 0) {
        const Error error = refused("a stream has a connection of its own");
        outbox_.push(rpc::error_line(request.id, error));
        co_return Next::close;
    }
    auto in = rpc::decode_as<rpc::ReceiveIn>(request.params, rpc::Strictness::request);
    if (!in) {
        outbox_.push(rpc::error_line(request.id, in.error()));
        co_return Next::more;
    }
    base_ = base_of(*in);
    Task<Result<std::unique_ptr<TargetService::Receiver>>> work =
        target_.open_receive(peer_, std::move(*in));
    Result<std::unique_ptr<TargetService::Receiver>> receiver = co_await std::move(work);
    if (receiver && reader_.leftover()) {
        receiver = Result<std::unique_ptr<TargetService::Receiver>>(
            refused("bytes of the stream came before the reply to stream.receive"));
    }
    if (!receiver) {
        outbox_.push(rpc::error_line(request.id, receiver.error()));
        co_return Next::more;
    }
    receiver_ = std::move(*receiver);
    outbox_.push(rpc::reply_line(request.id, Json::object()));
    co_return Next::close;
}

Task<> Incoming::receive_stream() {
    Fd in = reader_.release();
    rpc::Received received;
    auto begun = co_await stream::look_at_begin(in.get(), base_, kBeginLimit);
    if (begun) {
        if (direct_) set_blocking(in.get());
        Task<rpc::Received> work = receiver_->receive(std::move(in), direct_, std::move(*begun));
        received = co_await std::move(work);
    } else {
        if (refused_) refused_(peer_, begun.error());
        received.error = rpc::to_item_error(begun.error());
    }
    receiver_.reset();
    outbox_.push(rpc::notification_line("stream.received", rpc::encode(received)));
}

}  // namespace zrepd::peer
