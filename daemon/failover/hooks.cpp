// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/hooks.hpp"

#include <cerrno>
#include <chrono>

#include "common/json.hpp"
#include "common/text.hpp"
#include "daemon/log.hpp"

namespace zrepd::failover {
namespace {

namespace fs = std::filesystem;

using Clock = std::chrono::steady_clock;

/// Of the JSON. Keys may be added without a new one.
constexpr int kInputVersion = 1;

/// One program and what it is run with.
struct Job {
    fs::path program;
    std::string input;
    std::chrono::seconds limit{0};
    bool refuses = false;  ///< its failure refuses the change

    std::string name() const { return quote(program.string(), program.string().size()); }
};

/// How a program ended: its last line, and an error unless it went well.
struct Ending {
    std::string words;
    Result<void> result;
};

struct Names {
    std::string hook;
    std::string run;
    std::string dataset;
};

std::string to_go_on_without(const fs::path& program) {
    const std::string path = program.string();
    return "mv " + quote(path, path.size()) + " " + quote(path + ".bak", path.size() + 4);
}

Error failed(const Job& job, std::string what, std::string_view words) {
    std::string message = "the hook " + job.name() + " " + std::move(what);
    if (!words.empty()) message += ": " + quote(words);
    std::string remedy =
        job.refuses ? "see to what it says, then run the command again; to go on without it: "
                    : "see to what it says and do what it would have done; if it is never to run: ";
    return Error{.code = job.refuses ? Code::refused_by_hook : Code::io_error,
                 .message = std::move(message),
                 .remedy = std::move(remedy) + to_go_on_without(job.program)};
}

Error not_started(const Job& job, const Error& why) {
    if (why.sys_errno == ENOEXEC) return failed(job, "has no first line \"#!/bin/sh\"", "");
    if (why.sys_errno == ENOENT) return failed(job, "needs an interpreter that is not there", "");
    return failed(job, "could not be started", why.text());
}

Error stopped(const Job& job) {
    return Error{.code = Code::cancelled,
                 .message = "the hook " + job.name() + " was stopped before its end",
                 .remedy = "nothing to do: what was begun goes on when zrepd is back"};
}

Result<Child> start(Processes& processes, const Job& job) {
    Result<Fd> in = pipe_with(job.input);
    if (!in) return in.error();
    return processes.start(
        {.argv = {job.program.string()}, .in = std::move(*in), .out = {}, .with_home = false});
}

Result<void> verdict(const Job& job, const ExitStatus& status, std::string_view words) {
    if (status.ok()) return ok();
    if (status.abandoned) return failed(job, status.text(), words);
    if (status.signal != 0) return failed(job, "was " + status.text(), words);
    const char* how = job.refuses ? "refused with " : "failed with ";
    const char* silence = words.empty() ? ", and said nothing on stderr" : "";
    return failed(job, how + status.text() + silence, words);
}

/// Ends with the program's own end, not with that of what it left behind: that may hold its stderr
/// open for ever.
Task<Ending> run_one(Processes& processes, const Job& job) {
    Result<Child> started = start(processes, job);
    if (!started) co_return Ending{.words = "", .result = not_started(job, started.error())};
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
    if (!in_time && cancel) co_return Ending{.words = words, .result = stopped(job)};
    if (!in_time) {
        const std::string limit = std::to_string(job.limit.count()) + " s";
        const std::string end = status->abandoned ? " and " + status->text() : " and was stopped";
        Error error = failed(job, "did not end within " + limit + end, words);
        co_return Ending{.words = words, .result = std::move(error)};
    }
    co_return Ending{.words = words, .result = verdict(job, *status, words)};
}

void log_end(const Names& names, const Job& job, Clock::time_point began, const Ending& ending) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
    if (ending.result) {
        log::event(log::Level::info,
                   "hook_finished",
                   {{"hook", names.hook},
                    {"run", names.run},
                    {"dataset", names.dataset},
                    {"program", job.program.string()},
                    {"ms", std::to_string(ms.count())},
                    {"text", ending.words.substr(0, kQuoteLimit)}});
        return;
    }
    log::event(log::Level::error,
               "hook_failed",
               {{"hook", names.hook},
                {"run", names.run},
                {"dataset", names.dataset},
                {"program", job.program.string()},
                {"ms", std::to_string(ms.count())},
                {"error", ending.result.error().text()},
                {"next", ending.result.error().remedy}});
}

void log_unusable(const Names& names, const Error& error) {
    log::event(log::Level::error,
               "hook_unusable",
               {{"hook", names.hook},
                {"run", names.run},
                {"dataset", names.dataset},
                {"error", error.text()},
                {"next", error.remedy}});
}

Task<Result<void>> run_logged(Processes& processes, const Names& names, const Job& job) {
    log::event(log::Level::info,
               "hook_started",
               {{"hook", names.hook},
                {"run", names.run},
                {"dataset", names.dataset},
                {"program", job.program.string()}});
    const auto began = Clock::now();
    Ending ending = co_await run_one(processes, job);
    log_end(names, job, began, ending);
    co_return std::move(ending.result);
}

/// All of them in one: the first one's remedy, everybody's message.
Result<void> together(std::vector<Error> failures, Code code) {
    if (failures.empty()) return ok();
    std::vector<std::string> messages;
    messages.reserve(failures.size());
    for (const Error& failure : failures) messages.push_back(failure.text());
    Error all = std::move(failures.front());
    all.context.clear();
    all.message = join(messages, "; ");
    all.code = code;
    return all;
}

}  // namespace

