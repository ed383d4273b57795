// SPDX-License-Identifier: BSD-2-Clause
// The hosts on the other end.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "common/ids.hpp"
#include "common/text.hpp"
#include "ctl/render/doctor.hpp"

namespace zrepd::ctl {
namespace {

using State = Diagnosis::State;
using Peer = rpc::DoctorOut::Peer;
using Pair = rpc::DoctorOut::Pair;

constexpr const char* kReached = "the name resolves, and ssh reaches it without a password";

/// What a connection passes on its way, in order.
enum class Stage { name, ssh, zrepd, protocol };

/// Where it ended.
Stage stage_of(const std::string& kind) {
    const auto is = [&](Code code) { return kind == info(code).name; };
    if (is(Code::unknown_host)) return Stage::name;
    if (is(Code::peer_protocol) || is(Code::method_not_found)) return Stage::protocol;
    // What a connection itself fails with; anything else is an answer, so it was there.
    constexpr std::array kConnection{Code::peer_unreachable,
                                     Code::peer_auth,
                                     Code::peer_host_key,
                                     Code::timed_out,
                                     Code::io_error};
    return std::any_of(kConnection.begin(), kConnection.end(), is) ? Stage::ssh : Stage::zrepd;
}

/// Lines about one host.
class Lines {
  public:
    explicit Lines(std::string host) : host_(std::move(host)) {}
    void ok(const std::string& check, std::string text) {
        out.push_back({State::ok, host_ + ", " + check, std::move(text), ""});
    }
    void add(State state, const std::string& check, std::string text, std::string next) {
        out.push_back({state, host_ + ", " + check, std::move(text), std::move(next)});
    }
    std::vector<Diagnosis> out;

