// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/hook_run.hpp"

#include <cerrno>

#include "common/text.hpp"

namespace zrepd::failover {
namespace {

namespace fs = std::filesystem;

std::string to_go_on_without(const fs::path& program) {
    const std::string path = program.string();
    return "mv " + quote(path, path.size()) + " " + quote(path + ".bak", path.size() + 4);
}

std::string name_of(const HookJob& job) {
    return quote(job.program.string(), job.program.string().size());
}

Error failed(const HookJob& job, std::string what, std::string_view words) {
    std::string message = "the hook " + name_of(job) + " " + std::move(what);
    if (!words.empty()) message += ": " + quote(words);
    std::string remedy =
        job.refuses ? "see to what it says, then run this again; or do without it: "
                    : "see to what it says and do what it would have done; if it is never to run: ";
    return Error{.code = job.refuses ? Code::refused_by_hook : Code::io_error,
                 .message = std::move(message),
                 .remedy = std::move(remedy) + to_go_on_without(job.program)};
}

Error not_started(const HookJob& job, const Error& why) {
    if (why.sys_errno == ENOEXEC) return failed(job, "has no first line \"#!/bin/sh\"", "");
    if (why.sys_errno == ENOENT) return failed(job, "needs an interpreter that is not there", "");
    return failed(job, "could not be started", why.text());
}

Result<Child> start(Processes& processes, const HookJob& job) {
    Result<Fd> in = pipe_with(job.input, kMaxHookInput);
    if (!in) return in.error();
    return processes.start(
        {.argv = {job.program.string()}, .in = std::move(*in), .out = {}, .with_home = false});
}

Result<void> verdict(const HookJob& job, const ExitStatus& status, std::string_view words) {
    if (status.ok()) return ok();
    if (status.abandoned) return failed(job, status.text(), words);
    if (status.signal != 0) return failed(job, "was " + status.text(), words);
    const char* how = job.refuses ? "refused with " : "failed with ";
    const char* silence = words.empty() ? ", and said nothing on stderr" : "";
    return failed(job, how + status.text() + silence, words);
}

}  // namespace

Error hook_stopped(const HookJob& job) {
    return Error{.code = Code::cancelled,
                 .message = "the hook " + name_of(job) + " was stopped before its end",
                 .remedy = "nothing to do: what was begun goes on when zrepd is back"};
}

Task<HookEnd> run_hook_program(Processes& processes, const HookJob& job) {
    Result<Child> started = start(processes, job);
    if (!started) co_return HookEnd{.words = "", .result = not_started(job, started.error())};
    Child& child = *started;
    std::optional<ExitStatus> status = co_await child.wait_for(job.limit);
    const bool in_time = status.has_value();
    if (!in_time) {
        child.terminate();
        status = co_await child.wait();
    }
    const bool cancel = co_await cancelled();
    const std::string tail = child.stderr_tail();
    const std::string words(last_line(tail));
    if (!in_time && cancel) co_return HookEnd{.words = words, .result = hook_stopped(job)};
    if (!in_time) {
        const std::string limit = std::to_string(job.limit.count()) + " s";
        const std::string end = status->abandoned ? " and " + status->text() : " and was stopped";
        Error error = failed(job, "did not end within " + limit + end, words);
        co_return HookEnd{.words = words, .result = std::move(error)};
    }
    co_return HookEnd{.words = words, .result = verdict(job, *status, words)};
}

std::string_view last_line(std::string_view text) {
    text = trim(text);
    const std::size_t end = text.rfind('\n');
    return end == text.npos ? text : trim(text.substr(end + 1));
}

}  // namespace zrepd::failover
