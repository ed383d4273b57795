// SPDX-License-Identifier: BSD-2-Clause
// What peers may do here: look at, create, receive into, acknowledge and expire the targets of
// their own pairs, and nothing else (docs/peer-protocol.md). Thread: io thread.
// A peer never causes a destroy beyond our own expiry, nor a rollback past the base; but for
// roll_back(), to an acknowledged snapshot, over nothing but zrep snapshots that it has itself.
#pragma once

#include <set>

#include "daemon/peer/server.hpp"
#include "daemon/plan/put_back.hpp"
#include "daemon/sync/bookkeeping.hpp"

namespace zrepd::sync {

/// How the lock of a receive says what it is for; the peer's name follows.
inline constexpr std::string_view kReceiveReason = "receive from ";

/// What a peer is told of a dataset's snapshots: the newest ones, oldest first.
std::vector<rpc::PeerSnapshot> newest_snapshots(const Versions* versions);

class Target : public peer::TargetService {
  public:
    explicit Target(Parts& parts) : parts_(parts) {}

    rpc::Hello hello() override;
    /// Who answers the questions about roles; not before there is one.
    void serve_roles(peer::RoleService& roles) { roles_ = &roles; }
    peer::RoleService* roles() override { return roles_; }
    Task<Result<rpc::LookOut>> look(std::string peer, rpc::LookIn in) override;
    /// target_tree.cpp
    Task<Result<rpc::TreeOut>> tree(std::string peer, rpc::TreeIn in) override;
    Task<Result<rpc::PrepareOut>> prepare(std::string peer, rpc::PrepareIn in) override;
    Task<Result<rpc::AdoptOut>> adopt(std::string peer, rpc::AdoptIn in) override;
    Task<Result<rpc::CommitOut>> commit(std::string peer, rpc::CommitIn in) override;
    /// target_roll_back.cpp
    Task<Result<rpc::RollBackOut>> roll_back(std::string peer, rpc::RollBackIn in) override;
    /// With in.dry_run: what it would destroy, without a lock.
    Task<Result<rpc::PeerExpireOut>> expire(std::string peer, rpc::LookIn in) override;
    Task<Result<rpc::FactsOut>> facts(std::string peer, rpc::FactsIn in) override;
    Task<Result<std::unique_ptr<Receiver>>> open_receive(std::string peer,
                                                         rpc::ReceiveIn in) override;

