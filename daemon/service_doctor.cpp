// SPDX-License-Identifier: BSD-2-Clause
// What `zrepctl doctor` is told: facts of this host and of those it has pairs with.
#include <algorithm>
#include <set>

#include "common/props.hpp"
#include "common/version.hpp"
#include "daemon/async/gather.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/failover/mount_place.hpp"
#include "daemon/log.hpp"
#include "daemon/plan/zfs_faults.hpp"
#include "daemon/service.hpp"
#include "daemon/sync/peer_group.hpp"

namespace zrepd {
namespace {

// Longer than a session takes to say why it could not be opened (peer::PeerLimits::hello).
constexpr std::chrono::milliseconds kPeerLimit{18'000};
// One line of JSON, one ssh each.
constexpr std::size_t kMaxHosts = 64;

/// Its clock was read somewhere between the question and the answer: only what lies outside counts.
std::int64_t ahead(std::int64_t there, UnixSeconds asked, UnixSeconds answered) {
    if (there < asked) return there - asked;
    return there > answered ? there - answered : 0;
}

std::optional<rpc::FactsOut::Side> side_of(const rpc::FactsOut& facts, const std::string& target) {
    const auto found = std::find_if(facts.sides.begin(), facts.sides.end(), [&](const auto& side) {
        return side.target == target;
    });
    if (found == facts.sides.end()) return std::nullopt;
    return *found;
}

}  // namespace

void tell_zfs_faults(const std::string& version) {
    if (plan::is_too_old(version)) {
        log::event(log::Level::error,
                   "zfs_too_old",
                   {{"zfs", version},
                    {"error", "zrepd needs OpenZFS 2.1 or newer: commands will fail"},
                    {"next", "upgrade OpenZFS, and reboot so that its module is loaded"}});
    }
    const auto faults = plan::faults_of(version);
    if (faults.empty()) return;
    const bool grave = std::any_of(
        faults.begin(), faults.end(), [](const plan::ZfsFault& one) { return one.grave; });
    log::event(grave ? log::Level::warn : log::Level::info,
               "zfs_faults",
               {{"zfs", version},
                {"of", plan::summary_of(faults)},
                {"next", "zrepctl doctor says which of them matter here, and what to do"}});
}

Result<std::vector<HostName>> DaemonService::hosts_to_ask(
    const std::vector<std::string>& names) const {
    std::set<HostName> out;
    for (const auto& name : names) {
        auto host = HostName::parse(name);
        // Every sync dials the short name, which is what is stored.
        if (host) host = HostName::parse(host->short_name());
        if (!host) return host.error();
        out.insert(*host);
    }
    if (names.empty()) {
        for (const auto& pair : parts_.inventory.pairs()) out.insert(pair.peer);
    }
    if (names.size() > kMaxHosts) {
        return Error{.code = Code::invalid_params,
                     .message = "hosts: at most " + std::to_string(kMaxHosts) + " at once"};
    }
    return std::vector<HostName>(out.begin(), out.end());
}

std::vector<rpc::DoctorOut::Pair> DaemonService::pairs_with(const HostName& host) const {
    std::vector<rpc::DoctorOut::Pair> out;
    const bool us = parts_.self.is(host);
    for (const auto& pair : parts_.inventory.pairs()) {
        const bool other =
            us ? parts_.self.is(pair.peer) : pair.peer.short_name() == host.short_name();
        if (!other) continue;
        rpc::DoctorOut::Pair one;
        one.dataset = pair.dataset.str();
        one.role = plan::role_name(pair.role);
        one.epoch = pair.epoch;
        one.peer_dataset = pair.peer_dataset.str();
        out.push_back(std::move(one));
    }
    return out;
}

std::vector<rpc::DoctorOut::Fault> DaemonService::zfs_faults() const {
    std::vector<DatasetName> sides;
    for (const auto& pair : parts_.inventory.pairs()) sides.push_back(pair.dataset);
    sides = parts_.inventory.with_members(sides);
    std::vector<rpc::DoctorOut::Fault> out;
    for (const auto& fault : plan::faults_of(zfs_version_)) {
        const Dataset* first = plan::first_touched(fault, parts_.inventory.all(), sides);
        if (first == nullptr) continue;
        out.push_back({.grave = fault.grave,
                       .what = std::string(fault.what) + ": " + first->name.str() + " (" +
                               std::string(fault.issue) + ")",
                       .next = std::string(fault.next)});
    }
    return out;
}

/// Better known now than at the failover that it refuses.
std::vector<rpc::DoctorOut::Fault> DaemonService::ungranted_mounts() const {
    std::vector<DatasetName> copies;
    for (const auto& pair : parts_.inventory.pairs())
        if (pair.role == plan::Role::target) copies.push_back(pair.dataset);
    std::vector<rpc::DoctorOut::Fault> out;
    for (const auto& name : parts_.inventory.with_members(copies)) {
        const Dataset* copy = parts_.inventory.find(name);
        const auto text = copy == nullptr ? std::nullopt : copy->own(prop::kServe);
        const auto serve = failover::parse_serve(text.value_or(""));
        auto wish = serve && copy != nullptr
                        ? failover::wish_problem(*serve, *copy, parts_.self.host)
                        : std::nullopt;
        if (wish) out.push_back({.grave = false, .what = wish->message, .next = wish->remedy});
    }
    return out;
}

Task<> DaemonService::examine(HostName host,
                              rpc::DoctorOut::Peer* out,
                              std::size_t* left,
                              Signal* done) {
    out->host = host.str();
    out->pairs = pairs_with(host);
    std::size_t at = 0;
    // Once for a host without pairs, too.
    do {
        const std::size_t end = std::min(out->pairs.size(), at + sync::kMaxPerRequest);
        const bool more = co_await ask_facts(host, out, at, end);
        at = more ? end : out->pairs.size();
    } while (at < out->pairs.size());
    --*left;
    done->notify();
}

/// About some of the pairs; false when there is no use in asking on.
Task<bool> DaemonService::ask_facts(HostName host,
                                    rpc::DoctorOut::Peer* out,
                                    std::size_t begin,
                                    std::size_t end) {
    rpc::FactsIn in;
    for (std::size_t i = begin; i < end; ++i)
        in.sides.push_back({out->pairs[i].dataset, out->pairs[i].peer_dataset});
    const UnixSeconds asked = unix_now();
    auto facts = co_await peers_.call_as<rpc::FactsOut>(host, "peer.facts", in, kPeerLimit);
    if (facts) {
        out->host_there = facts->host;
        out->known_as = facts->you;
        out->version = facts->version;
        out->zfs = facts->zfs;
        out->clock_ahead_seconds = ahead(facts->now, asked, unix_now());
        out->accepts = facts->accepts;
        for (std::size_t i = begin; i < end; ++i)
            out->pairs[i].there = side_of(*facts, out->pairs[i].peer_dataset);
    } else {
        out->error = rpc::to_item_error(facts.error());
    }
    co_return facts.has_value();
}

/// Side by side: several that are down take no longer than one.
Task<Result<rpc::DoctorOut>> DaemonService::doctor(rpc::DoctorIn in, control::Caller) {
    auto hosts = hosts_to_ask(in.hosts);
    if (!hosts) co_return hosts.error();
    rpc::DoctorOut out;
    out.host = parts_.self.host.str();
    out.version = kBuildVersion;
    out.zfs = zfs_version_;
    out.zfs_too_old = plan::is_too_old(zfs_version_);
    out.faults = zfs_faults();
    out.mounts = ungranted_mounts();
    out.config_file = parts_.config.file.string();
    out.peers.resize(hosts->size());
    std::size_t left = hosts->size();
    Signal done(parts_.executor);
    TaskGroup asking(parts_.executor);
    for (std::size_t i = 0; i < hosts->size(); ++i) {
        const HostName& host = (*hosts)[i];
        asking.spawn("doctor of " + host.str(), examine(host, &out.peers[i], &left, &done));
    }
    co_await gather(asking, left, done);
    co_return out;
}

}  // namespace zrepd
