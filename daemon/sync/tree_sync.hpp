// SPDX-License-Identifier: BSD-2-Clause
// One sync of a recursive pair (ADR 0015): look, one snapshot of all members, one stream each,
// acknowledged together. Thread: io thread. Errors: those of the plan, of Zfs and of Peers; what
// was received stays, and the next sync goes on with it. Limits: one stream of a tree at a time,
// which takes one of the daemon's places.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/rpc/peer_adopt_types.hpp"
#include "daemon/plan/tree.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/look.hpp"
#include "daemon/sync/peer_group.hpp"

namespace zrepd::sync {

/// What an init stores with the root's first stream; empty: it is no init.
using Founding = std::map<std::string, std::string>;

/// For describe(): what the other side would adopt is no pair yet, and is not looked at again.
struct ToAdopt {
    rpc::AdoptIn ask;
    std::vector<rpc::AdoptOut::Found> found;
};

/// What the target of `root` has that is no part of the tree here, each with the commands that let
/// go of it. peer_protocol: it names what cannot be, which would end in a command that people
/// paste, or more than an honest one does: each is logged, kept and compared with each. Pure.
Result<std::vector<rpc::LeftBehind>> left_behind(const rpc::TreeOut& told, const plan::Pair& root);

class TreeSync {
  public:
    /// The root is locked by the caller; root and members are fresh in the inventory; `freshness`:
    /// as they were looked at there. No run: only for describe().
    TreeSync(SourceParts source,
             RunPtr run,
             plan::Pair root,
             Founding founding = {},
             Freshness freshness = Freshness::listed);

    /// Syncs it, and ends its part of the run.
    Task<> go();
    /// The same without the end of the run: "done" or "unchanged".
    Task<Result<rpc::RunResult>> sync();
    /// What sync() would do. Of an init: as if the pair's properties were stored here.
    Task<DryRun> describe(SteadyClock::time_point until);
    /// The same of an init once that is adopted.
    void expect(ToAdopt adopted) { adopted_ = std::move(adopted); }
    /// unsupported when the peer is too old for trees; what else keeps it from an answer.
    Task<Result<void>> ask_peer(SteadyClock::time_point until);

  private:
    struct Member {
        plan::Pair pair;
        plan::TargetView target = {};
        // Of a dry run of an init: as they will be once the pair is stored.
        std::optional<Dataset> dataset_then = {};
        std::optional<Versions> versions_then = {};
    };
    Task<Result<plan::TreeStep>> plan(SteadyClock::time_point until);
    Result<void> collect();
    Task<Result<std::vector<rpc::TargetState>>> states_there(SteadyClock::time_point until);
    std::vector<plan::TreeMember> views() const;
    // tree_sync_describe.cpp
    const Dataset* dataset_of(const Member& member) const;
    const Versions* versions_of(const Member& member) const;
    void foresee(Member& member) const;
    Result<std::vector<rpc::TargetState>> adopted_states() const;
    void describe_expiry_here(const plan::TreeSend& send, DryRun& out) const;
    Task<> describe_expiry_of_pair(const plan::TreeSend* send,
                                   std::chrono::seconds limit,
                                   DryRun* out);
    Task<> describe_expiry_of_adopted(const plan::TreeSend* send,
                                      std::chrono::seconds limit,
                                      DryRun* out);
    /// Takes the snapshot where that is to be done, and fills it in.
    Task<Result<void>> prepare(plan::TreeSend* send);
    Task<Result<void>> take(plan::TreeSend* send);
    Task<Result<void>> stream_all(const plan::TreeSend* send);
    Result<Transfer> transfer_of(const Member& member, const plan::MemberStep& step) const;
    std::optional<std::uint64_t> expected_of(const plan::TreeSend& send) const;
    Task<Result<void>> commit(const plan::TreeSend* send);
    std::string served_as(const Dataset& dataset) const;
    Task<Result<void>> tell_peer(rpc::CommitIn all);
    void tell_who_joined(const plan::TreeSend& send);
    void remember_left();
    std::string outcome(const plan::TreeSend& send, std::uint64_t before) const;

    SourceParts source_;
    Parts& parts_;
    RunPtr run_;
    plan::Pair root_;
    Founding founding_;
    Freshness freshness_;
    std::optional<ToAdopt> adopted_;
    std::vector<Member> members_;
    std::vector<rpc::LeftBehind> left_;
    SteadyClock::time_point started_ = SteadyClock::now();
    std::uint64_t bytes_ = 0;
    bool resumed_ = false;
};

/// Looks for trees' members that came or went, then at these datasets and at all members: one
/// process more than without a tree among them.
Task<Result<LeftOut>> look_here(Parts& parts, std::vector<DatasetName> which, Freshness freshness);

/// The pair, or of a tree one for each of its members. On the target's side without the copies of
/// what is gone: those keep all that they have.
std::vector<plan::Pair> sides_that_expire(const Inventory& inventory, const plan::Pair& pair);

}  // namespace zrepd::sync
