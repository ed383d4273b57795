// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/control/session.hpp"

#include "common/text.hpp"
#include "daemon/log.hpp"

namespace zrepd::control {
namespace {

// One read. Requests are short; a long one takes a few turns.
constexpr std::size_t kReadBytes = std::size_t{16} << 10;
// The next request waits until the client has read the earlier answers up to this.
constexpr std::size_t kUnreadBytes = std::size_t{64} << 10;
// After a line that was refused: what is read and thrown away so that the client, which may still
// be writing, gets to see the error instead of a broken pipe.
constexpr std::size_t kDiscardBytes = std::size_t{16} << 20;

// A request with hundreds of names. Who has sent no more is never refused for what others sent.
constexpr std::size_t kShortRequest = kMaxReaderLine;

// Read before it is known who may ask for what. The widest request, pair.set, names each setting
// once; the longest is a list of datasets.
constexpr JsonLimits kRequestLimits{.object_keys = 256, .keys = 256, .values = 65'536};

Error too_long(Access access) {
    const char* limit = access == Access::read ? "64 KiB on the socket for reading" : "1 MiB";
    return Error{.code = Code::parse_error,
                 .message = std::string("a request line is at most ") + limit};
}

Error denied(const Method& method, Access access) {
    return Error{
        .code = Code::access_denied,
        .message = std::string(method.name) + " needs " + std::string(access_name(method.access)) +
                   " access, this connection has " + std::string(access_name(access)),
        .remedy = access == Access::read ? "use zrepd.sock, as root or as a member of its group"
                                         : "run it as root"};
}

}  // namespace

Session::Session(SessionContext context, Socket socket, Caller caller)
    : context_(context),
      socket_(std::move(socket)),
      caller_(caller),
      wake_(socket_.get_executor()) {
    boost::system::error_code ignored;
    socket_.non_blocking(true, ignored);
}

void Session::close() {
    if (closed_) return;
    closed_ = true;
    subscription_.reset();
    boost::system::error_code ignored;
    socket_.close(ignored);
    wake_.notify();
}

Task<> Session::run() {
    const auto self = shared_from_this();
    context_.tasks.spawn("control writer", write_loop());
    rpc::Hello hello = context_.service.hello();
    hello.access = access_name(caller_.access);
    push(rpc::notification_line("hello", rpc::encode(hello)));
    const bool error_said = co_await serve();
    subscription_.reset();
    ending_ = true;
    wake_.notify();
    const std::weak_ptr<Session> weak = self;
    const Deadline last(socket_.get_executor(), context_.limits.last_words, [weak] {
        if (const auto session = weak.lock()) session->close();
    });
    if (error_said) co_await drain();
    bool stop = false;
    while (!closed_ && !writer_done_ && !stop) {
        co_await wake_.wait();
        stop = co_await cancelled();
    }
    close();
}

/// Reads lines and answers them, one after the other, until the client leaves (false) or errs and
/// was told so (true).
Task<bool> Session::serve() {
    while (!closed_) {
        const bool stop = co_await cancelled();
        if (stop) co_return false;
        if (outbox_.bytes() > kUnreadBytes) {
            co_await wake_.wait();
            continue;
        }
        auto line = lines_.take();
        if (line) {
            line_deadline_.reset();
            held_ -= line->size() + 1;
            context_.held_bytes -= line->size() + 1;
            auto handling = handle(std::move(*line));
            const bool go_on = co_await std::move(handling);
            if (!go_on) co_return true;
            continue;
        }
        if (lines_.too_long()) {
            say_error(too_long(caller_.access));
            co_return true;
        }
        if (holds_too_much()) {
            let_go();
            say_error({.code = Code::busy,
                       .message = "too many requests that have not ended",
                       .remedy = "send it again; ss -xp | grep zrepd shows who is connected"});
            co_return true;
        }
        const Read got = co_await read();
        if (got == Read::end_of_input) co_return false;
        if (got == Read::overdue) {
            say_error({.code = Code::timed_out, .message = "a request was begun but not ended"});
            co_return true;
        }
    }
    co_return false;
}

std::size_t Session::max_line() const {
    return caller_.access == Access::read ? kMaxReaderLine : rpc::kMaxRequestLine;
}

bool Session::holds_too_much() const {
    return held_ > kShortRequest && context_.held_bytes > context_.limits.held_bytes;
}

/// Of what it sent, at once: it is still here for its last words.
void Session::let_go() {
    lines_ = LineBuffer(max_line());
    context_.held_bytes -= held_;
    held_ = 0;
}

Task<Session::Read> Session::read() {
    if (lines_.begun() && !line_deadline_) {
        const std::weak_ptr<Session> weak = weak_from_this();
        line_deadline_.emplace(socket_.get_executor(), context_.limits.line, [weak] {
            const auto session = weak.lock();
            if (!session) return;
            session->line_overdue_ = true;
            boost::system::error_code ignored;
            session->socket_.cancel(ignored);
        });
    }
    if (line_overdue_) co_return Read::overdue;
    auto [ec] = co_await socket_.async_wait(Socket::wait_read, nothrow);
    if (line_overdue_) co_return Read::overdue;
    if (ec || !take_bytes()) co_return Read::end_of_input;
    co_return Read::got_bytes;
}

/// Reads what is here; false at the end of input. A function of its own, so that its buffer lies on
/// the stack for this moment: in a coroutine each client that waits would keep one.
bool Session::take_bytes() {
    char chunk[kReadBytes];
    boost::system::error_code ec;
    const std::size_t count = socket_.read_some(asio::buffer(chunk), ec);
    if (ec == asio::error::would_block) return true;
    if (ec) return false;
    lines_.append(std::string_view(chunk, count));
    held_ += count;
    context_.held_bytes += count;
    return true;
}

/// False when the line was no request: the connection ends after the error.
Task<bool> Session::handle(std::string line) {
    auto request = rpc::parse_request(line, kRequestLimits);
    if (!request) {
        say_error(request.error());
        co_return false;
    }
    const Json id = request->id;
    auto dispatching = dispatch(std::move(*request));
    auto reply = co_await std::move(dispatching);
    push(reply ? rpc::reply_line(id, *reply) : rpc::error_line(id, reply.error()));
    co_return true;
}

Task<Result<Json>> Session::dispatch(rpc::Request request) {
    const Method* method = find_method(request.method);
    if (method == nullptr) {
        co_return Error{.code = Code::method_not_found,
                        .message = "no method " + quote(request.method),
                        .remedy = "rpc.discover lists them"};
    }
    if (method->access > caller_.access) co_return denied(*method, caller_.access);
    if (method->handler == nullptr) co_return subscribe(*method, request.params);
    auto call = context_.calls.call(method, std::move(request.params), caller_);
    co_return co_await std::move(call);
}

Result<Json> Session::subscribe(const Method& method, const Json& params) {
    auto checked = method.check(params);
    if (!checked) return checked.error();
    auto status = context_.service.status({});
    if (!status) return status.error();
    const rpc::SubscribeOut out{context_.events.last_seq(), std::move(*status)};
    const std::weak_ptr<Session> weak = weak_from_this();
    // No wait between the snapshot, this and the reply: nothing is missed, nothing comes too early.
    subscription_ = context_.events.subscribe([weak](const rpc::EventOut& event) {
        const auto session = weak.lock();
        return session && session->push_event(event);
    });
    return rpc::encode(out);
}

bool Session::push_event(const rpc::EventOut& event) {
    const std::string topic = event.event == "run_progress" && event.progress
                                  ? event.progress->run_id + " " + event.dataset
                                  : "";
    push(rpc::notification_line("event", rpc::encode(event)), topic);
    return !closed_;
}

void Session::say_error(const Error& error) {
    push(rpc::error_line(nullptr, error));
}

void Session::push(std::string line, std::string topic) {
    if (closed_ || ending_) return;
    if (!outbox_.push(std::move(line), std::move(topic))) return cut_off();
    wake_.notify();
}

void Session::cut_off() {
    if (closed_) return;
    log::event(log::Level::warn,
               "client_cut_off",
               {{"uid", std::to_string(caller_.uid)},
                {"pid", std::to_string(caller_.pid)},
                {"reason", "does not read its answers"}});
    close();
}

Task<> Session::write_loop() {
    const auto self = shared_from_this();
    while (!closed_) {
        if (outbox_.empty()) {
            const bool stop = co_await cancelled();
            if (ending_ || stop) break;
            co_await wake_.wait();
            continue;
        }
        const std::string line = outbox_.take();
        const bool written = co_await write(line);
        if (!written) close();
        wake_.notify();
    }
    boost::system::error_code ignored;
    if (!closed_) socket_.shutdown(Socket::shutdown_send, ignored);
    writer_done_ = true;
    wake_.notify();
}

/// False when the client is gone, or took nothing for the stall limit.
Task<bool> Session::write(const std::string& line) {
    const std::weak_ptr<Session> weak = weak_from_this();
    Deadline stall(socket_.get_executor(), context_.limits.write_stall, [weak] {
        if (const auto session = weak.lock()) session->cut_off();
    });
    std::string_view rest = line;
    while (!rest.empty()) {
        auto [ec, count] =
            co_await socket_.async_write_some(asio::buffer(rest.data(), rest.size()), nothrow);
        if (ec) co_return false;
        rest.remove_prefix(count);
        stall.restart(std::chrono::steady_clock::now());
    }
    co_return true;
}

/// Reads on without looking, until the client stops sending; run() bounds the time.
Task<> Session::drain() {
    std::size_t discarded = 0;
    char chunk[kReadBytes];
    while (!closed_ && discarded < kDiscardBytes) {
        auto [ec, count] = co_await socket_.async_read_some(asio::buffer(chunk), nothrow);
        if (ec) co_return;
        discarded += count;
    }
}

}  // namespace zrepd::control
