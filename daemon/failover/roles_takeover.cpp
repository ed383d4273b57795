// SPDX-License-Identifier: BSD-2-Clause
// What a target asks of its master, and what the master answers: a planned takeover, a sync now.
#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/failover/outcome.hpp"
#include "daemon/failover/roles.hpp"
#include "daemon/peer/absence.hpp"
#include "daemon/sched/due.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/peer_run.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::failover {
namespace {

using sync::Freshness;

// Below the time in which the asking side has to answer its own client.
constexpr std::chrono::seconds kLookForPeerLimit{4};
// A run that was joined twice began after the question.
constexpr unsigned kMaxRefreshes = 3;

rpc::RefreshIn wish(bool dry_run, bool all) {
    rpc::RefreshIn out;
    out.dry_run = dry_run;
    if (all) out.all = true;
    return out;
}

rpc::RunResult left_alone(const DatasetName& dataset, std::string why) {
    rpc::RunResult out;
    out.dataset = dataset.str();
    out.outcome = "unchanged";
    out.text = std::move(why);
    return out;
}

/// An older zrepd refuses what it does not know: it would not see whether the master is paused.
Error knows_no_pause(const plan::Pair& pair) {
    return Error{.code = Code::unsupported,
                 .message = "the zrepd on " + pair.peer.str() +
                            " is too old to say whether the master of " + pair.dataset.str() +
                            " is paused there",
                 .remedy = "name it: zrepctl refresh " + quote(pair.dataset.str()) +
                           "; or have the same version of zrepd on both hosts"};
}

/// The master was not heard, whoever is to blame.
bool cannot_ask(Code code) {
    return peer::is_absence(code) || code == Code::peer_auth || code == Code::peer_host_key ||
           code == Code::peer_protocol || code == Code::timed_out;
}

}  // namespace

/// Of a master; its copy waits, perhaps at an earlier snapshot (zrepctl sync FILESYSTEM@SNAPSHOT).
/// A sync by name may have brought it forward since: then it is where any paused one is.
std::string Roles::paused_here(const plan::Pair& pair) const {
    const Dataset* dataset = parts_.inventory.find(pair.dataset);
    const Versions* versions = parts_.inventory.versions(pair.dataset);
    const Snapshot* acked = versions == nullptr ? nullptr : sync::last_acked(*versions);
    const bool back =
        dataset != nullptr && acked != nullptr && dataset->local(prop::kBack) == acked->guid.str();
    const std::string& host = parts_.self.host.str();
    return pair.dataset.str() + " on " + host + " is paused" +
           (back ? ": its copy was put back and is to stay there" : "") +
           "; nothing was sent; next: on " + host + ": zrepctl unpause " +
           quote(pair.dataset.str()) + ", or here, by name: zrepctl refresh " +
           quote(pair.peer_dataset.str());
}

Task<Result<rpc::HandOverOut>> Roles::call_hand_over(plan::Pair pair,
                                                     rpc::HandOverIn in,
                                                     std::chrono::seconds limit) {
    in.source = pair.dataset.str();
    in.target = pair.peer_dataset.str();
    auto answer =
        co_await role_.peers.call_as<rpc::HandOverOut>(pair.peer, "peer.hand_over", in, limit);
    if (answer) co_return answer;
    Error error = sync::said_there(pair.peer, answer.error()).in(pair.peer.str());
    if (cannot_ask(error.code)) {
        error.remedy += error.remedy.empty() ? "" : "; ";
        error.remedy += "if that host is dead: zrepctl takeover -L " + quote(pair.dataset.str());
    }
    co_return error;
}

/// A planned takeover is a failover that the target asks for.
Task<Result<rpc::RunResult>> Roles::ask_master(sync::RunPtr run, DatasetName dataset, Guid back) {
    const auto pair = parts_.inventory.pair(dataset);
    if (!pair) co_return sync::no_pair(parts_, dataset);
    if (pair->role == plan::Role::master) co_return wrong_side(Ask::takeover, *pair);
    parts_.runs.phase(*run, dataset, "asking " + pair->peer.str());
    rpc::HandOverIn in;
    if (back.known()) in.base = back;
    auto started = co_await call_hand_over(*pair, std::move(in), kAskLimit);
    if (!started) co_return started.error();
    // An operator may have taken over without the master meanwhile. What is promoted and not
    // mounted yet is not done: who waits for this goes on to use it.
    const auto is_served = [this, dataset] {
        const auto now = parts_.inventory.pair(dataset);
        return now && now->role == plan::Role::master && !is_unsettled(dataset);
    };
    sync::PeerWork work{.pair = *pair,
                        .run_id = started->run_id,
                        .doing = "hands over",
                        .no_longer_needed = is_served};
    auto followed = co_await sync::follow_peer_run(parts_, role_.peers, run, std::move(work));
    if (!followed) co_return followed.error();
    auto seen = co_await parts_.inventory.refresh_one(dataset, Freshness::cached);
    if (!seen) co_return seen.error();
    const auto now = parts_.inventory.pair(dataset);
    if (!now) co_return sync::no_pair(parts_, dataset);
    if (now->role != plan::Role::master) {
        co_return Error{.code = Code::conflict,
                        .message = pair->peer.str() + " says that it handed over, but " +
                                   dataset.str() + " is no master",
                        .remedy =
                            "zrepctl status on both hosts shows who is master; it was not "
                            "changed from here"};
    }
    rpc::RunResult result;
    result.outcome = "done";
    result.text = outcome_of(*now, stored_of(*parts_.inventory.find(dataset), *now));
    co_return result;
}

