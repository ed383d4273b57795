// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/conflicts.hpp"

#include "common/ids.hpp"
#include "common/props.hpp"
#include "common/text.hpp"
#include "common/time.hpp"
#include "common/units.hpp"
#include "daemon/plan/pair.hpp"

namespace zrepd::plan {
namespace {

Conflict make(Code code, std::string message, std::string remedy) {
    return {Error{.code = code, .message = std::move(message), .remedy = std::move(remedy)}};
}

/// The name as it can be pasted into a shell: quoted only when it needs to be.
std::string word(const std::string& name) {
    return name.find(' ') == std::string::npos ? name : "'" + name + "'";
}

std::string pool_of(const std::string& name) {
    return name.substr(0, name.find('/'));
}

struct Names {
    explicit Names(const Dataset& dataset)
        : source(dataset.name.str()),
          pair(dataset.own(prop::kSrcFs).value_or(source)),
          host(dataset.own(prop::kDestHost).value_or("the other host")),
          target(dataset.own(prop::kDestFs).value_or("the target")),
          tree(dataset.own(prop::kTree) == "on") {}

    std::string at(const std::string& snapshot) const { return word(target + snapshot); }
    std::string clear_and_init() const {
        return "zrepctl clear " + word(source) + " and zrepctl init " + (tree ? "-r " : "") +
               word(source) + " " + host + " " + word(target);
    }
    /// Starting over without losing what is there.
    std::string start_over() const {
        return "to start over and keep the data there: on " + host + " run zrepctl clear " +
               word(target) + " and zfs rename " + word(target) + " " + at("_old") +
               ", then here " + clear_and_init();
    }

