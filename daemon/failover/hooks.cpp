// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/hooks.hpp"

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

struct Names {
    std::string hook;
    std::string run;
    std::string dataset;
};

void log_end(const Names& names,
             const HookJob& job,
             Clock::time_point began,
             const HookEnd& ending) {
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

Task<Result<void>> run_logged(Processes& processes, const Names& names, const HookJob& job) {
    log::event(log::Level::info,
               "hook_started",
               {{"hook", names.hook},
                {"run", names.run},
                {"dataset", names.dataset},
                {"program", job.program.string()}});
    const auto began = Clock::now();
    HookEnd ending = co_await run_hook_program(processes, job);
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
        const HookJob job{program, *input, config.hook_timeout, refuses};
        const bool cancel = co_await cancelled();
        if (cancel) co_return hook_stopped(job);
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

}  // namespace zrepd::failover