  private:
    std::string host_;
};

void add_failed(Lines& lines, const Peer& peer) {
    const rpc::ItemError& error = *peer.error;
    const Stage stage = stage_of(error.kind);
    // A refused connection has found its host, one that timed out may have found another.
    if (stage > Stage::ssh) lines.ok("ssh", kReached);
    std::string next = error.remedy;
    switch (stage) {
        case Stage::name:
            return lines.add(State::fail, "name", error.message, std::move(next));
        case Stage::ssh:
            return lines.add(State::fail, "ssh", error.message, std::move(next));
        case Stage::zrepd:
            if (next.empty()) next = "on " + peer.host + " run: zrepctl doctor";
            return lines.add(State::fail, "zrepd", error.message, std::move(next));
        case Stage::protocol:
            break;
    }
    lines.ok("zrepd", "answers");
    if (error.kind == info(Code::method_not_found).name) {
        return lines.add(State::fail,
                         "protocol",
                         "zrepd there is older than this one and cannot be asked how it is",
                         "upgrade zrepd on " + peer.host);
    }
    lines.add(State::fail, "protocol", error.message, std::move(next));
}

void add_versions(Lines& lines, const Peer& peer, const rpc::DoctorOut& us) {
    if (peer.version == us.version) {
        lines.ok("zrepd", peer.version + " answers, OpenZFS " + peer.zfs);
    } else {
        lines.add(
            State::warn,
            "zrepd",
            peer.version + " answers, and here is " + us.version + "; they understand each other",
            "upgrade the older one");
    }
}

/// Each side finds its pairs by the name that it has for the other.
void add_names(Lines& lines, const Peer& peer, const rpc::DoctorOut& us) {
    if (peer.host_there != peer.host) {
        lines.add(State::fail,
                  "names",
                  "it calls itself " + peer.host_there + ": a pair is known under that name there",
                  "give it the name " + peer.host_there +
                      " here (/etc/hosts, ssh's configuration), or set host-name = " + peer.host +
                      " in zrepd.conf there");
    } else if (peer.known_as != us.host) {
        lines.add(State::fail,
                  "names",
                  "it takes this host, " + us.host + ", for " + peer.known_as,
                  "on " + peer.host +
                      ", in front of this host's key in ~/.ssh/authorized_keys: "
                      "command=\"zrepctl peer --as " +
                      us.host + "\"");
    } else {
        lines.ok("names",
                 "it calls itself " + peer.host_there + ", and this host " + peer.known_as);
    }
}

void add_clock(Lines& lines, const Peer& peer) {
    const std::int64_t ahead = peer.clock_ahead_seconds;
    const std::string by = std::to_string(std::abs(ahead)) + " s";
    if (ahead == 0) return lines.ok("clock", "as here");
    const std::string text = by + (ahead > 0 ? " ahead of this host's" : " behind this host's");
    if (std::abs(ahead) <= kClockTolerance) return lines.ok("clock", text);
    lines.add(State::warn, "clock", text, "timedatectl, on both hosts");
}

void add_accept(Lines& lines, const Peer& peer, const rpc::DoctorOut& us) {
    if (!peer.accepts.empty()) {
        lines.ok("accept", "new filesystems from here, below " + join(peer.accepts, ", "));
    } else if (!peer.pairs.empty()) {
        lines.ok("accept", "no new filesystem from here; those that are paired need no leave");
    } else {
        lines.add(State::warn,
                  "accept",
                  "it accepts no filesystem from " + us.host + ": zrepctl init would be refused",
                  "on " + peer.host + " run: zrepctl set PARENT zrep:accept=+" + us.host);
    }
}

std::string here_and_there(const Pair& pair, const Peer& peer) {
    return pair.dataset + " and " + peer.host + ":" + pair.peer_dataset;
}

std::string tell_them(const Pair& pair, const Peer& peer, const rpc::DoctorOut& us) {
    const char* option = pair.role == "target" ? "" : "-d ";
    return "on " + peer.host + " run: zrepctl changeconfig " + option + quote(pair.peer_dataset) +
           " " + us.host + " " + quote(pair.dataset);
}

/// What two masters or two targets mean.
Diagnosis same_roles(const Pair& pair, const Peer& peer) {
    const rpc::FactsOut::Side& there = *pair.there;
    const std::string who = here_and_there(pair, peer);
    const std::string status = "zrepctl status " + quote(pair.dataset) + ", on both hosts";
    if (pair.role != "master") {
        return {State::fail,
                "pair",
                "neither of " + who + " is the master",
                status + "; then on the side whose data counts: zrepctl takeover -L " +
                    quote(pair.dataset) + ", or on " + peer.host + " zrepctl takeover -L " +
                    quote(pair.peer_dataset)};
    }
    if (pair.epoch == there.epoch) {
        return {State::fail,
                "pair",
                "both " + who + " are the master, of epoch " + std::to_string(pair.epoch) +
                    ": a split brain",
                "zrepctl resolve --help; " + status};
    }
    const std::string older = pair.epoch < there.epoch ? "this host" : peer.host;
    return {State::fail,
            "pair",
            "both " + who + " are the master, of epoch " + std::to_string(pair.epoch) +
                " here and " + std::to_string(there.epoch) + " there: " + older +
                " is to step down by itself",
            status};
}

std::optional<Diagnosis> trouble_of(const Pair& pair, const Peer& peer, const rpc::DoctorOut& us) {
    const std::string other = peer.host + ":" + pair.peer_dataset;
    if (!pair.there || !pair.there->exists) {
        return Diagnosis{State::fail,
                         "pair",
                         other + ", the other side of " + pair.dataset + ", does not exist",
                         "zrepctl status " + quote(pair.dataset) + "; on " + peer.host +
                             " run: zpool status; zfs list"};
    }
    const rpc::FactsOut::Side& there = *pair.there;
    if (!there.known) {
        return Diagnosis{
            State::fail,
            "pair",
            other + " does not know that " + us.host + ":" + pair.dataset + " is its other side",
            "zrepctl list, on both hosts; if they belong together " + tell_them(pair, peer, us)};
    }
    if (pair.role == "initializing" || there.role == "initializing") {
        return Diagnosis{State::warn,
                         "pair",
                         here_and_there(pair, peer) + ": the first sync is not done",
                         "zrepctl status " + quote(pair.dataset)};
    }
    if (pair.role == there.role) return same_roles(pair, peer);
    if (pair.epoch == there.epoch) return std::nullopt;
    const std::string master = pair.role == "master" ? "" : "on " + peer.host + " run: ";
    const std::string& synced = pair.role == "master" ? pair.dataset : pair.peer_dataset;
    return Diagnosis{State::warn,
                     "pair",
                     here_and_there(pair, peer) + " have the epochs " + std::to_string(pair.epoch) +
                         " and " + std::to_string(there.epoch),
                     master + "zrepctl sync " + quote(synced)};
}

/// A line for each that is not well, one for the rest.
void add_pairs(Lines& lines, const Peer& peer, const rpc::DoctorOut& us) {
    std::vector<const Pair*> well;
    std::vector<Diagnosis> bad;
    for (const Pair& pair : peer.pairs) {
        auto trouble = trouble_of(pair, peer, us);
        if (trouble)
            bad.push_back(std::move(*trouble));
        else
            well.push_back(&pair);
    }
    if (well.size() == 1) {
        const Pair& one = *well.front();
        lines.ok("pair",
                 one.dataset + " is the " + one.role + " here, " + one.peer_dataset + " the " +
                     one.there->role + " there, of epoch " + std::to_string(one.epoch) + " both");
    } else if (!well.empty()) {
        lines.ok("pairs", std::to_string(well.size()) + " agree on names, roles and epochs");
    }
    for (auto& one : bad) lines.add(one.state, one.check, std::move(one.text), std::move(one.next));
}

}  // namespace

std::vector<Diagnosis> judge_peer(const Peer& peer, const rpc::DoctorOut& us) {
    Lines lines(peer.host);
    if (peer.error) {
        add_failed(lines, peer);
        return std::move(lines.out);
    }
    // A pair between two pools of this host is reached without ssh.
    const bool here = peer.host == "localhost" || peer.host == us.host;
    if (!here) {
        lines.ok("ssh", kReached);
        add_versions(lines, peer, us);
        lines.ok("protocol", "understood on both sides");
        add_names(lines, peer, us);
        add_clock(lines, peer);
        add_accept(lines, peer, us);
    }
    add_pairs(lines, peer, us);
    return std::move(lines.out);
}

}  // namespace zrepd::ctl
