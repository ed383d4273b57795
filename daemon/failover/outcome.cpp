// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/outcome.hpp"

#include <algorithm>
#include <vector>

#include "common/text.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/peer/absence.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::failover {
namespace {

/// The role was given away and came back: that is no refusal. What was kept aside stays there, and
/// the filesystem is used again without it.
Error came_back(Error error, const plan::Pair& pair, const Change& work, const Versions* versions) {
    if (error.code == Code::no_base) error.code = Code::not_found;
    const std::string name = pair.dataset.str();
    // What was newer is gone.
    const bool listed = versions != nullptr && !versions->snapshots.empty();
    const std::string base = listed ? " to @" + versions->snapshots.back().name : "";
    std::vector<std::string> kept;
    for (const auto& note : work.notes()) {
        if (note.is_copy)
            kept.push_back(note.text);
        else
            error.message += "; " + note.text;
    }
    std::string now =
        "the role came back, it is the master still (epoch " + std::to_string(pair.epoch) + ")";
    std::string first;
    if (!kept.empty()) {
        now += ", but " + name + " was rolled back" + base + ": " + join(kept, "; ");
        first = "copy back what is needed of what is kept before " + name + " is used; then ";
    }
    error.context.push_back(std::move(now));
    error.remedy = first + "zrepctl sync " + quote(name) + " sends what is missing on " +
                   pair.peer.str() + ", or says what to do; then run this again";
    return error;
}

/// What the other side said comes with its name.
Error named(Error error, const plan::Pair& pair) {
    const auto& where = error.context;
    const bool theirs = std::find(where.begin(), where.end(), pair.peer.str()) != where.end();
    return theirs ? sync::failed_there(pair.peer, std::move(error)) : error;
}

std::string with_remedy(const Error& error) {
    return error.text() + (error.remedy.empty() ? "" : "; next: " + error.remedy);
}

}  // namespace

std::string outcome_of(const plan::Pair& pair, const Stored& stored) {
    const std::string there = pair.peer.str() + ":" + pair.peer_dataset.str();
    const std::string epoch = " (epoch " + std::to_string(stored.epoch) + ")";
    if (stored.master) return pair.dataset.str() + " is the master now" + epoch;
    if (stored.journal == Journal::none) {
        return there + " is the master now" + epoch + ", " + pair.dataset.str() + " its target";
    }
    const std::string gave_up = pair.dataset.str() + " is no longer the master" + epoch + "; ";
    if (stored.journal == Journal::stepping_down) {
        return gave_up + "what " + there + " never got is kept beside it before " + there +
               " becomes it; zrepd goes on with it";
    }
    return gave_up + there + " becomes it as soon as it answers";
}

std::string nobody_yet(const plan::Pair& pair,
                       const Stored& stored,
                       const std::optional<Error>& trouble) {
    const std::string there = pair.peer.str() + ":" + pair.peer_dataset.str();
    const std::string back = take_back(pair);
    if (!trouble) return outcome_of(pair, stored) + "; until then nobody is the master" + back;
    const bool silent = peer::is_absence(trouble->code) || trouble->code == Code::timed_out;
    if (silent || stored.journal == Journal::stepping_down) {
        return outcome_of(pair, stored) +
               "; until then nobody is the master: " + with_remedy(named(*trouble, pair)) + back;
    }
    return pair.dataset.str() + " is no longer the master (epoch " + std::to_string(stored.epoch) +
           "), and nobody is: " + there +
           " did not take over: " + with_remedy(named(*trouble, pair)) + "; zrepd asks it again" +
           back;
}

Error why_not(const Change& work,
              const plan::Pair& pair,
              const Stored& stored,
              std::uint64_t epoch,
              const Versions* versions) {
    const std::string name = quote(pair.dataset.str());
    Error error = work.trouble().value_or(
        Error{.code = Code::internal,
              .message = "it ended without a reason",
              .remedy = "zrepctl status " + name + " shows what lies on disk"});
    if (stored.master && stored.epoch != epoch)
        return came_back(std::move(error), pair, work, versions);
    error = named(std::move(error), pair);
    if (stored.master && stored.journal == Journal::none)
        error.context.emplace_back("nothing changed, it is the master still");
    if (stored.master && stored.journal == Journal::freezing) {
        error.context.emplace_back(
            "it is the master still, READONLY until zrepd has undone it (zrepctl status shows it)");
    }
    if (!stored.master && stored.journal != Journal::none) {
        const std::string gave_up = pair.dataset.str() + " is no longer the master (epoch " +
                                    std::to_string(stored.epoch) + "), and nobody is";
        error.context.push_back(stored.journal == Journal::handed_over
                                    ? gave_up + "; zrepd goes on with it"
                                    : outcome_of(pair, stored));
        const std::string back = take_back(pair);
        if (error.remedy.find(back) == std::string::npos)
            error.remedy += error.remedy.empty() ? back.substr(2) : back;
    }
    return error;
}

Error wrong_side(Ask ask, const plan::Pair& pair) {
    const std::string name = pair.dataset.str();
    const std::string there = pair.peer.str() + ":" + pair.peer_dataset.str();
    if (pair.role == plan::Role::master) {
        return Error{.code = Code::wrong_role,
                     .message = name + " is the master here already",
                     .remedy = "zrepctl failover " + quote(name) + " gives the role to " + there};
    }
    const bool resolve = ask == Ask::keep_here || ask == Ask::keep_peer;
    if (ask == Ask::unfence) {
        return Error{.code = Code::wrong_role,
                     .message = name +
                                " is the target here, which no fence keeps from anything; "
                                "its master is " +
                                there,
                     .remedy = "on " + pair.peer.str() + ": zrepctl unfence " +
                               quote(pair.peer_dataset.str())};
    }
    return Error{.code = Code::wrong_role,
                 .message = name + " is the target here; its master is " + there,
                 .remedy = resolve ? "resolve is for two masters: zrepctl status shows both sides"
                                   : "zrepctl takeover " + quote(name) +
                                         " makes it the master (-L "
                                         "when the master is dead)"};
}

}  // namespace zrepd::failover
