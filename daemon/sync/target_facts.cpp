// SPDX-License-Identifier: BSD-2-Clause
// What a peer is told that wants to know whether the two of us fit. From memory.
#include "common/props.hpp"
#include "common/version.hpp"
#include "daemon/clock.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::sync {
namespace {

// Enough to see that there is one, and where.
constexpr std::size_t kAcceptsTold = 8;

}  // namespace

/// Only where it is set: what lies below inherits it.
std::vector<std::string> Target::accepting(const std::string& peer) const {
    std::vector<std::string> out;
    for (const auto& [name, dataset] : parts_.inventory.all()) {
        if (!dataset.own(prop::kAccept) || !plan::accepts(dataset, peer)) continue;
        out.push_back(name.str());
        if (out.size() == kAcceptsTold) break;
    }
    return out;
}

rpc::FactsOut::Side Target::facts_of(const std::string& peer,
                                     const rpc::LookIn::Pair& asked) const {
    rpc::FactsOut::Side out;
    out.target = asked.target;
    const auto name = DatasetName::parse(asked.target);
    if (!name) return out;
    out.exists = parts_.inventory.find(*name) != nullptr;
    const auto pair = parts_.inventory.pair(*name);
    // What is not this peer's is none of its business beyond that it exists.
    if (!pair || !plan::is_other_side(*pair, parts_.self, peer, asked.source)) return out;
    out.known = true;
    out.role = plan::role_name(pair->role);
    out.epoch = pair->epoch;
    return out;
}

Task<Result<rpc::FactsOut>> Target::facts(std::string peer, rpc::FactsIn in) {
    const Result<void> ready = parts_.inventory.ready();
    if (!ready) co_return ready.error();
    rpc::FactsOut out;
    out.host = parts_.self.host.str();
    out.you = peer;
    out.version = kBuildVersion;
    out.zfs = parts_.zfs.version();
    out.now = unix_now();
    out.accepts = accepting(peer);
    for (const auto& side : in.sides) out.sides.push_back(facts_of(peer, side));
    co_return out;
}

}  // namespace zrepd::sync
