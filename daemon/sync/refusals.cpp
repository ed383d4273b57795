// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/refusals.hpp"

#include "common/text.hpp"
#include "daemon/plan/conflicts.hpp"
#include "daemon/plan/displaced.hpp"
#include "daemon/plan/foreign.hpp"

namespace zrepd::sync {
namespace {

// Enough to see what is meant; zrepctl list has them all.

/// "'tank/a', 'tank/b' and 3 more"; empty when there is no pair below.
std::string pairs_below(const Inventory& inventory, const DatasetName& dataset) {
    std::vector<std::string> names;
    std::size_t count = 0;
    for (const auto& pair : inventory.pairs()) {
        if (!pair.dataset.is_below(dataset)) continue;
        if (++count <= plan::kNamesShown) names.push_back(quote(pair.dataset.str()));
    }
    std::string out = join(names, ", ");
    if (count > plan::kNamesShown)
        out += " and " + std::to_string(count - plan::kNamesShown) + " more";
    return out;
}

/// "init of tank/fs to beta:backup/fs"
std::string work_of(const Run& run, const DatasetName& dataset) {
    const std::string goal = run.goal().empty() ? "" : " " + run.goal();
    return run.operation() + " of " + dataset.str() + goal;
}

}  // namespace

Error not_a_master(const plan::Pair& pair) {
    if (pair.role == plan::Role::target) {
        return Error{.code = Code::wrong_role,
                     .message = pair.dataset.str() + " is the target here; its master is on " +
                                pair.peer.str(),
                     .remedy = "run zrepctl sync " + quote(pair.peer_dataset.str()) + " on " +
                               pair.peer.str()};
    }
    return unfinished_init(pair);
}

Error unfinished_init(const plan::Pair& pair) {
    return Error{.code = Code::wrong_role,
                 .message = pair.dataset.str() + " is not completely initialized",
                 .remedy = std::string("run zrepctl init ") + (pair.tree ? "-r " : "") +
                           quote(pair.dataset.str()) + " " + pair.peer.str() + " " +
                           quote(pair.peer_dataset.str()) + " again; it continues"};
}

Error no_fence_of_a_tree(const plan::Pair& pair) {
    const bool target = pair.role == plan::Role::target;
    const std::string master = quote((target ? pair.peer_dataset : pair.dataset).str());
    return Error{.code = Code::refused,
                 .message = "a fence of a recursive pair is not possible: done for " +
                            pair.dataset.str() +
                            " alone, what lies below it would stay behind; nothing was changed",
                 .remedy =
                     "make what needs one a pair of its own: zrepctl init --adopt for a "
                     "filesystem below " +
                     master};
}

Error not_configured(const Parts& parts, const DatasetName& dataset) {
    std::map<DatasetName, Dataset> one;
    if (const Dataset* found = parts.inventory.find(dataset)) one.emplace(dataset, *found);
    auto foreign = plan::foreign_pairs(one, parts.self, parts.config.file.string());
    if (foreign) return *foreign;
    if (const auto side = parts.inventory.side(dataset)) {
        const auto root = plan::tree_around(parts.inventory.all(), dataset, parts.self);
        const std::string name = root ? root->dataset.str() : "its root";
        return Error{.code = Code::not_configured,
                     .message = dataset.str() +
                                " has no pair of its own: it is part of the "
                                "recursive pair of " +
                                name,
                     .remedy = "name " + quote(name) + " instead"};
    }
    auto displaced = one.empty() ? plan::renamed_from(dataset, parts.inventory.all(), parts.self)
                                 : plan::displaced(one.begin()->second, parts.self);
    if (displaced) return *displaced;
    const std::string below = pairs_below(parts.inventory, dataset);
    return Error{.code = Code::not_configured,
                 .message = dataset.str() + " is not part of a pair",
                 .remedy = below.empty() ? "zrepctl list shows the pairs; zrepctl init makes one"
                                         : "name the pairs below it: " + below};
}

Error no_pair(const Parts& parts, const DatasetName& dataset) {
    if (parts.inventory.find(dataset) != nullptr) return not_configured(parts, dataset);
    auto renamed = plan::renamed_from(dataset, parts.inventory.all(), parts.self);
    if (renamed) return *renamed;
    return Error{.code = Code::not_found,
                 .message = "no filesystem or volume " + quote(dataset.str()) + " here",
                 .remedy = "zrepctl list shows the pairs"};
}

Error same_work(const Run& run, const DatasetName& dataset) {
    return Error{.code = Code::already_running,
                 .message = work_of(run, dataset) + " is under way",
                 .remedy = "zrepctl status " + quote(dataset.str()) + " shows its progress",
                 .run_id = run.id()};
}

Error other_work(const Run& run, const DatasetName& dataset) {
    return Error{.code = Code::busy,
                 .message = work_of(run, dataset) + " is under way (run " + run.id() + ")",
                 .remedy = "wait for its end (zrepctl status " + quote(dataset.str()) +
                           " shows its progress), then run this again",
                 .run_id = run.id()};
}

std::optional<Error> why_unseen(const Result<LeftOut>& seen, const DatasetName& dataset) {
    if (!seen) return seen.error();
    const auto found = seen->find(dataset);
    return found == seen->end() ? std::nullopt : std::optional(found->second);
}

std::optional<Error> why_not_synced(const Parts& parts,
                                    const Result<LeftOut>& seen,
                                    const DatasetName& dataset) {
    if (auto why = why_unseen(seen, dataset)) return why;
    const auto pair = parts.inventory.pair(dataset);
    if (!pair) return no_pair(parts, dataset);
    if (pair->role != plan::Role::master) return not_a_master(*pair);
    const Dataset* found = parts.inventory.find(dataset);
    return found == nullptr ? std::nullopt : plan::unreadable_epoch(*found, parts.self);
}

Error no_dataset(const DatasetName& name) {
    return Error{.code = Code::not_found,
                 .message = "no filesystem or volume " + quote(name.str()) + " here",
                 .remedy = "zfs list shows what there is"};
}

std::string where_the_master_is(const plan::Pair& pair, const std::string& command) {
    const bool here = pair.peer.str() == "localhost";
    return (here ? "run: " : "on " + pair.peer.str() + " run: ") + command;
}

}  // namespace zrepd::sync
