// SPDX-License-Identifier: BSD-2-Clause
// Reports of errors and results, and the following of runs.
#include <unistd.h>

#include <cstdio>
#include <set>

#include "common/text.hpp"
#include "common/units.hpp"
#include "ctl/command.hpp"
#include "ctl/render/json.hpp"

namespace zrepd::ctl {
namespace {

// Longest silence while a run is under way before we ask whether it is still known.
constexpr std::chrono::milliseconds kAskAgain{10000};

/// One line on a terminal, rewritten in place; nothing elsewhere.
class ProgressLine {
  public:
    void show(const rpc::EventOut& event) {
        if (!terminal_ || !event.progress) return;
        const rpc::Progress& p = *event.progress;
        std::string text = event.dataset + ": " + p.phase + ", " + human_bytes(p.bytes);
        if (p.rate_bytes_per_second != 0) text += ", " + human_bytes(p.rate_bytes_per_second) + "/s";
        std::fprintf(stderr, "\r%s\x1b[K", text.c_str());
        shown_ = true;
    }
    void clear() {
        if (shown_) std::fputs("\r\x1b[K", stderr);
        shown_ = false;
    }

  private:
    bool terminal_ = ::isatty(STDERR_FILENO) == 1;
    bool shown_ = false;
};

int report(const rpc::RunResult& result, bool json) {
    if (result.error) {
        const Error error = rpc::from_item_error(*result.error);
        if (!json) {
            std::fprintf(stderr, "zrepctl: %s: %s\n", result.dataset.c_str(), error.message.c_str());
            if (!error.remedy.empty()) std::fprintf(stderr, "  next: %s\n", error.remedy.c_str());
        }
        return info(error.code).exit_status;
    }
    if (!json) {
        std::printf("%s: %s\n", result.dataset.c_str(),
                    result.text.empty() ? result.outcome.c_str() : result.text.c_str());
    }
    return kDone;
}

/// Follows until every one of `open` has ended.
class Follower {
  public:
    Follower(const Invocation& invocation, Client& client)
        : invocation_(invocation), client_(client) {}

    int follow(std::set<std::string> open) {
        while (!open.empty()) {
            auto event = client_.next_event(kAskAgain);
            if (event && event->event == "run_progress") {
                if (event->progress && open.contains(event->progress->run_id)) line_.show(*event);
                continue;
            }
            if (event && event->run && event->run->finished && open.erase(event->run->run_id) != 0) {
                finish(*event->run);
                continue;
            }
            if (event) continue;
            if (event.error().code == Code::cancelled) return interrupted(*open.begin());
            if (event.error().code != Code::timed_out) return complain(invocation_, event.error());
            if (auto lost = ask(open); !lost) return complain(invocation_, lost.error());
        }
        line_.clear();
        if (invocation_.json) print_json({{"runs", std::move(runs_)}});
        return status_;
    }

  private:
    /// The end may have come before we subscribed, or the event was dropped.
    Result<void> ask(std::set<std::string>& open) {
        for (const std::string& id : std::set<std::string>(open)) {
            auto run = client_.call_as<rpc::RunOut>("run.get", rpc::RunIn{id});
            if (!run) return run.error();
            if (run->finished && open.erase(id) != 0) finish(*run);
        }
        return ok();
    }
    void finish(const rpc::RunOut& run) {
        line_.clear();
        for (const auto& result : run.results) {
            status_ = std::max(status_, report(result, invocation_.json));
        }
        runs_.push_back(rpc::encode(run));
    }
    int interrupted(const std::string& id) {
        line_.clear();
        std::fprintf(stderr, "\nzrepctl: no longer waiting; run %s goes on in zrepd\n"
                             "  next: zrepctl status\n", id.c_str());
        return kInterrupted;
    }

    const Invocation& invocation_;
    Client& client_;
    ProgressLine line_;
    Json runs_ = Json::array();
    int status_ = kDone;
};

}  // namespace

int complain(const Invocation& invocation, const Error& error) {
    if (invocation.json) {
        print_json({{"error", rpc::error_to_json(error)}});
    } else {
        std::fprintf(stderr, "zrepctl: %s\n", error.text().c_str());
        if (!error.remedy.empty()) std::fprintf(stderr, "  next: %s\n", error.remedy.c_str());
    }
    return error.code == Code::cancelled ? kInterrupted : info(error.code).exit_status;
}

int usage_error(const std::string& verb, const std::string& what) {
    std::fprintf(stderr, "zrepctl %s: %s\nsee zrepctl %s --help\n", verb.c_str(), what.c_str(),
                 verb.c_str());
    return kUsage;
}

int start_and_follow(const Invocation& invocation, const std::string& method, const Json& params) {
    auto client = Client::connect(invocation.socket, /*read_only=*/false);
    if (!client) return complain(invocation, client.error());
    catch_interrupt();
    // Subscribed first, so that no end can be missed.
    auto subscribed = client->call("events.subscribe", Json::object());
    if (!subscribed) return complain(invocation, subscribed.error());
    auto reply = client->call(method, params);
    std::set<std::string> open;
    if (!reply) {
        const Error& error = reply.error();
        if (error.code != Code::already_running || error.run_id.empty()) {
            return complain(invocation, error);
        }
        if (!invocation.json) std::fprintf(stderr, "zrepctl: joining run %s\n", error.run_id.c_str());
        open.insert(error.run_id);
    } else {
        auto started = rpc::decode_as<rpc::RunStarted>(*reply, rpc::Strictness::reply);
        if (!started) return complain(invocation, started.error());
        const bool dry = params.value("dry_run", false);
        if (invocation.json && (dry || !invocation.wait)) {
            print_json(*reply);
            return kDone;
        }
        for (const auto& step : started->steps) std::printf("would %s\n", step.c_str());
        if (dry && started->steps.empty()) std::puts("nothing to do");
        if (!started->run_id.empty()) open.insert(started->run_id);
        open.insert(started->joined.begin(), started->joined.end());
    }
    if (!invocation.wait) {
        for (const auto& id : open) std::printf("run %s\n", id.c_str());
        return kDone;
    }
    return Follower(invocation, *client).follow(std::move(open));
}

int call_and_report(const Invocation& invocation, const std::string& method, const Json& params) {
    auto client = Client::connect(invocation.socket, /*read_only=*/false);
    if (!client) return complain(invocation, client.error());
    auto reply = client->call(method, params);
    if (!reply) return complain(invocation, reply.error());
    auto done = rpc::decode_as<rpc::Done>(*reply, rpc::Strictness::reply);
    if (!done) return complain(invocation, done.error());
    if (invocation.json) {
        print_json(*reply);
        return kDone;
    }
    const char* would = params.value("dry_run", false) ? "would " : "";
    for (const auto& step : done->steps) std::printf("%s%s\n", would, step.c_str());
    for (const auto& note : done->notes) std::printf("note: %s\n", note.c_str());
    return kDone;
}

}  // namespace zrepd::ctl
