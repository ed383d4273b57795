// SPDX-License-Identifier: BSD-2-Clause
// Starts a run and follows it, and those it joined, to their end.
#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include "ctl/command.hpp"
#include "ctl/progress.hpp"
#include "ctl/render/json.hpp"
#include "ctl/render/table.hpp"
#include "ctl/service_manager.hpp"

namespace zrepd::ctl {
namespace {

using Clock = std::chrono::steady_clock;

// How often we ask for the runs themselves: an end whose event got lost is noticed, a daemon that
// hangs too, and a joined run need not end for our part of it to be done.
constexpr std::chrono::seconds kAskAgain{2};
// A run that was joined twice began after the call.
constexpr unsigned kMaxRounds = 3;

/// What was written since a joined run took its snapshot is not in it: those are asked for again at
/// its end. No other method has such a moment.
bool has_a_moment(const std::string& method) {
    return method == "pair.sync" || method == "pair.refresh";
}

/// Prints what became of one dataset, unless all is printed as JSON; its exit status.
int report(const Invocation& invocation, const rpc::RunResult& result) {
    if (!result.error) {
        const std::string& text = result.text.empty() ? result.outcome : result.text;
        if (!invocation.json) {
            std::printf("%s: %s\n", printable(result.dataset).c_str(), printable(text).c_str());
            std::fflush(stdout);
        }
        return kDone;
    }
    const Error error = rpc::from_item_error(*result.error);
    if (!invocation.json) std::fputs(error_text(error, result.dataset).c_str(), stderr);
    return info(error.code).exit_status;
}

std::set<std::string> runs_of(const rpc::RunStarted& started) {
    std::set<std::string> out(started.joined.begin(), started.joined.end());
    if (!started.run_id.empty()) out.insert(started.run_id);
    return out;
}

// What a dry run with a request_key gives its peer, and the daemon's last answer.
constexpr std::chrono::seconds kDryRunLimit{66};

/// The daemon answers within 5 s, also that it is not done yet: a dry run with a key waits on.
Result<Json> ask(Client& client, const std::string& method, const Json& params) {
    const auto began = std::chrono::steady_clock::now();
    const bool patient = params.value("dry_run", false) && params.contains("request_key");
    while (true) {
        auto reply = client.call(method, params);
        if (reply || !patient || reply.error().code != Code::timed_out) return reply;
        if (std::chrono::steady_clock::now() - began > kDryRunLimit) return reply;
    }
}

/// Of a run that does the same already, and of no other dataset: that it was joined.
Result<rpc::RunStarted> start(Client& client, const std::string& method, const Json& params) {
    auto reply = ask(client, method, params);
    if (reply) return rpc::decode_as<rpc::RunStarted>(*reply, rpc::Strictness::reply);
    rpc::RunStarted joined;
    joined.joined.push_back(reply.error().run_id);
    const bool same = reply.error().code == Code::already_running && !joined.joined[0].empty();
    if (same) return joined;
    return reply.error();
}

/// Follows until every run has ended, or, of joined ones, the part that is wanted.
class Follower {
  public:
    Follower(const Invocation& invocation,
             Client& client,
             std::string method,
             Json params,
             const std::vector<std::string>& wanted)
        : invocation_(invocation),
          client_(client),
          method_(std::move(method)),
          params_(std::move(params)),
          wanted_(wanted.begin(), wanted.end()),
          line_(/*wanted=*/!invocation.json) {}

    int follow(const rpc::RunStarted& started) {
        own_ = started.run_id;
        begin(started);
        auto asked = ask();
        while (asked && (!open_.empty() || may_go_on())) asked = open_.empty() ? go_on() : wait();
        line_.clear();
        if (!asked) return leave(asked.error());
        if (invocation_.json) print_json({{"runs", std::move(runs_)}});
        return status_;
    }

