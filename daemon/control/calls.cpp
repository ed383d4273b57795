// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/control/calls.hpp"

#include <algorithm>

#include "common/text.hpp"
#include "daemon/log.hpp"

namespace zrepd::control {
namespace {

// A client repeats a lost call within seconds; an administrator's script perhaps within minutes.
constexpr std::chrono::minutes kRememberedFor{10};
constexpr std::size_t kMaxRemembered = 1000;
// A UUID, or a job's name with a date; longer ones would only fill the table.
constexpr std::size_t kMaxRequestKey = 200;
// Work that outlived its answer, of those with the same access. So many mean that something below
// hangs; more would not help.
constexpr std::size_t kMaxLateCalls = 64;

bool is_dry_run(const Json& params) {
    const auto found = params.find("dry_run");
    return found != params.end() && *found == true;
}

/// The request_key of params that were decoded already; empty when there is none.
std::string key_of(const Json& params) {
    const auto found = params.find("request_key");
    return found == params.end() ? "" : found->get<std::string>();
}

/// What the call is remembered by. A dry run and the real one are different requests, and may well
/// have the same key: the caller's name for the work.
std::string memory_key(const Method& method, const Json& params, Caller caller) {
    return std::to_string(caller.uid) + " " + std::string(method.name) +
           (is_dry_run(params) ? " dry " : " run ") + key_of(params);
}

// A dataset's name fits with room; what is longer is cut off and marked so.
constexpr std::size_t kMaxLoggedParams = 290;

/// What a call is about: its params without what every call may have.
std::string loggable(Json params) {
    params.erase("dry_run");
    params.erase("request_key");
    std::string text = dump_json(params);
    if (text.size() <= kMaxLoggedParams) return text;
    std::size_t end = kMaxLoggedParams;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    return text.substr(0, end) + "…";
}

void log_mutation(const Method& method, const Json& params, Caller caller) {
    log::event(log::Level::info,
               "control_call",
               {{"method", std::string(method.name)},
                {"uid", std::to_string(caller.uid)},
                {"pid", std::to_string(caller.pid)},
                {"params", loggable(params)},
                {"dry_run", is_dry_run(params) ? "yes" : "no"}});
}

/// The call is not stopped: half of a change would be a state that nobody asked for.
Error not_finished(const Method& method, bool dry_run, bool keyed) {
    const std::string name(method.name);
    if (dry_run) {
        return Error{.code = Code::timed_out,
                     .message = name + " took too long; it was a dry run, nothing was done",
                     .remedy = keyed ? "ask again with the same request_key: it goes on looking"
                                     : "look at the load and at zpool status, then run it again"};
    }
    const char* remedy = "ask again in a while";
    if (method.mutates()) {
        remedy = keyed ? "look with zrepctl status, or repeat it with the same request_key"
                       : "look with zrepctl status, then run it again";
    }
    return Error{.code = Code::timed_out,
                 .message = name + " is not finished yet; it goes on",
                 .remedy = remedy};
}

}  // namespace

struct Calls::Call {
    Call(asio::any_io_executor executor, Access whose) : done(std::move(executor)), access(whose) {}
    std::optional<Result<Json>> result;
    Signal done;
    Access access;
    bool late = false;
};

Calls::Calls(asio::any_io_executor executor,
             Service& service,
             TaskGroup& tasks,
             std::chrono::milliseconds answer_limit)
    : executor_(std::move(executor)),
      service_(service),
      tasks_(tasks),
      answer_limit_(answer_limit) {}

Task<Result<Json>> Calls::call(const Method* method, Json params, Caller caller) {
    auto checked = method->check(params);
    if (!checked) co_return checked.error();
    const bool dry_run = is_dry_run(params);
    const bool keyed = method->mutates() && !key_of(params).empty();
    auto begun = begin(*method, std::move(params), caller);
    if (!begun) co_return begun.error();
    const CallPtr call = *begun;
    auto waiting = wait(call);
    co_await std::move(waiting);
    // What was found is true now; whoever asks again later wants to know what is true then.
    if (call->result && dry_run) forget(call);
    if (call->result) co_return *call->result;
    if (!call->late) {
        call->late = true;
        ++late(call->access);
    }
    co_return not_finished(*method, dry_run, keyed);
}

Result<Calls::CallPtr> Calls::begin(const Method& method, Json params, Caller caller) {
    const std::string request_key = method.mutates() ? key_of(params) : "";
    if (request_key.size() > kMaxRequestKey) {
        return Error{.code = Code::invalid_params, .message = "request_key: longer than 200 bytes"};
    }
    const std::string key = memory_key(method, params, caller);
    const std::size_t params_hash = std::hash<std::string>{}(dump_json(params));
    if (const Remembered* earlier = request_key.empty() ? nullptr : find(key)) {
        if (earlier->params_hash == params_hash) return earlier->call;
        return Error{.code = Code::invalid_params,
                     .message = "request_key: " + quote(request_key) +
                                " was used for another request less than 10 minutes ago",
                     .remedy = "take a new key for every new request"};
    }
    if (late(caller.access) >= kMaxLateCalls) {
        return Error{.code = Code::busy,
                     .message = "too many earlier calls are still at work",
                     .remedy = "see what hangs: zrepctl status, zpool status, and zrepd's log"};
    }
    if (method.mutates()) log_mutation(method, params, caller);
    auto call = std::make_shared<Call>(executor_, caller.access);
    if (!request_key.empty()) {
        remembered_.push_back({key, params_hash, call, std::chrono::steady_clock::now()});
        if (remembered_.size() > kMaxRemembered) remembered_.pop_front();
    }
    tasks_.spawn("method " + std::string(method.name),
                 run(&method, std::move(params), caller, call));
    return call;
}

Task<> Calls::run(const Method* method, Json params, Caller caller, CallPtr call) {
    auto work = method->handler(service_, std::move(params), caller);
    auto result = co_await std::move(work);
    if (!result && info(result.error().code).retryable) forget(call);
    if (call->late) --late(call->access);
    call->result = std::move(result);
    call->done.notify();
}

Task<> Calls::wait(CallPtr call) {
    const Deadline limit(executor_, answer_limit_, [call] { call->done.notify(); });
    while (!call->result && !limit.expired()) {
        co_await call->done.wait();
        const bool stop = co_await cancelled();
        if (stop) co_return;
    }
}

Calls::Remembered* Calls::find(const std::string& key) {
    const auto now = std::chrono::steady_clock::now();
    while (!remembered_.empty() && now - remembered_.front().at > kRememberedFor) {
        remembered_.pop_front();
    }
    const auto found = std::find_if(remembered_.begin(),
                                    remembered_.end(),
                                    [&](const Remembered& one) { return one.key == key; });
    return found == remembered_.end() ? nullptr : &*found;
}

void Calls::forget(const CallPtr& call) {
    std::erase_if(remembered_, [&](const Remembered& one) { return one.call == call; });
}

}  // namespace zrepd::control
