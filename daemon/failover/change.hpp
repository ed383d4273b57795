// SPDX-License-Identifier: BSD-2-Clause
// One role change of one side, carried out: what fsm.hpp decides is done here, one action at a
// time. Thread: io thread. Errors: why it was refused, or what failed; the state on disk says the
// rest. Atomicity: each store is one transaction group; cut anywhere, Recover goes on from the
// journal.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/rpc/peer_role_types.hpp"
#include "daemon/failover/changes.hpp"
#include "daemon/failover/fsm.hpp"
#include "daemon/failover/hooks.hpp"
#include "daemon/failover/parts.hpp"
#include "daemon/failover/rescue.hpp"

namespace zrepd::failover {

class Change {
  public:
    /// The dataset is locked by the caller until the end; `operation` is for hooks and messages.
    Change(RoleParts parts, sync::RunPtr run, DatasetName dataset, std::string operation);

    /// How the other side says it was served; else zrep:serve counts.
    void serve_as(const Serve& serve) { serve_ = serve; }
    /// The same of a tree's members, by their names here.
    void serve_members_as(std::map<DatasetName, Serve> serve) { members_serve_ = std::move(serve); }
    /// The other side does not take part; hooks are told.
    void alone() { planned_ = false; }
    /// What both sides have, as the other one just said; else the newest acknowledged snapshot is
    /// the base of a demotion.
    void agree_on(Guid base) { agreed_ = base; }
    /// The snapshot at which the new master begins; what is newer is kept beside each side first.
    void go_back(Guid snapshot) { back_to_ = snapshot; }
    /// It is offered to nobody: whoever asked wants the role here, and only what was begun is
    /// ended.
    void offer_to_nobody() { offers_ = false; }
    /// An earlier Change told the hooks that it is no longer the master, and who still uses it.
    void has_left() { left_ = true; }
    /// From this event until there is nothing more to do now. What lies on disk then. A cancel ends
    /// it after the action under way. An error when it could not begin, was refused, or is_lost().
    Task<Result<Stored>> go(Event event);

    /// Of a tree that is at rest as `stored`: members that an earlier change could not hide or
    /// show. False when it could not be done again.
    Task<bool> settle_members(Stored stored);

    /// What was done, in words.
    struct Note {
        std::string text;
        bool is_copy = false;  ///< where data is kept that the other side never got
    };
    const std::vector<Note>& notes() const { return notes_; }
    std::vector<std::string> words() const;
    /// The last thing that went wrong on the way; the change may have gone on without it.
    const std::optional<Error>& trouble() const { return trouble_; }
    /// The other side was asked and did not answer.
    bool is_unheard() const { return unheard_; }
    /// What lies on disk is not known: Recover has to look afresh.
    bool is_lost() const { return lost_; }
    /// A set of its own landed.
    bool has_stored() const { return stored_; }
    /// A set was given up, and may land yet.
    bool is_in_doubt() const { return lost_ || in_doubt_; }
    bool left() const { return left_; }

  private:
    Task<Result<State>> look();
    Task<Result<void>> look_at_all(sync::Freshness freshness);
    Task<Event> perform(Action action, State state);
    Task<bool> check();
    Task<Result<void>> may_leave(Event event, ActionKind first);
    Task<bool> sync_first();
    Task<bool> ask_target();
    Task<bool> drain();
    Task<Result<bool>> is_drained();
    Task<Result<void>> write_back(std::chrono::seconds limit);
    Task<bool> before_readonly(Stored wanted);
    Task<bool> store(Stored wanted);
    Task<bool> read_back(Stored wanted, Error error);
    Task<Result<void>> write(Stored wanted, Entry entry);
    PropertyList properties(const Dataset& told, Stored wanted, Entry entry) const;
    Task<Result<void>> clear_journal();
    Task<> tidy(Stored wanted);
    Task<Event> ask_peer();
    Task<bool> is_held_at_witness();
    Task<bool> is_lease_confirmed(const rpc::RolesOut::Side& side);
    Task<Event> ask_to_promote(Stored stored);
    Task<> serve_it();
    Task<bool> mount();
    Task<Result<void>> mount_at(Serve place);
    Task<Result<void>> mount_with_key(DatasetName name);
    /// The administrator's programs; an error of a pre one refuses.
    Task<Result<void>> hook(Hook which, std::string operation);
    Task<> hook_after(Hook which, std::string operation);
    /// No longer the master: unmounted where nobody uses it, and said to the hooks.
    Task<> leave();
    Task<> unmount();
    Task<bool> rescue(Stored stored);
    void note_kept(const Rescued& kept);
    bool is_ahead_of(Guid common) const;
    Entry entry_for(const Stored& wanted) const;
    Guid last_acked() const;
    // change_tree.cpp
    /// The root alone, or all of a tree: parents before children.
    std::vector<DatasetName> datasets() const;
    /// Mounted below it and no part of it.
    std::vector<DatasetName> served_inside() const;
    Task<> unmount_all();
    /// False: it is in use.
    Task<bool> unmount_one(DatasetName name);
    Task<> hide_members();
    Task<> close_members();
    Task<Result<void>> keep_others_writable();
    Task<> show_members();
    Task<> show_one(DatasetName member);
    Task<> mount_member(DatasetName member, Serve place);
    Task<> set_on(DatasetName member, PropertyList properties);
    Task<bool> rescue_members(std::uint64_t epoch);
    Task<Result<void>> rescue_member(DatasetName member, Guid part, std::uint64_t epoch);
    Error refusal(std::string_view why) const;
    Error gone() const;
    bool fail(Error error);
    void note(std::string text) { notes_.push_back({.text = std::move(text)}); }
    void warn(std::string what, const Error& error);
    const Dataset* dataset() const { return parts_.inventory.find(name_); }

    RoleParts role_;
    sync::Parts& parts_;
    sync::RunPtr run_;
    DatasetName name_;
    std::string operation_;
    std::optional<plan::Pair> pair_;
    Entry entry_;
    std::optional<Serve> serve_;
    std::map<DatasetName, Serve> members_serve_;
    Guid base_;
    Guid agreed_;
    Guid back_to_;
    std::optional<Error> trouble_;
    std::vector<Note> notes_;
    bool stopped_service_ = false;  ///< pre-demote hooks ran: if it stays master, they are undone
    bool planned_ = true;           ///< the other side takes part
    bool offers_ = true;            ///< what it hands over may be taken
    bool left_ = false;             ///< post-demote hooks ran
    bool unheard_ = false;
    bool lost_ = false;
    bool stored_ = false;
    bool in_doubt_ = false;  ///< a set was given up, and may land yet
    bool served_ = false;    ///< mounted, and post-promote hooks ran
};

/// A settled tree of which a member is not served, or not kept back, as its root is.
bool has_member_half_way(const sync::Inventory& inventory, const plan::Pair& root);

}  // namespace zrepd::failover
