// SPDX-License-Identifier: BSD-2-Clause
// What a tree's sync would do, for --dry-run: also of an init, which has stored nothing yet.
#include <algorithm>
#include <map>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/expiry_there.hpp"
#include "daemon/sync/tree_sync.hpp"

namespace zrepd::sync {
namespace {

bool stands_back(const plan::MemberStep& step) {
    return step.kind == plan::MemberStep::Kind::apart;
}

/// A second at least, so that a slow look is not told as a peer that does not answer.
std::chrono::seconds rest_of(SteadyClock::time_point until) {
    return std::max(std::chrono::ceil<std::chrono::seconds>(until - SteadyClock::now()),
                    std::chrono::seconds(1));
}

rpc::TargetState state_when_adopted(const rpc::AdoptOut::Found& found, const Versions& versions) {
    rpc::TargetState out;
    out.exists = found.exists;
    out.is_pair = found.exists;
    out.epoch = 1;
    out.written_bytes = found.written_bytes;
    out.available_bytes = found.available_bytes;
    out.resume_token = found.resume_token;
    // Its number counts for the next snapshot's, whoever has it.
    if (found.last) out.snapshots.push_back(*found.last);
    // The newest and the newest of ours: more has no meaning.
    for (std::size_t i = 0; i < found.common.size() && i < 2; ++i) {
        const Snapshot* snapshot = find_snapshot(versions, found.common[i]);
        if (snapshot == nullptr) continue;
        rpc::PeerSnapshot& told = out.snapshots.emplace_back();
        told.name = snapshot->name;
        told.guid = found.common[i];
    }
    return out;
}

/// Of "NAME@SNAPSHOT", or of the root "SNAPSHOT": the snapshots of each.
std::map<std::string, std::vector<std::string>> by_member(const std::vector<std::string>& all) {
    std::map<std::string, std::vector<std::string>> out;
    for (const std::string& one : all) {
        const auto at = one.find('@');
        const bool root = at == one.npos;
        out[root ? "" : one.substr(0, at)].push_back(root ? one : one.substr(at + 1));
    }
    return out;
}

}  // namespace

const Dataset* TreeSync::dataset_of(const Member& member) const {
    const Dataset* now = parts_.inventory.find(member.pair.dataset);
    return now != nullptr && member.dataset_then ? &*member.dataset_then : now;
}

const Versions* TreeSync::versions_of(const Member& member) const {
    const Versions* now = parts_.inventory.versions(member.pair.dataset);
    return now != nullptr && member.versions_then ? &*member.versions_then : now;
}

/// With what the init stores first; what an adoption forgets here is what an earlier pair had
/// acknowledged for the root.
void TreeSync::foresee(Member& member) const {
    const DatasetName& name = member.pair.dataset;
    const auto count = founding_.find(std::string(prop::kSavecount));
    const auto kept = count == founding_.end() ? std::nullopt : parse_u64(count->second);
    member.dataset_then =
        plan::with_savecount(parts_.inventory.all(),
                             root_.dataset,
                             *parts_.inventory.find(name),
                             kept ? static_cast<unsigned>(*kept) : prop::kDefaultSavecount);
    if (name != root_.dataset) return;
    for (const auto& [key, value] : founding_)
        member.dataset_then->props[key] = {value, Source::local};
    if (!adopted_) return;
    member.versions_then = *parts_.inventory.versions(name);
    for (Snapshot& snapshot : member.versions_then->snapshots) snapshot.sent.reset();
}

Result<std::vector<rpc::TargetState>> TreeSync::adopted_states() const {
    std::vector<rpc::TargetState> out;
    for (const Member& member : members_) {
        const std::string name = plan::relative_name(root_.dataset, member.pair.dataset);
        const auto found = std::find_if(adopted_->found.begin(),
                                        adopted_->found.end(),
                                        [&](const auto& one) { return one.name == name; });
        const Versions* versions = versions_of(member);
        if (found == adopted_->found.end() || versions == nullptr)
            return Error{.code = Code::busy,
                         .message = member.pair.dataset.str() + " came or went just now",
                         .remedy = "run this again"};
        out.push_back(state_when_adopted(*found, *versions));
        out.back().target = member.pair.peer_dataset.str();
    }
    return out;
}

Task<DryRun> TreeSync::describe(SteadyClock::time_point until) {
    DryRun out;
    auto step = co_await plan(until);
    if (!step) {
        out.results.push_back(failed_result(root_.dataset, step.error()));
        co_return out;
    }
    if (const auto* conflict = std::get_if<plan::Conflict>(&*step)) {
        out.results.push_back(failed_result(root_.dataset, conflict->error));
        co_return out;
    }
    if (const auto* same = std::get_if<plan::TreeUnchanged>(&*step)) {
        rpc::RunResult& unchanged = out.results.emplace_back();
        unchanged.dataset = root_.dataset.str();
        unchanged.outcome = "unchanged";
        unchanged.text = same->reason;
        co_return out;
    }
    const plan::TreeSend& send = std::get<plan::TreeSend>(*step);
    out.steps = plan::describe(*step, views());
    describe_expiry_here(send, out);
    if (adopted_)
        co_await describe_expiry_of_adopted(&send, rest_of(until), &out);
    else
        co_await describe_expiry_of_pair(&send, rest_of(until), &out);
    if (!send.take) out.steps.push_back(plan::look_again(root_.dataset));
    co_return out;
}

void TreeSync::describe_expiry_here(const plan::TreeSend& send, DryRun& out) const {
    for (std::size_t i = 0; i < members_.size() && i < send.steps.size(); ++i) {
        const Member& member = members_[i];
        if (stands_back(send.steps[i])) continue;
        for (const auto& gone :
             expiring_after(versions_of(member), send.snapshot, member.pair.settings.retention))
            out.steps.push_back("destroy " + member.pair.dataset.str() + "@" + gone);
    }
}

/// What is not there yet, as before an init, has nothing to expire.
Task<> TreeSync::describe_expiry_of_pair(const plan::TreeSend* send,
                                         std::chrono::seconds limit,
                                         DryRun* out) {
    rpc::LookIn in;
    for (std::size_t i = 0; i < members_.size() && i < send->steps.size(); ++i) {
        const Member& member = members_[i];
        if (stands_back(send->steps[i]) || !member.target.is_pair) continue;
        in.pairs.push_back(
            {member.pair.dataset.str(), member.pair.peer_dataset.str(), send->snapshot});
    }
    co_await describe_expiry_there(source_.peers, root_.peer, std::move(in), limit, out);
}

Task<> TreeSync::describe_expiry_of_adopted(const plan::TreeSend* send,
                                            std::chrono::seconds limit,
                                            DryRun* out) {
    rpc::AdoptIn in = adopted_->ask;
    in.after = send->snapshot;
    auto answer =
        co_await source_.peers.call_as<rpc::AdoptOut>(root_.peer, "peer.adopt", in, limit);
    if (!answer) {
        out->results.push_back(failed_result(root_.dataset, answer.error().in(root_.peer.str())));
        co_return;
    }
    const auto expires = by_member(answer->expires);
    for (std::size_t i = 0; i < members_.size() && i < send->steps.size(); ++i) {
        const plan::Pair& pair = members_[i].pair;
        const auto gone = expires.find(plan::relative_name(root_.dataset, pair.dataset));
        if (stands_back(send->steps[i]) || gone == expires.end()) continue;
        for (const std::string& snapshot : gone->second)
            out->steps.push_back("destroy " + pair.peer_dataset.str() + "@" + snapshot + " on " +
                                 root_.peer.str());
    }
}

}  // namespace zrepd::sync