  private:
    void begin(const rpc::RunStarted& started) {
        began_ = started.run_id;
        open_ = runs_of(started);
        if (!open_.empty()) last_ = *open_.begin();
    }
    bool may_go_on() const { return !behind_.empty() && round_ < kMaxRounds; }
    /// The same call, for what joined runs did not see yet: `all` leaves paused ones alone, names
    /// would not. What else is in its run was told of already.
    Result<void> go_on() {
        ++round_;
        auto started = start(client_, method_, params_);
        if (!started) return started.error();
        own_.clear();
        wanted_ = std::exchange(behind_, {});
        begin(*started);
        return ask();
    }
    Result<void> wait() {
        if (Clock::now() >= ask_at_) return ask();
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(ask_at_ - Clock::now());
        auto event = client_.next_event(left);
        if (!event && event.error().code == Code::timed_out) return ok();
        if (!event) return event.error();
        if (event->progress && open_.contains(event->progress->run_id)) {
            if (is_wanted(event->progress->run_id, event->dataset)) line_.show(*event);
        } else if (event->run && event->run->finished) {
            finish(*event->run);
        }
        return ok();
    }
    Result<void> ask() {
        ask_at_ = Clock::now() + kAskAgain;
        for (const std::string& id : std::set<std::string>(open_)) {
            auto run = client_.call_as<rpc::RunOut>("run.get", rpc::RunIn{id});
            if (!run) return run.error();
            const bool ended = std::none_of(
                run->results.begin(), run->results.end(), [&](const rpc::RunResult& result) {
                    return result.outcome == "running" && is_wanted(id, result.dataset);
                });
            if (run->finished || (id != own_ && ended)) finish(*run);
        }
        return ok();
    }
    bool is_wanted(const std::string& run_id, const std::string& dataset) const {
        return run_id == own_ || wanted_.empty() || wanted_.contains(dataset);
    }
    void finish(rpc::RunOut run) {
        if (open_.erase(run.run_id) == 0) return;
        std::erase_if(run.results,
                      [&](const auto& result) { return !is_wanted(run.run_id, result.dataset); });
        line_.clear();
        for (const auto& result : run.results) {
            status_ = std::max(status_, report(invocation_, result));
            const bool again = run.run_id != began_ && !result.error && has_a_moment(method_);
            if (again) behind_.insert(result.dataset);
        }
        runs_.push_back(rpc::encode(run));
    }
    /// The run is not over, but we cannot or must not wait any longer.
    int leave(Error error) const {
        const std::string run = open_.empty() ? last_ : *open_.begin();
        if (error.code == Code::cancelled) {
            error.message = "no longer waiting; run " + run + " goes on in zrepd";
            error.remedy = "zrepctl status shows how far it is";
            if (!invocation_.json) std::fputs("\n", stderr);
        } else if (error.code == Code::daemon_unreachable && error.sys_errno == kSilent) {
            error.message += "; run " + run + " goes on in it";
        } else if (error.code == Code::daemon_unreachable) {
            error.message = "zrepd went away while run " + run + " was under way";
            error.remedy = std::string("see ") + service_manager::kState +
                           "; once it is back, run this again: an interrupted stream is resumed";
        }
        error.run_id = run;
        return complain(invocation_, error);
    }

    const Invocation& invocation_;
    Client& client_;
    std::string method_;
    Json params_;
    std::string own_;               ///< the run we started, if any; all of it is wanted
    std::set<std::string> wanted_;  ///< of other runs
    std::string began_;             ///< the run that our last call started, if any
    std::string last_;              ///< a run that we followed
    std::set<std::string> behind_;  ///< of other runs that ended, and began before we asked
    unsigned round_ = 1;
    std::set<std::string> open_;
    Clock::time_point ask_at_ = Clock::now();
    ProgressLine line_;  ///< none with --json
    Json runs_ = Json::array();
    int status_ = kDone;
};

void say_nothing_to_do(const rpc::RunStarted& started) {
    const std::string why = started.note ? ": " + printable(*started.note) : "";
    std::printf("nothing to do%s\n", why.c_str());
}

int report_nothing(const Invocation& invocation, const rpc::RunStarted& started) {
    Json none{{"runs", Json::array()}};
    if (started.note) none["note"] = *started.note;
    if (invocation.json)
        print_json(none);
    else
        say_nothing_to_do(started);
    return kDone;
}

int report_dry_run(const Invocation& invocation,
                   const Json& reply,
                   const rpc::RunStarted& started) {
    const auto results = started.results.value_or(std::vector<rpc::RunResult>());
    if (invocation.json) {
        print_json(reply);
    } else {
        for (const auto& step : started.steps) std::printf("would %s\n", printable(step).c_str());
        if (started.steps.empty() && results.empty()) say_nothing_to_do(started);
    }
    int status = kDone;
    for (const auto& result : results) status = std::max(status, report(invocation, result));
    return status;
}

int report_started(const Invocation& invocation,
                   const Json& reply,
                   const std::set<std::string>& runs) {
    if (invocation.json)
        print_json(reply);
    else
        for (const auto& id : runs) std::printf("run %s\n", id.c_str());
    return kDone;
}

}  // namespace

int start_and_follow(const Invocation& invocation,
                     const std::string& method,
                     const Json& params,
                     const std::vector<std::string>& wanted) {
    auto client = Client::connect(invocation.socket, /*read_only=*/false);
    if (!client) return complain(invocation, client.error());
    // Subscribed first, so that no end can be missed.
    auto subscribed = client->call("events.subscribe", Json::object());
    if (!subscribed) return complain(invocation, subscribed.error());
    const auto started = start(*client, method, params);
    if (!started) return complain(invocation, started.error());
    if (params.value("dry_run", false))
        return report_dry_run(invocation, rpc::encode(*started), *started);
    const std::set<std::string> open = runs_of(*started);
    if (open.empty()) return report_nothing(invocation, *started);
    if (!invocation.wait) return report_started(invocation, rpc::encode(*started), open);
    catch_interrupt();
    return Follower(invocation, *client, method, params, wanted).follow(*started);
}

}  // namespace zrepd::ctl