    std::string source;
    std::string pair;  ///< the root, of a tree's member
    std::string host;
    std::string target;
    bool tree;
};

std::string epochs(const TargetView& target, std::uint64_t epoch) {
    return "epoch " + std::to_string(target.epoch) + " there, " + std::to_string(epoch) + " here";
}

std::string with_time(const Snapshot& snapshot) {
    const std::string when =
        snapshot.sent ? " (acknowledged " + to_rfc3339(*snapshot.sent) + ")" : "";
    return "@" + snapshot.name + when;
}

std::string newest_of(const std::vector<Snapshot>& all) {
    if (all.empty()) return "none";
    return with_time(all.back()) + " with guid " + all.back().guid.str();
}

/// zrepd holds the newest that it had acknowledged: after the master was rolled back by hand, that
/// is in the way.
std::string destroy_newer(const Names& names, const TargetView& target, std::size_t first) {
    const Snapshot& oldest = target.snapshots[first];
    const Snapshot& newest = target.snapshots.back();
    const std::string range =
        oldest.guid == newest.guid ? oldest.name : oldest.name + "%" + newest.name;
    std::string release;
    for (std::size_t i = first; i < target.snapshots.size(); ++i) {
        const Snapshot& s = target.snapshots[i];
        if (zrep_sequence(s.name) && s.sent)
            release = "zfs release zrep_base " + names.at("@" + s.name) + " and ";
    }
    return release + "zfs destroy " + names.at("@" + range);
}

std::string list_newer(const TargetView& target, std::size_t first) {
    const std::size_t count = target.snapshots.size() - first;
    std::uint64_t bytes = 0;
    std::vector<std::string> names;
    for (std::size_t i = first; i < target.snapshots.size(); ++i) {
        bytes += target.snapshots[i].written_bytes;
        if (names.size() < kNamesShown) names.push_back(with_time(target.snapshots[i]));
    }
    std::string out = std::to_string(count) + (count == 1 ? " snapshot (" : " snapshots (");
    out += human_bytes(bytes) + ") that this side does not have: " + join(names, ", ");
    if (count > kNamesShown) out += " and " + std::to_string(count - kNamesShown) + " more";
    return out;
}

}  // namespace

Conflict target_missing(const Dataset& source) {
    const Names names(source);
    return make(Code::conflict,
                names.host + " has no filesystem " + quote(names.target) +
                    ": it was destroyed or renamed, or its pool is not imported",
                "bring it back there: zpool import " + word(pool_of(names.target)) +
                    ", or zfs rename NAME-IT-HAS-NOW " + word(names.target) +
                    "; if it is gone for good: " + names.clear_and_init());
}

std::string keep_one(const DatasetName& here) {
    return "decide whose data counts: zrepctl resolve " + word(here.str()) +
           " --keep HERE, or --keep PEER; what only the other side has is kept beside it";
}

Conflict both_masters(const Dataset& source, const TargetView& target, std::uint64_t epoch) {
    const Names names(source);
    const std::string both = names.target + " on " + names.host + " is marked as master too (" +
                             epochs(target, epoch) + "); nothing was sent";
    if (target.epoch == epoch) {
        return make(Code::split_brain, "split brain: " + both, keep_one(source.name));
    }
    if (target.epoch > epoch) {
        return make(Code::conflict,
                    "the other side took over: " + both,
                    "nothing: this side becomes the target by itself and keeps beside it what only "
                    "it has; zrepctl status " +
                        word(names.source) + " shows how far it is");
    }
    return make(Code::conflict,
                "the other side missed a role change: " + both,
                "nothing: it becomes the target by itself; if this stays, look at zrepctl status " +
                    word(names.target) + " on " + names.host);
}

Conflict not_our_pair(const Dataset& source) {
    const Names names(source);
    return make(
        Code::conflict,
        names.target + " on " + names.host + " belongs to another pair, or to none",
        "see what each side has stored (zrepctl list -v on both hosts). If it is the copy of " +
            word(names.source) + " all the same: on " + names.host + " zrepctl clear " +
            word(names.target) + " unless it is in no pair there, here zrepctl clear " +
            word(names.source) + " and zrepctl init --adopt " + (names.tree ? "-r " : "") +
            word(names.source) + " " + names.host + " " + word(names.target) +
            "; to use another target: zrepctl clear " + word(names.source) +
            ", then zrepctl init " + (names.tree ? "-r " : "") + word(names.source) + " " +
            names.host + " DESTINATION");
}

Conflict taken_over(const Dataset& source, const TargetView& target, std::uint64_t epoch) {
    const Names names(source);
    return make(Code::conflict,
                "the other side has gone through a role change that this one missed (" +
                    epochs(target, epoch) + "); nothing was sent",
                "make sure that nobody writes to " + names.target + " on " + names.host +
                    ". If this side is to stay master: zfs set zrep:epoch=" +
                    std::to_string(target.epoch) + " " + word(names.source) +
                    "; the next sync then rolls back what was written there since the last common "
                    "snapshot. To keep that, first run zfs snapshot " +
                    names.at("@keep") + " on " + names.host +
                    ": the next sync then stops at it, destroys nothing, and says how to go on");
}

Conflict newer_on_target(const SourceView& source, const TargetView& target, const Base& base) {
    const Names names(*source.dataset);
    const Snapshot& common = target.snapshots[base.target_index];
    return make(Code::conflict,
                names.target + " on " + names.host + " has " +
                    list_newer(target, base.target_index + 1) + "; the newest common snapshot is " +
                    with_time(common) + "; nothing was destroyed",
                "on " + names.host + ": look at them (zfs list -t snapshot " + word(names.target) +
                    "), copy away what is needed (zfs send -i " + word("@" + common.name) + " " +
                    names.at("@" + target.snapshots.back().name) + "), then " +
                    destroy_newer(names, target, base.target_index + 1) + "; here: zrepctl sync " +
                    word(names.pair));
}

Conflict no_common(const SourceView& source, const TargetView& target) {
    const Names names(*source.dataset);
    return make(Code::conflict,
                names.source + " and " + names.target + " on " + names.host +
                    " have no snapshot in common (newest here " +
                    newest_of(source.versions->snapshots) + ", there " +
                    newest_of(target.snapshots) + "); nothing was destroyed",
                names.start_over());
}

std::string start_over_as_copy(const Dataset& copy) {
    const std::string name = word(copy.name.str());
    const std::string host = copy.own(prop::kSrcHost).value_or("the master's host");
    const std::string master = word(copy.own(prop::kSrcFs).value_or("MASTER"));
    const std::string here = copy.own(prop::kDestHost).value_or("HOST");
    const std::string recursive = copy.own(prop::kTree) == "on" ? "-r " : "";
    const std::string above = word(copy.name.parent().value_or(copy.name).str());
    const std::string accept =
        accepts(copy, host) ? "" : ", zrepctl set " + above + " zrep:accept=+" + host;
    return "to start over and keep the data here: zrepctl clear " + name + ", zfs rename " + name +
           " " + word(copy.name.str() + "_old") + accept + "; then on " + host +
           ": zrepctl clear " + master + " and zrepctl init " + recursive + master + " " + here +
           " " + name;
}

Conflict target_busy(const Dataset& source) {
    const Names names(source);
    return make(
        Code::busy,
        names.target + " on " + names.host + " is still receiving an earlier stream",
        "wait; it makes way for the next sync unless zfs receive hangs, which is ended after six "
        "times stall-timeout");
}

Conflict target_full(const Dataset& source) {
    const Names names(source);
    const std::string pool = pool_of(names.target);
    return make(Code::no_space,
                names.target + " on " + names.host + " has no space left: pool " + pool +
                    " or a quota there is full; no snapshot was taken",
                "on " + names.host + " free space in " + word(pool) +
                    " or raise the quota (zfs get quota,refquota,available " + word(names.target) +
                    "), then sync again");
}

Conflict no_space(std::string message, std::string remedy) {
    return make(Code::no_space, std::move(message), std::move(remedy));
}

}  // namespace zrepd::plan
