// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/control/session.hpp"

#include <boost/asio/write.hpp>

#include "common/rpc/message.hpp"
#include "common/text.hpp"
#include "daemon/log.hpp"

namespace zrepd::control {
namespace {

// Several status replies of a large host; a client that is further behind does not read at all.
constexpr std::size_t kMaxQueued = std::size_t{8} << 20;
constexpr std::size_t kMaxQueuedLines = 4000;
// Every call answers within this (design.md section 8.4); what it started goes on.
constexpr std::chrono::seconds kAnswerLimit{5};
// An error is the last thing a client is told before it is cut off; it gets this long to read it.
constexpr std::chrono::seconds kLastWords{2};

}  // namespace

struct Session::Call {
    explicit Call(asio::any_io_executor executor) : done(std::move(executor)) {}
    std::optional<Result<Json>> result;
    Alarm done;
};

Session::Session(SessionContext context, Socket socket, Access access, Caller caller)
    : context_(context),
      socket_(std::move(socket)),
      access_(access),
      caller_(caller),
      wake_(socket_.get_executor()) {}

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
    hello.access = access_name(access_);
    push({rpc::notification_line("hello", rpc::encode(hello)), ""});
    co_await serve();
    if (!closed_) {
        ending_ = true;
        wake_.notify();
        const std::weak_ptr<Session> weak = self;
        Deadline last(socket_.get_executor(), kLastWords, [weak] {
            if (const auto session = weak.lock()) session->close();
        });
        while (!closed_) co_await wake_.wait();
    }
}

Task<> Session::write_loop() {
    const auto self = shared_from_this();
    while (!closed_) {
        if (queue_.empty()) {
            if (ending_ || co_await cancelled()) break;
            co_await wake_.wait();
            continue;
        }
        const Queued item = std::move(queue_.front());
        queue_.pop_front();
        auto [ec, count] = co_await asio::async_write(socket_, asio::buffer(item.line), nothrow);
        queued_bytes_ -= item.line.size();
        if (ec) break;
    }
    close();
}

/// Reads lines and answers them, one after the other, until the client leaves or errs.
Task<> Session::serve() {
    std::string buffer;
    std::vector<char> chunk(64 * 1024);
    std::optional<Deadline> line_deadline;
    const std::weak_ptr<Session> weak = weak_from_this();
    while (!closed_) {
        const std::size_t end = buffer.find('\n');
        if (end != buffer.npos) {
            std::string line = buffer.substr(0, end);
            buffer.erase(0, end + 1);
            line_deadline.reset();
            const bool go_on = co_await handle(std::move(line));
            if (!go_on) co_return;
            continue;
        }
        if (buffer.size() >= rpc::kMaxRequestLine) {
            push({rpc::error_line(nullptr, {.code = Code::parse_error,
                                            .message = "request line longer than 1 MiB"}), ""});
            co_return;
        }
        if (!buffer.empty() && !line_deadline) {
            line_deadline.emplace(socket_.get_executor(), context_.line_limit, [weak] {
                if (const auto session = weak.lock()) session->close();
            });
        }
        auto [ec, count] = co_await socket_.async_read_some(asio::buffer(chunk), nothrow);
        if (ec || co_await cancelled()) {
            close();
            co_return;
        }
        buffer.append(chunk.data(), count);
    }
}

/// False when the connection is to end after what was queued.
Task<bool> Session::handle(std::string line) {
    if (trim(line).empty()) co_return true;
    auto request = rpc::parse_request(line);
    if (!request) {
        push({rpc::error_line(nullptr, request.error()), ""});
        co_return false;
    }
    const Json id = request->id;
    auto reply = co_await dispatch(std::move(*request));
    push({reply ? rpc::reply_line(id, *reply) : rpc::error_line(id, reply.error()), ""});
    co_return true;
}

Task<Result<Json>> Session::dispatch(rpc::Request request) {
    const Method* method = find_method(request.method);
    if (method == nullptr) {
        co_return Error{.code = Code::method_not_found,
                        .message = "no method " + quote(request.method),
                        .remedy = "rpc.discover lists them"};
    }
    if (method->access > access_) {
        co_return Error{.code = Code::access_denied,
                        .message = std::string(method->name) + " needs " +
                                   std::string(access_name(method->access)) + " access, this is " +
                                   std::string(access_name(access_)),
                        .remedy = access_ == Access::read
                                      ? "use zrepd.sock, as root or a member of its group"
                                      : "run it as root"};
    }
    if (method->handler == nullptr) co_return subscribe(request.params);
    const bool mutation = method->access != Access::read;
    std::string key;
    if (const auto found = request.params.find("request_key");
        mutation && found != request.params.end() && found->is_string()) {
        key = std::string(method->name) + " " + found->get<std::string>();
        if (auto earlier = context_.replies.find(key)) co_return std::move(*earlier);
    }
    if (mutation) {
        log::event(log::Level::info, "control_call",
                   {{"method", std::string(method->name)}, {"uid", std::to_string(caller_.uid)},
                    {"pid", std::to_string(caller_.pid)}});
    }
    auto call = std::make_shared<Call>(socket_.get_executor());
    context_.tasks.spawn("method " + std::string(method->name),
                         run_handler(method, std::move(request.params), call));
    const auto until = std::chrono::steady_clock::now() + kAnswerLimit;
    while (!call->result && std::chrono::steady_clock::now() < until && !co_await cancelled()) {
        co_await call->done.wait_until(until);
    }
    if (!call->result) {
        co_return Error{.code = Code::timed_out,
                        .message = std::string(method->name) + " takes longer than 5 s; it goes on",
                        .remedy = "ask again with the same request_key, or look at the status"};
    }
    if (!key.empty() && *call->result) context_.replies.store(key, **call->result);
    co_return std::move(*call->result);
}

Task<> Session::run_handler(const Method* method, Json params, std::shared_ptr<Call> call) {
    const auto self = shared_from_this();
    auto result = co_await method->handler(context_.service, std::move(params), caller_);
    call->result = std::move(result);
    call->done.notify();
}

Result<Json> Session::subscribe(const Json& params) {
    auto in = rpc::decode_as<rpc::Empty>(params, rpc::Strictness::request);
    if (!in) return in.error();
    auto status = context_.service.status({});
    if (!status) return status.error();
    rpc::SubscribeOut out{context_.events.last_seq(), std::move(*status)};
    const std::weak_ptr<Session> weak = weak_from_this();
    subscription_ = context_.events.subscribe([weak](const rpc::EventOut& event) {
        const auto session = weak.lock();
        return session && session->push_event(event);
    });
    return rpc::encode(out);
}

bool Session::push_event(const rpc::EventOut& event) {
    const bool progress = event.event == "run_progress";
    push({rpc::notification_line("event", rpc::encode(event)), progress ? event.dataset : ""});
    return !closed_;
}

void Session::push(Queued item) {
    if (closed_ || ending_) return;
    if (!item.coalesce.empty()) {
        for (Queued& waiting : queue_) {
            if (waiting.coalesce != item.coalesce) continue;
            queued_bytes_ += item.line.size() - waiting.line.size();
            waiting.line = std::move(item.line);
            return;
        }
    }
    queued_bytes_ += item.line.size();
    queue_.push_back(std::move(item));
    wake_.notify();
    if (queued_bytes_ <= kMaxQueued && queue_.size() <= kMaxQueuedLines) return;
    log::event(log::Level::warn, "client_cut_off",
               {{"uid", std::to_string(caller_.uid)}, {"pid", std::to_string(caller_.pid)},
                {"reason", "does not read its answers"}});
    close();
}

}  // namespace zrepd::control
