// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/event_hooks.hpp"

#include <algorithm>

#include "common/json.hpp"
#include "common/text.hpp"
#include "daemon/log.hpp"

namespace zrepd::failover {
namespace {

using Clock = std::chrono::steady_clock;

// What else makes an event long is short; this is for a text that nobody expected.
constexpr std::size_t kMaxText = 1024;
// One that always fails is a line now and then in the log, not one for each event.
constexpr std::uint64_t kSayAgainAfter = 60;

std::string line_of(const rpc::EventOut& event) {
    return dump_json(rpc::encode(event)) + "\n";
}

void log_end(const HookJob& job, Clock::time_point began, const HookEnd& end, std::uint64_t fails) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
    if (end.result) {
        log::event(fails == 0 ? log::Level::debug : log::Level::info,
                   "event_hook_finished",
                   {{"program", job.program.string()},
                    {"ms", std::to_string(ms.count())},
                    {"text", end.words.substr(0, kQuoteLimit)}});
        return;
    }
    log::event(fails % kSayAgainAfter == 0 ? log::Level::error : log::Level::debug,
               "event_hook_failed",
               {{"program", job.program.string()},
                {"ms", std::to_string(ms.count())},
                {"error", end.result.error().text()},
                {"next", end.result.error().remedy},
                {"failures", std::to_string(fails + 1)}});
}

void log_lost(const std::filesystem::path& program, std::uint64_t events, const char* why) {
    log::event(log::Level::warn,
               "event_hook_lost",
               {{"program", program.string()}, {"events", std::to_string(events)}, {"why", why}});
}

}  // namespace

std::string event_input(rpc::EventOut event) {
    std::string line = line_of(event);
    const auto fits = [&] { return line.size() <= kMaxHookInput; };
    if (!fits() && event.run) {
        auto& results = event.run->results;
        std::erase_if(results, [](const auto& result) { return !result.error; });
        line = line_of(event);
        while (!fits() && !results.empty()) {
            results.resize(results.size() / 2);
            line = line_of(event);
        }
    }
    if (fits()) return line;
    event.text.resize(std::min(event.text.size(), kMaxText));
    return line_of(event);
}

EventHooks::EventHooks(asio::any_io_executor executor,
                       sync::EventBus& events,
                       Processes& processes,
                       const config::Config& config)
    : events_(events), processes_(processes), config_(config), tasks_(std::move(executor)) {}

void EventHooks::start() {
    subscription_ = events_.subscribe([this](const rpc::EventOut& event) {
        note(event);
        return true;
    });
}

void EventHooks::cancel() {
    subscription_.reset();
    tasks_.cancel();
}

Task<> EventHooks::join() {
    co_await tasks_.join();
    for (const auto& [path, program] : programs_) {
        const std::uint64_t lost = program->lost + program->waiting.size();
        if (lost != 0) log_lost(path, lost, "zrepd stops");
    }
    programs_.clear();
}

void EventHooks::note(const rpc::EventOut& event) {
    if (event.progress) return;
    look();
    Line line;
    for (const auto& [path, program] : programs_) {
        if (!program->listed) continue;
        if (!line) line = std::make_shared<const std::string>(event_input(event));
        give(program, line);
    }
}

void EventHooks::look() {
    const auto now = Clock::now();
    if (looked_ && now - *looked_ < kLookAgainAfter) return;
    looked_ = now;
    const HookPrograms found = event_programs_of(config_);
    say_unusable(found);
    list(found);
}

/// One that is gone may still be running; it is forgotten when it has ended.
void EventHooks::list(const HookPrograms& found) {
    for (const auto& [path, program] : programs_) program->listed = false;
    for (const auto& path : found.run) {
        ProgramPtr& program = programs_[path];
        if (!program) program = std::make_shared<Program>(Program{.path = path});
        program->listed = true;
    }
    for (const auto& [path, program] : programs_) {
        if (!program->listed) program->waiting.clear();
    }
    std::erase_if(programs_,
                  [](const auto& one) { return !one.second->listed && !one.second->running; });
}

void EventHooks::say_unusable(const HookPrograms& found) {
    std::string all;
    for (const Error& error : found.unusable) all += error.text() + "\n";
    if (all == said_) return;
    said_ = std::move(all);
    for (const Error& error : found.unusable) {
        log::event(log::Level::warn,
                   "event_hook_unusable",
                   {{"error", error.text()}, {"next", error.remedy}});
    }
}

/// One that fell behind gets nothing until it has caught up: a gap, not holes.
void EventHooks::give(const ProgramPtr& program, const Line& line) {
    if (program->lost != 0 || program->waiting.size() >= kMaxWaiting) {
        ++program->lost;
        return;
    }
    program->waiting.push_back(line);
    if (program->running) return;
    program->running = true;
    tasks_.spawn("event hook", drain(program));
}

Task<> EventHooks::drain(ProgramPtr program) {
    while (!program->waiting.empty()) {
        const bool stop = co_await cancelled();
        if (stop) break;
        const HookJob job{.program = program->path,
                          .input = *program->waiting.front(),
                          .limit = config_.hook_timeout};
        program->waiting.pop_front();
        const auto began = Clock::now();
        const HookEnd end = co_await run_hook_program(processes_, job);
        if (!end.result && end.result.error().code == Code::cancelled) {
            ++program->lost;
            break;
        }
        log_end(job, began, end, program->failures);
        program->failures = end.result ? 0 : program->failures + 1;
        if (!program->waiting.empty() || program->lost == 0) continue;
        log_lost(program->path, program->lost, "it could not keep up");
        program->lost = 0;
    }
    program->running = false;
}

}  // namespace zrepd::failover
