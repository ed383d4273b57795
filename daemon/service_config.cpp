// SPDX-License-Identifier: BSD-2-Clause
// changeconfig: where the other side of a pair is from now on.
#include "common/text.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/plan/repoint.hpp"
#include "daemon/service.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd {
namespace {

// Below the 5 s in which every call answers.
constexpr std::chrono::milliseconds kAskLimit{4'000};

std::string command_there(const DatasetName& here,
                          const plan::Self& self,
                          const plan::OtherSide& other,
                          bool as_target) {
    return "on " + other.host.str() + " run: zrepctl changeconfig " + (as_target ? "" : "-d ") +
           quote(other.dataset.str()) + " " + std::string(self.host.short_name()) + " " +
           quote(here.str());
}

}  // namespace

/// The newest snapshot in common: the other side, which knows of it already, has something to go on
/// from.
Task<Result<Guid>> DaemonService::check_other_side(DatasetName dataset, plan::OtherSide other) {
    rpc::LookIn in;
    in.pairs.push_back({dataset.str(), other.dataset.str()});
    auto answer = co_await peers_.call_as<rpc::LookOut>(other.host, "peer.look", in, kAskLimit);
    if (!answer) {
        Error error = std::move(Error(answer.error())).in(other.host.str());
        error.remedy += "; if it cannot be asked now: --unchecked";
        co_return error;
    }
    const std::string there = other.host.str() + ":" + other.dataset.str();
    if (answer->targets.size() != 1)
        co_return Error{.code = Code::peer_protocol, .message = there + " was not answered for"};
    const rpc::TargetState& state = answer->targets[0];
    if (state.error) co_return rpc::from_item_error(*state.error).in(other.host.str());
    if (!state.is_pair && state.master) {
        co_return Error{.code = Code::conflict,
                        .message = there + " is marked as master too; nothing was changed",
                        .remedy = "which of them is to be it comes first: zrepctl sync " +
                                  quote(dataset.str()) + " says what to do; then this again"};
    }
    if (!state.is_pair) {
        const std::string why = state.exists ? " does not know that it is the copy of "
                                             : " does not exist, or is not the copy of ";
        co_return Error{.code = Code::refused,
                        .message = there + why + dataset.str() + "; nothing was changed",
                        .remedy = command_there(dataset, parts_.self, other, /*as_target=*/false) +
                                  ", then this again"};
    }
    const Guid base = failover::newest_common(parts_.inventory.versions(dataset), state.snapshots);
    if (base.known()) co_return base;
    co_return Error{.code = Code::conflict,
                    .message = there + " has no snapshot in common with " + dataset.str() +
                               "; nothing was changed",
                    .remedy =
                        "name the copy of this filesystem; zfs list -o name,guid -t snapshot "
                        "on both hosts shows which it is"};
}

Task<Result<rpc::Done>> DaemonService::changeconfig(rpc::ConfigIn in, control::Caller) {
    auto dataset = DatasetName::parse(in.dataset);
    if (!dataset) co_return dataset.error();
    auto host = HostName::parse(in.host);
    if (!host) co_return host.error();
    auto named = DatasetName::parse(in.other);
    if (!named) co_return named.error();
    const plan::OtherSide other{*host, *named};
    auto guard = parts_.locks.try_lock(*dataset, lock::Scope::node, "changeconfig");
    if (!guard) co_return guard.error();
    std::vector<std::string> names{in.dataset};
    auto found = co_await look_up(std::move(names));
    if (!found) co_return found.error();
    auto changes =
        plan::repoint(*parts_.inventory.find(*dataset), parts_.self, other, in.as_target);
    if (!changes) co_return changes.error();
    Guid base;
    std::vector<SnapshotName> others;  // acknowledged by the other side of before
    if (!in.as_target && !in.unchecked) {
        auto seen = co_await parts_.inventory.refresh_one(*dataset, sync::Freshness::listed);
        if (!seen) co_return seen.error();
        auto checked = co_await check_other_side(*dataset, other);
        if (!checked) co_return checked.error();
        base = *checked;
        if (const Versions* versions = parts_.inventory.versions(*dataset))
            others = sync::acknowledged_after(*versions, *dataset, base);
    }
    rpc::Done out;
    for (const auto& name : others) {
        const bool held = !zrep_sequence(name.snapshot());
        out.steps.push_back("forget that " + name.str() + " was acknowledged" +
                            (held ? ", and release our hold on it" : ""));
    }
    if (!others.empty() && !in.dry_run) {
        auto forgotten = co_await sync::forget_newer(parts_, *dataset, base);
        if (!forgotten) co_return forgotten.error();
    }
    out.notes.push_back(
        (in.as_target ? std::string("the master's side has to know, too; ")
                      : std::string("the other side is not changed from here; if not done yet, ")) +
        command_there(*dataset, parts_.self, other, in.as_target));
    std::vector<SettingChange> work{{*dataset, std::move(*changes), {}}};
    auto done = co_await carry_out(std::move(work), std::move(out), in.dry_run);
    // What its last run said is about the other side of before.
    if (done && !in.dry_run) parts_.runs.forget(*dataset);
    co_return done;
}

}  // namespace zrepd