Task<Result<void>> run_hooks(Processes& processes,
                             const config::Config& config,
                             Hook hook,
                             HookContext context) {
    const Names names{std::string(hook_name(hook)), context.run_id, context.dataset.str()};
    const bool refuses = may_refuse(hook);
    HookPrograms programs = programs_of(config, hook);
    for (const Error& error : programs.unusable) log_unusable(names, error);
    if (refuses && !programs.unusable.empty()) {
        co_return together(std::move(programs.unusable), Code::refused_by_hook);
    }
    std::vector<Error> failures = std::move(programs.unusable);
    if (programs.run.empty()) co_return together(std::move(failures), Code::io_error);
    const Result<std::string> input = hook_input(hook, config.host, context);
    if (!input) {
        log_unusable(names, input.error());
        failures.push_back(input.error());
        co_return together(std::move(failures), refuses ? Code::refused_by_hook : Code::io_error);
    }
    for (const fs::path& program : programs.run) {
        const Job job{program, *input, config.hook_timeout, refuses};
        const bool cancel = co_await cancelled();
        if (cancel) co_return stopped(job);
        Result<void> ended = co_await run_logged(processes, names, job);
        if (ended) continue;
        if (refuses || ended.error().code == Code::cancelled) co_return ended.error();
        failures.push_back(ended.error());
    }
    co_return together(std::move(failures), Code::io_error);
}

Result<std::string> hook_input(Hook hook, const HostName& host, const HookContext& context) {
    const Error untellable{.code = Code::unsupported,
                           .message = "hooks cannot be told the mountpoint " +
                                      quote(context.mountpoint) + ": it is not UTF-8, or too long",
                           .remedy = "give " + context.dataset.str() + " another mountpoint"};
    if (!is_utf8(context.mountpoint)) return untellable;
    const Json object{{"version", kInputVersion},
                      {"hook", hook_name(hook)},
                      {"operation", context.operation},
                      {"planned", context.planned},
                      {"host", host.str()},
                      {"dataset", context.dataset.str()},
                      {"kind", context.kind},
                      {"mountpoint", context.mountpoint},
                      {"peer", context.peer.str()},
                      {"peer_dataset", context.peer_dataset.str()},
                      {"epoch", context.epoch},
                      {"run_id", context.run_id}};
    std::string line = dump_json(object) + "\n";
    if (line.size() > kMaxInputBytes) return untellable;
    return line;
}

std::string_view last_line(std::string_view text) {
    text = trim(text);
    const std::size_t end = text.rfind('\n');
    return end == text.npos ? text : trim(text.substr(end + 1));
}

}  // namespace zrepd::failover