  private:
    static Error not_yours(const std::string& peer, const DatasetName& target);
    /// The same of what a master asks for as its own; one that is gone is another matter.
    Error unknown_side(const std::string& peer, const DatasetName& target) const;
    /// A name that is one, in a pool that can be read now.
    Result<DatasetName> usable_name(const std::string& text) const;
    /// The pair, if `target` is the target side of one with this peer and source.
    std::optional<plan::Pair> pair_with(const std::string& peer,
                                        const DatasetName& target,
                                        const std::string& source) const;
    /// The same, and a member of a tree's target for the member there.
    std::optional<plan::Pair> side_with(const std::string& peer,
                                        const DatasetName& target,
                                        const std::string& source) const;
    /// The tree of this peer's in which `target` is, or is to become, the copy of `source`.
    std::optional<plan::Pair> tree_with(const std::string& peer,
                                        const DatasetName& target,
                                        const std::string& source) const;
    /// The targets of these that are this peer's, among those that can be used. Where none is known
    /// as such one may have become it; but naming what is another's costs no look of its own.
    Task<Result<std::vector<DatasetName>>> own_targets(std::string peer,
                                                       std::vector<rpc::LookIn::Pair> pairs);
    /// Looks at these if a first stream of ours made them and they were not seen since.
    Task<Result<void>> look_at_founded(std::vector<DatasetName> names);
    /// A full look before something is made, but not for who may make nothing.
    Task<Result<void>> look_around(std::string peer);
    /// not_accepted where the peer may create nothing, whatever there is or is not. Else not_found
    /// without a parent for `target`.
    Result<void> may_create(const std::string& peer, const DatasetName& target) const;
    /// refused: nobody's key is good for more names than zfs can list in time.
    Result<void> may_found_more(const std::string& peer) const;
    /// The same, and of one more member of this tree.
    Result<void> may_grow(const std::string& peer, const DatasetName& root) const;
    Result<void> stands_alone(const std::string& peer, const DatasetName& target) const;
    Result<void> check_own_name(const std::string& host,
                                const std::string& source,
                                const std::string& target) const;
    Result<void> may_adopt(const std::string& peer,
                           const DatasetName& target,
                           const rpc::AdoptIn& in) const;
    // target_adopt_steps.cpp
    std::vector<std::string> expiring_when_adopted(const DatasetName& root,
                                                   const DatasetName& name,
                                                   unsigned savecount,
                                                   const std::string& base) const;
    rpc::AdoptOut::Found found_when_adopted(const std::string& peer,
                                            const DatasetName& name,
                                            const std::string& source,
                                            const std::vector<rpc::PeerSnapshot>& snapshots) const;
    void describe_adopted(const std::string& peer,
                          const DatasetName& target,
                          const rpc::AdoptIn& in,
                          rpc::AdoptOut* out) const;
    void describe_adopted_tree(const std::string& peer,
                               const DatasetName& target,
                               const rpc::AdoptIn& in,
                               rpc::AdoptOut* out) const;
    Task<Result<void>> make_target(const rpc::AdoptIn& in, DatasetName target, std::string peer);
    Result<Snapshot> base_of(const std::string& peer,
                             const DatasetName& target,
                             const std::string& source,
                             const std::vector<rpc::PeerSnapshot>& snapshots) const;
    Result<std::vector<DatasetName>> plan_members(const std::string& peer,
                                                  const DatasetName& target,
                                                  const rpc::AdoptIn& in,
                                                  rpc::AdoptOut* out) const;
    void tell_of_others(const DatasetName& target,
                        const rpc::AdoptIn& in,
                        rpc::AdoptOut* out) const;
    bool is_begun(const std::string& peer,
                  const DatasetName& target,
                  const std::string& source) const;
    Task<Result<void>> look_at_adopted(DatasetName target, bool tree);
    Task<Result<void>> carry_out_adoption(std::string peer,
                                          rpc::AdoptIn in,
                                          DatasetName target,
                                          const std::vector<DatasetName>* members);
    Task<Result<void>> close_members(std::vector<DatasetName> members);
    Task<Result<void>> check_again(std::string peer, rpc::AdoptIn in, DatasetName target);
    Task<Result<void>> hide_members(std::vector<DatasetName> members);
    Task<> unmount_adopted(std::vector<DatasetName> all, std::vector<std::string>* notes);
    Result<void> room_for(const rpc::PrepareIn& in, const DatasetName& target) const;
    void doubt_lists(const std::vector<DatasetName>& own, const rpc::LookIn& in);
    void note_current(const rpc::LookIn& in, const rpc::LookOut& out);
    void shorten(const rpc::LookIn& in, rpc::LookOut* out) const;
    void note_received(const rpc::CommitIn& in, const rpc::CommitOut& out);
    rpc::TargetState state_of(const std::string& peer,
                              const DatasetName& target,
                              const std::string& source) const;
    std::vector<std::string> accepting(const std::string& peer) const;
    rpc::FactsOut::Side facts_of(const std::string& peer, const rpc::LookIn::Pair& asked) const;
    Task<> end_streams(std::string peer, std::vector<rpc::LookIn::Pair> pairs);
    Task<std::vector<Result<lock::LockTable::Guard>>> lock_targets(
        std::string peer, std::vector<rpc::LookIn::Pair> pairs);
    Result<plan::Pair> may_roll_back(const std::string& peer,
                                     const DatasetName& target,
                                     const rpc::RollBackIn& in) const;
    // target_roll_back.cpp
    /// A dataset that goes back to a snapshot.
    struct GoesBack {
        DatasetName target;
        std::string source;
        Guid base;
        std::vector<Guid> newer;
        std::string name = {};  ///< of a member, relative to the root
        plan::RollBack plan = {};
    };
    static Result<std::vector<GoesBack>> goes_back(const DatasetName& target,
                                                   const rpc::RollBackIn& in);
    Task<Result<void>> plan_roll_back(std::string peer,
                                      rpc::RollBackIn in,
                                      std::vector<GoesBack>* all);
    Task<Result<std::vector<lock::LockTable::Guard>>> lock_for_roll_back(
        std::string peer, const std::vector<GoesBack>* all);
    Task<Result<void>> take_back(std::string peer, const std::vector<GoesBack>* all);
    Task<Result<void>> take_step(DatasetName target, plan::RollBackStep step);
    Task<Result<rpc::PeerExpireOut>> describe_expire(std::string peer, rpc::LookIn in);
    Task<> note_master(rpc::CommitIn in);
    Result<void> check_founded_pair(const std::string& peer,
                                    const DatasetName& target,
                                    const rpc::ReceiveIn& in) const;
    Task<Result<void>> ready_for_full(std::string peer, DatasetName target, rpc::ReceiveIn in);
    Task<Result<void>> ready_for_member(std::string peer, DatasetName target, rpc::ReceiveIn in);
    Result<void> check_rescued(const DatasetName& target) const;
    Task<Result<void>> ready_for_more(std::string peer, DatasetName target, rpc::ReceiveIn in);
    Result<ReceiveSpec> spec_for(const DatasetName& target, const rpc::ReceiveIn& in) const;

    Parts& parts_;
    peer::RoleService* roles_ = nullptr;
    std::set<DatasetName> founded_;  ///< by first streams that were let in; not seen yet
};

/// This boot's id (/proc/sys/kernel/random/boot_id), or the daemon's start where there is none.
const std::string& boot_id();

}  // namespace zrepd::sync