Result<rpc::RunStarted> Roles::start_refresh(const std::vector<DatasetName>& datasets, bool all) {
    for (const auto& dataset : datasets) {
        const sync::RunPtr same = parts_.runs.active(dataset, kRefresh, "");
        if (same && datasets.size() == 1) return sync::same_work(*same, dataset);
    }
    sync::RunPtr run = parts_.runs.start(std::string(kRefresh), datasets);
    rpc::RunStarted out;
    out.run_id = run->id();
    for (const auto& dataset : datasets)
        tasks_.spawn("refresh " + dataset.str(), refresh_one(run, dataset, all));
    return out;
}

Task<> Roles::refresh_one(sync::RunPtr run, DatasetName dataset, bool all) {
    Result<rpc::RunResult> result = Error{};
    {
        auto place = co_await places_.acquire();
        result = co_await ask_refresh(run, dataset, all);
    }
    if (result)
        parts_.runs.succeed(*run, dataset, std::move(*result));
    else
        parts_.runs.fail(*run, dataset, result.error());
}

Task<Result<rpc::HandOverOut>> Roles::call_refresh(DatasetName dataset,
                                                   rpc::RefreshIn in,
                                                   std::chrono::seconds limit) {
    const auto pair = parts_.inventory.pair(dataset);
    if (!pair) co_return sync::no_pair(parts_, dataset);
    if (pair->role == plan::Role::initializing) co_return sync::not_a_master(*pair);
    if (pair->role != plan::Role::target) {
        co_return Error{.code = Code::wrong_role,
                        .message = dataset.str() + " is no copy: it is the master here",
                        .remedy = "zrepctl sync " + quote(dataset.str())};
    }
    in.source = dataset.str();
    in.target = pair->peer_dataset.str();
    auto answer =
        co_await role_.peers.call_as<rpc::HandOverOut>(pair->peer, "peer.refresh", in, limit);
    if (!answer && in.all && answer.error().code == Code::invalid_params)
        co_return knows_no_pause(*pair);
    if (!answer) co_return sync::said_there(pair->peer, answer.error()).in(pair->peer.str());
    co_return std::move(*answer);
}

Task<Result<rpc::RunResult>> Roles::ask_refresh(sync::RunPtr run, DatasetName dataset, bool all) {
    auto seen = co_await parts_.inventory.refresh_one(dataset, Freshness::cached);
    if (!seen) co_return seen.error();
    rpc::RunResult result;
    result.outcome = "done";
    // One that began before this was asked for has not got what was written since.
    for (unsigned round = 0; round < kMaxRefreshes; ++round) {
        rpc::RefreshIn in = wish(/*dry_run=*/false, all);
        auto started = co_await call_refresh(dataset, std::move(in), kAskLimit);
        if (!started) co_return started.error();
        if (started->note) co_return left_alone(dataset, *started->note);
        const auto pair = parts_.inventory.pair(dataset);
        if (!pair) co_return sync::no_pair(parts_, dataset);
        sync::PeerWork work{.pair = *pair, .run_id = started->run_id, .doing = "syncs"};
        auto said = co_await sync::follow_peer_run(parts_, role_.peers, run, std::move(work));
        if (!said) co_return said.error();
        const std::string what = said->empty() ? "nothing changed on " + pair->peer.str() : *said;
        result.text += (round == 0 ? "" : "; then: ") + what;
        if (!started->joined.value_or(false)) break;
    }
    co_return result;
}

