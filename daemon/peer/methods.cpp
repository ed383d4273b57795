// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/methods.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "common/text.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/peer/limits.hpp"

namespace zrepd::peer {
namespace {

struct PingIn {
    template <class Self, class V>
    static void fields(Self&, V&) {}
};

Task<Result<Json>> ping(TargetService&, Caller, Json params) {
    auto in = rpc::decode_as<PingIn>(params, rpc::Strictness::request);
    if (!in) co_return in.error();
    co_return Json::object();
}

/// Of a method that is about several datasets at once.
template <class In>
const auto* list_of(const In& in) {
    if constexpr (requires { in.pairs; })
        return &in.pairs;
    else if constexpr (requires { in.sides; })
        return &in.sides;
    else if constexpr (requires { in.items; })
        return &in.items;
    else
        return static_cast<const std::vector<rpc::LookIn::Pair>*>(nullptr);
}

/// Our own client keeps to the limit. Somebody else's could ask for so much in one line that
/// answering it takes all the memory there is.
template <class List>
Result<void> check_list(const List& list) {
    if (list.size() > kMaxPerRequest) {
        return Error{
            .code = Code::invalid_params,
            .message = "more than " + std::to_string(kMaxPerRequest) + " datasets in one request",
            .remedy = "compare `zrepctl version` on both hosts"};
    }
    std::set<std::pair<std::string_view, std::string_view>> named;
    for (const auto& one : list) {
        if (named.emplace(one.source, one.target).second) continue;
        return Error{.code = Code::invalid_params,
                     .message = quote(one.target) + " is named twice in one request",
                     .remedy = "compare `zrepctl version` on both hosts"};
    }
    return ok();
}

template <class In>
Result<In> decode_checked(const Json& params) {
    Result<In> in = rpc::decode_as<In>(params, rpc::Strictness::request);
    if (!in) return in;
    const auto* list = list_of(*in);
    const Result<void> good = list == nullptr ? ok() : check_list(*list);
    if (!good) return good.error();
    return in;
}

// All that say how a master is served; under other names keep_to_rights() would pass them by.
static_assert(requires(rpc::CheckIn in) { in.serve, in.members->front().serve; });
static_assert(requires(rpc::PromoteIn in) { in.serve, in.members->front().serve; });
static_assert(requires(rpc::CommitIn in) { in.items.front().serve; });

/// Where something is mounted here is chosen by who may do anything here, or by nobody elsewhere.
template <class In>
void keep_to_rights(In& in, const Caller& caller) {
    if (caller.root) return;
    const auto limit = [](auto& one) { one.serve = failover::without_choice(one.serve); };
    if constexpr (requires { in.serve; }) limit(in);
    if constexpr (requires { in.items.front().serve; })
        std::for_each(in.items.begin(), in.items.end(), limit);
    if constexpr (requires { in.members->front().serve; })
        if (in.members) std::for_each(in.members->begin(), in.members->end(), limit);
}

template <class In, class Out, Task<Result<Out>> (TargetService::*Method)(std::string, In)>
Task<Result<Json>> invoke(TargetService& target, Caller caller, Json params) {
    Result<In> in = decode_checked<In>(params);
    if (!in) co_return in.error();
    keep_to_rights(*in, caller);
    Task<Result<Out>> work = (target.*Method)(std::move(caller.peer), std::move(*in));
    Result<Out> out = co_await std::move(work);
    if (!out) co_return out.error();
    co_return rpc::encode(*out);
}

template <class In, class Out, Task<Result<Out>> (RoleService::*Method)(std::string, In)>
Task<Result<Json>> invoke_role(TargetService& target, Caller caller, Json params) {
    Result<In> in = decode_checked<In>(params);
    if (!in) co_return in.error();
    keep_to_rights(*in, caller);
    RoleService* roles = target.roles();
    if (roles == nullptr) {
        co_return Error{.code = Code::unsupported, .message = "no role changes here"};
    }
    Task<Result<Out>> work = (roles->*Method)(std::move(caller.peer), std::move(*in));
    Result<Out> out = co_await std::move(work);
    if (!out) co_return out.error();
    co_return rpc::encode(*out);
}

constexpr std::array kMethods{
    PeerMethod{kIdentify, "names the asking host; the first request on a socket, once", nullptr},
    PeerMethod{"peer.ping", "answers {}; shows that both daemons are alive", &ping},
    PeerMethod{"peer.look",
               "the state of the targets of a sync, all in one request",
               &invoke<rpc::LookIn, rpc::LookOut, &TargetService::look>},
    PeerMethod{"peer.tree",
               "copies below the target of a recursive pair that are of no member",
               &invoke<rpc::TreeIn, rpc::TreeOut, &TargetService::tree>},
    PeerMethod{"peer.prepare",
               "whether a filesystem or volume may be created here",
               &invoke<rpc::PrepareIn, rpc::PrepareOut, &TargetService::prepare>},
    PeerMethod{"peer.adopt",
               "makes a dataset that is here already the target of the asking side's",
               &invoke<rpc::AdoptIn, rpc::AdoptOut, &TargetService::adopt>},
    PeerMethod{"peer.commit",
               "records received snapshots as acknowledged, and expires",
               &invoke<rpc::CommitIn, rpc::CommitOut, &TargetService::commit>},
    PeerMethod{"peer.expire",
               "runs this side's expiry on these targets",
               &invoke<rpc::LookIn, rpc::PeerExpireOut, &TargetService::expire>},
    PeerMethod{"peer.roll_back",
               "takes a target back to an acknowledged snapshot that its master has",
               &invoke<rpc::RollBackIn, rpc::RollBackOut, &TargetService::roll_back>},
    PeerMethod{"peer.facts",
               "versions, clock and names here, and whether both sides know each other's pairs",
               &invoke<rpc::FactsIn, rpc::FactsOut, &TargetService::facts>},
    PeerMethod{"peer.roles",
               "which side is master, and of which epoch",
               &invoke_role<rpc::RolesIn, rpc::RolesOut, &RoleService::roles>},
    PeerMethod{"peer.lease",
               "confirms to masters, for a time, that their targets here stay targets",
               &invoke_role<rpc::LeaseIn, rpc::LeaseOut, &RoleService::lease>},
    PeerMethod{"peer.check",
               "what would keep this target from becoming the master",
               &invoke_role<rpc::CheckIn, rpc::CheckOut, &RoleService::check>},
    PeerMethod{"peer.promote",
               "becomes the master; the asking side has stepped down",
               &invoke_role<rpc::PromoteIn, rpc::PromoteOut, &RoleService::promote>},
    PeerMethod{"peer.hand_over",
               "starts a failover of the master here, which its target asks for",
               &invoke_role<rpc::HandOverIn, rpc::HandOverOut, &RoleService::hand_over>},
    PeerMethod{"peer.refresh",
               "starts a sync of the master here, which its target asks for",
               &invoke_role<rpc::RefreshIn, rpc::HandOverOut, &RoleService::refresh>},
    PeerMethod{"peer.run",
               "how a run goes that the asking side started here",
               &invoke_role<rpc::PeerRunIn, rpc::PeerRunOut, &RoleService::run>},
    PeerMethod{kReceive, "turns the connection into a data stream, then acknowledges it", nullptr},
};

}  // namespace

std::span<const PeerMethod> peer_methods() {
    return kMethods;
}

const PeerMethod* find_peer_method(std::string_view name) {
    const auto found = std::find_if(kMethods.begin(), kMethods.end(), [name](const auto& method) {
        return method.name == name;
    });
    return found == kMethods.end() ? nullptr : &*found;
}

}  // namespace zrepd::peer
