// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/refusals.hpp"

#include <algorithm>
#include <array>

#include "common/props.hpp"
#include "common/rpc/peer_types.hpp"
#include "common/text.hpp"
#include "daemon/clock.hpp"
#include "daemon/peer/absence.hpp"
#include "daemon/plan/conflicts.hpp"
#include "daemon/plan/displaced.hpp"
#include "daemon/plan/foreign.hpp"
#include "daemon/sched/due.hpp"

namespace zrepd::sync {
namespace {

constexpr std::chrono::seconds kWhyLimit{10};

bool is_paused(const plan::Settings& settings) {
    return sched::is_paused(settings.paused, unix_now());
}

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

std::vector<DatasetName> not_reached_by_all(const Parts& parts, plan::Role role) {
    std::vector<DatasetName> out;
    for (const auto& pair : parts.inventory.pairs()) {
        const bool begun = pair.role == plan::Role::initializing && role == plan::Role::master &&
                           !is_paused(pair.settings);
        // One that is under way now is not left to anybody.
        if (begun && !parts.runs.active(pair.dataset)) out.push_back(pair.dataset);
    }
    for (const auto& [name, dataset] : parts.inventory.all()) {
        const bool master = dataset.local(prop::kMaster) == "yes";
        if (master != (role == plan::Role::master) || is_paused(plan::settings_of(dataset)))
            continue;
        if (plan::displaced(dataset, parts.self) || plan::foreign_host(dataset, parts.self))
            out.push_back(name);
    }
    return out;
}

namespace {

/// "here" where a command or its host is to follow: not in "the data here counts".
std::size_t find_here(const std::string& text, std::size_t from) {
    constexpr std::string_view kHere = "here";
    constexpr std::array<std::string_view, 6> kAfter{":", ",", " zrepctl", " zfs", " run", ";"};
    for (auto at = text.find(kHere, from); at != std::string::npos; at = text.find(kHere, at + 1)) {
        const std::string_view rest = std::string_view(text).substr(at + kHere.size());
        const bool word = at == 0 || text[at - 1] == ' ';
        const auto begins = [&](std::string_view with) { return rest.starts_with(with); };
        if (word && std::any_of(kAfter.begin(), kAfter.end(), begins)) return at;
    }
    return std::string::npos;
}

/// It says where, before its first command or for all of them.
bool names_its_host(const std::string& text) {
    if (text.find(" on both hosts") != std::string::npos) return true;
    const auto command = std::min(
        {text.find("zrepctl "), text.find("zfs "), text.find("zpool "), text.find("systemctl ")});
    const auto host = text.starts_with("on ") ? 0 : text.find(" on ");
    const bool no_command = text.starts_with("nothing") || text.starts_with("wait");
    const bool whole = text.starts_with("run zrepctl ") && host != std::string::npos;
    return host < command || whole || no_command;
}

bool is_between_hosts(Code code) {
    return peer::is_absence(code) || code == Code::peer_auth || code == Code::peer_host_key ||
           code == Code::peer_protocol || code == Code::timed_out || code == Code::cancelled;
}

}  // namespace

std::string remedy_from(const HostName& host, std::string remedy) {
    if (remedy.empty()) return remedy;
    const std::string where = "on " + host.str();
    remedy = replaced(std::move(remedy), "on this host", where);
    remedy = replaced(std::move(remedy), "this side", host.str() + "'s side");
    const bool named = names_its_host(remedy) || remedy.starts_with("here ");
    for (auto at = find_here(remedy, 0); at != std::string::npos;
         at = find_here(remedy, at + where.size())) {
        remedy.replace(at, std::string_view("here").size(), where);
    }
    return named ? remedy : where + ": " + remedy;
}

Error said_there(const HostName& peer, Error error) {
    if (!is_between_hosts(error.code)) error.remedy = remedy_from(peer, std::move(error.remedy));
    return error;
}

Error failed_there(const HostName& peer, Error error) {
    constexpr std::array<Code, 3> kOfThatHost{Code::pool_unavailable, Code::zfs_failed, Code::busy};
    if (std::find(kOfThatHost.begin(), kOfThatHost.end(), error.code) == kOfThatHost.end())
        return error;
    if (error.remedy.find("on " + peer.str()) == std::string::npos)
        error.remedy = remedy_from(peer, std::move(error.remedy));
    return error;
}

Task<Error> why_not_accepted(Parts& parts, peer::Peers& peers, plan::Pair pair, Error error) {
    rpc::LookIn in;
    in.pairs.push_back({pair.dataset.str(), pair.peer_dataset.str(), {}});
    auto answer = co_await peers.call_as<rpc::LookOut>(pair.peer, "peer.look", in, kWhyLimit);
    const Dataset* here = parts.inventory.find(pair.dataset);
    if (!answer || answer->targets.size() != 1 || here == nullptr) co_return error;
    plan::TargetView there;
    there.epoch = answer->targets[0].epoch;
    const bool master = answer->targets[0].master;
    co_return master ? plan::both_masters(*here, there, pair.epoch).error : std::move(error);
}

Error master_here_too(const Parts& parts, const plan::Pair& pair, std::uint64_t epoch_there) {
    if (pair.epoch > epoch_there) {
        return Error{.code = Code::conflict,
                     .message = "the other side took over: " + pair.dataset.str() + " on " +
                                parts.self.host.str() + " is the master (epoch " +
                                std::to_string(pair.epoch) + " there, " +
                                std::to_string(epoch_there) + " here); nothing was changed",
                     .remedy =
                         "nothing: the master that was overtaken becomes the target by "
                         "itself; on " +
                         pair.peer.str() + ": zrepctl status " + quote(pair.peer_dataset.str()) +
                         " shows how far it is"};
    }
    return Error{.code = Code::split_brain,
                 .message = "split brain: " + pair.dataset.str() + " on " + parts.self.host.str() +
                            " is the master too (epoch " + std::to_string(pair.epoch) +
                            " there); nothing was changed",
                 .remedy = plan::keep_one(pair.peer_dataset)};
}

std::string run_on_other_side(const plan::Pair& pair, const std::string& command) {
    const bool here = pair.peer.str() == "localhost";
    return (here ? "run: " : "on " + pair.peer.str() + " run: ") + command;
}

}  // namespace zrepd::sync