Task<Result<sync::DryRun>> Roles::describe_refresh(std::vector<DatasetName> datasets,
                                                   std::chrono::seconds limit,
                                                   bool all) {
    const auto until = std::chrono::steady_clock::now() + limit;
    sync::DryRun out;
    for (const auto& dataset : datasets) {
        const auto left = std::max(
            std::chrono::ceil<std::chrono::seconds>(until - std::chrono::steady_clock::now()),
            std::chrono::seconds(1));
        rpc::RefreshIn in = wish(/*dry_run=*/true, all);
        auto answer = co_await call_refresh(dataset, std::move(in), left);
        if (!answer)
            out.results.push_back(sync::failed_result(dataset, answer.error()));
        else if (answer->note)
            out.results.push_back(left_alone(dataset, *answer->note));
        else
            for (auto& step : answer->steps) out.steps.push_back(std::move(step));
    }
    co_return out;
}

/// The pair of which the asking peer has the target.
Task<Result<plan::Pair>> Roles::master_of(const std::string& peer,
                                          std::string source,
                                          std::string target) {
    auto name = DatasetName::parse(target);
    if (!name) co_return name.error();
    auto seen = co_await know(peer, target, source);
    if (seen) seen = co_await parts_.inventory.refresh_one(*name, Freshness::cached);
    if (!seen) co_return seen.error();
    const auto pair = pair_with(peer, target, source);
    if (!pair) co_return not_yours(peer, target);
    if (pair->role == plan::Role::master) co_return *pair;
    const Dataset* now = parts_.inventory.find(*name);
    const Entry entry = now == nullptr ? Entry{} : entry_of(*now);
    if (entry.journal != Journal::none) co_return unfinished(*pair, entry);
    co_return Error{.code = Code::wrong_role,
                    .message = name->str() + " is not the master on " + parts_.self.host.str(),
                    .remedy = "zrepctl status on both hosts shows who is"};
}

Task<Result<rpc::HandOverOut>> Roles::refresh(std::string peer, rpc::RefreshIn in) {
    auto pair = co_await master_of(peer, in.source, in.target);
    if (!pair) co_return pair.error();
    rpc::HandOverOut out;
    if (in.all.value_or(false) && sched::is_paused(pair->settings.paused, unix_now())) {
        out.note = paused_here(*pair);
        co_return out;
    }
    std::vector<DatasetName> one{pair->dataset};
    if (in.dry_run) {
        auto found = co_await role_.engine.describe_sync(std::move(one), kLookForPeerLimit);
        if (!found) co_return found.error();
        out.steps = std::move(found->steps);
        for (const auto& result : found->results) {
            if (result.error) co_return rpc::from_item_error(*result.error);
        }
        co_return out;
    }
    auto started = role_.engine.start_sync(one, Freshness::listed);
    const bool joined = !started && started.error().code == Code::already_running;
    if (!started && !joined) co_return started.error();
    out.run_id = joined ? started.error().run_id : started->run_id;
    if (joined) out.joined = true;
    co_return out;
}

Task<Result<rpc::HandOverOut>> Roles::hand_over(std::string peer, rpc::HandOverIn in) {
    auto pair = co_await master_of(peer, in.source, in.target);
    if (!pair) co_return pair.error();
    rpc::HandOverOut out;
    std::vector<DatasetName> one{pair->dataset};
    if (in.base) co_return co_await hand_over_at(std::move(in), pair->dataset);
    if (in.dry_run) {
        auto found = co_await describe(Ask::failover, std::move(one), kLookForPeerLimit);
        if (!found) co_return found.error();
        out.steps = std::move(found->steps);
        for (const auto& result : found->results) {
            if (result.error) co_return rpc::from_item_error(*result.error);
        }
        co_return out;
    }
    auto started = start(Ask::failover, one);
    const bool joined = !started && started.error().code == Code::already_running;
    if (!started && !joined) co_return started.error();
    out.run_id = joined ? started.error().run_id : started->run_id;
    co_return out;
}

Task<Result<rpc::PeerRunOut>> Roles::run(std::string peer, rpc::PeerRunIn in) {
    const sync::RunPtr run = parts_.runs.find(in.run_id);
    const auto is_of_peer = [&](const rpc::RunResult& result) {
        const auto name = DatasetName::parse(result.dataset);
        const auto pair = name ? parts_.inventory.pair(*name) : std::nullopt;
        return pair && pair_with(peer, result.dataset, pair->peer_dataset.str());
    };
    const auto& results = run ? run->out().results : std::vector<rpc::RunResult>{};
    if (results.empty() || !std::all_of(results.begin(), results.end(), is_of_peer)) {
        co_return Error{.code = Code::not_found,
                        .message = "no run " + quote(in.run_id) + "; zrepd was restarted since",
                        .remedy = "zrepctl status on both hosts shows how it ended"};
    }
    rpc::PeerRunOut out;
    out.finished = run->finished();
    for (const auto& result : run->out().results) {
        out.text = result.text;
        out.error = result.error;
    }
    co_return out;
}

}  // namespace zrepd::failover
