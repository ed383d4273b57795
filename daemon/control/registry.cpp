// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/control/registry.hpp"

#include <algorithm>
#include <array>

#include "common/rpc/message.hpp"

namespace zrepd::control {
namespace {

using rpc::decode_as;
using rpc::encode;
using rpc::Strictness;

template <class In, class Out, Task<Result<Out>> (Service::*function)(In, Caller)>
Task<Result<Json>> with_caller(Service& service, Json params, Caller caller) {
    auto in = decode_as<In>(params, Strictness::request);
    if (!in) co_return in.error();
    auto work = (service.*function)(std::move(*in), caller);
    auto out = co_await std::move(work);
    if (!out) co_return out.error();
    co_return encode(*out);
}

template <class In, class Out, Result<Out> (Service::*function)(const In&)>
Task<Result<Json>> from_memory(Service& service, Json params, Caller) {
    auto in = decode_as<In>(params, Strictness::request);
    if (!in) co_return in.error();
    auto out = (service.*function)(*in);
    if (!out) co_return out.error();
    co_return encode(*out);
}

Task<Result<Json>> version(Service& service, Json, Caller) {
    co_return encode(service.version());
}

Task<Result<Json>> discover_method(Service&, Json, Caller) {
    co_return discover();
}

template <class In>
Json params_schema() {
    Json out = rpc::schema<In>();
    out["additionalProperties"] = false;
    return out;
}

template <class Out>
Json result_schema() {
    return rpc::schema<Out>();
}

Json any_object() {
    return {{"type", "object"}};
}

template <class In>
Result<void> check_as(const Json& params) {
    const auto in = decode_as<In>(params, Strictness::request);
    if (!in) return in.error();
    return ok();
}

constexpr std::array kCommonErrors{Code::parse_error,
                                   Code::invalid_request,
                                   Code::method_not_found,
                                   Code::invalid_params,
                                   Code::access_denied,
                                   Code::busy,
                                   Code::timed_out,
                                   Code::internal};
constexpr std::array kInitErrors{Code::not_found,
                                 Code::already_configured,
                                 Code::already_running,
                                 Code::nested_pair,
                                 Code::already_exists,
                                 Code::not_accepted,
                                 Code::unknown_host,
                                 Code::peer_unreachable,
                                 Code::peer_auth,
                                 Code::peer_host_key,
                                 Code::peer_no_zrepd,
                                 Code::peer_protocol,
                                 Code::no_space,
                                 Code::zfs_failed,
                                 Code::unsupported};
constexpr std::array kRunErrors{Code::not_found,
                                Code::not_configured,
                                Code::wrong_role,
                                Code::already_running,
                                Code::zfs_failed};
constexpr std::array kPutBackErrors{Code::not_found,
                                    Code::not_configured,
                                    Code::wrong_role,
                                    Code::refused,
                                    Code::conflict,
                                    Code::already_running,
                                    Code::peer_unreachable,
                                    Code::unsupported,
                                    Code::zfs_failed};
constexpr std::array kRoleErrors{Code::not_found,
                                 Code::not_configured,
                                 Code::wrong_role,
                                 Code::refused,
                                 Code::conflict,
                                 Code::already_running,
                                 Code::peer_unreachable,
                                 Code::zfs_failed};
constexpr std::array kChangeErrors{
    Code::not_found, Code::not_configured, Code::already_running, Code::zfs_failed};
constexpr std::array kPauseErrors{
    Code::not_found, Code::wrong_role, Code::pool_unavailable, Code::zfs_failed};
constexpr std::array kConfigErrors{Code::not_found,
                                   Code::not_configured,
                                   Code::wrong_role,
                                   Code::refused,
                                   Code::conflict,
                                   Code::peer_unreachable,
                                   Code::zfs_failed};
constexpr std::array kPairErrors{Code::not_configured};
constexpr std::array kListErrors{Code::not_configured, Code::zfs_failed};
constexpr std::array kLookupErrors{Code::not_found};

template <class In, class Out, Task<Result<Out>> (Service::*function)(In, Caller)>
constexpr Method mutation(std::string_view name,
                          Access access,
                          std::string_view summary,
                          std::string_view example,
                          std::span<const Code> errors) {
    return {name,
            access,
            "1.0",
            summary,
            example,
            errors,
            params_schema<In>,
            result_schema<Out>,
            check_as<In>,
            with_caller<In, Out, function>};
}

template <class In, class Out>
constexpr Method reading(std::string_view name,
                         std::string_view summary,
                         std::string_view example,
                         std::span<const Code> errors,
                         Task<Result<Json>> (*handler)(Service&, Json, Caller)) {
    return {name,
            Access::read,
            "1.0",
            summary,
            example,
            errors,
            params_schema<In>,
            result_schema<Out>,
            check_as<In>,
            handler};
}

constexpr Method discovery() {
    Method out = reading<rpc::Empty, rpc::Empty>(
        "rpc.discover", "This table as an OpenRPC document", "{}", {}, discover_method);
    out.out_schema = any_object;
    return out;
}

const std::array kMethods{
    mutation<rpc::InitIn, rpc::RunStarted, &Service::init>(
        "pair.init",
        Access::admin,
        "Make a pair and send everything for the first time",
        R"({"dataset":"tank/fs","host":"beta","target":"backup/fs","savecount":5})",
        kInitErrors),
    mutation<rpc::SyncIn, rpc::RunStarted, &Service::sync>(
        "pair.sync",
        Access::operate,
        "Send what changed",
        R"({"datasets":["tank/fs"],"request_key":"nightly-1"})",
        kRunErrors),
    mutation<rpc::PutBackIn, rpc::RunStarted, &Service::put_back>(
        "pair.put_back",
        Access::admin,
        "Put the target back to an acknowledged snapshot, and pause the pair there",
        R"({"dataset":"tank/fs","snapshot":"zrep_000041","dry_run":true})",
        kPutBackErrors),
    mutation<rpc::SyncIn, rpc::RunStarted, &Service::refresh>(
        "pair.refresh",
        Access::operate,
        "Have the master send what changed to a copy here; datasets, and all, are targets",
        R"({"datasets":["backup/fs"]})",
        kRoleErrors),
    mutation<rpc::ExpireIn, rpc::RunStarted, &Service::expire>(
        "pair.expire",
        Access::operate,
        "Destroy zrep snapshots beyond savecount",
        R"({"all":true,"local_only":true,"dry_run":true})",
        kRunErrors),
    mutation<rpc::RoleIn, rpc::RunStarted, &Service::failover>(
        "pair.failover",
        Access::operate,
        "Give the role of master to the other side",
        R"({"datasets":["tank/fs"],"dry_run":true})",
        kRoleErrors),
    mutation<rpc::RoleIn, rpc::RunStarted, &Service::takeover>(
        "pair.takeover",
        Access::operate,
        "Take the role of master to this side",
        R"({"datasets":["backup/fs"],"local_only":true})",
        kRoleErrors),
    mutation<rpc::ResolveIn, rpc::RunStarted, &Service::resolve>(
        "pair.resolve",
        Access::admin,
        "End a split brain: say whose data counts",
        R"({"dataset":"tank/fs","keep":"here"})",
        kRoleErrors),
    mutation<rpc::UnfenceIn, rpc::RunStarted, &Service::unfence>(
        "pair.unfence",
        Access::admin,
        "Serve a master that zrep:fence keeps from it, without the other side's word",
        R"({"datasets":["tank/fs"],"dry_run":true})",
        kRoleErrors),
    reading<rpc::Empty, rpc::RescueListOut>(
        "rescue.list",
        "Copies of what a former master never sent, looked up as by pair.list",
        "{}",
        kListErrors,
        with_caller<rpc::Empty, rpc::RescueListOut, &Service::rescues>),
    mutation<rpc::RescueDropIn, rpc::RunStarted, &Service::drop>(
        "rescue.drop",
        Access::admin,
        "Destroy one of them",
        R"({"dataset":"tank/fs_diverged_2","dry_run":true})",
        kRoleErrors),
    mutation<rpc::RescueDiffIn, rpc::RescueDiffOut, &Service::rescue_diff>(
        "rescue.diff",
        Access::admin,
        "Which files of one of them differ from the snapshot that both sides have",
        R"({"dataset":"tank/fs_diverged_2","limit":100,"request_key":"look-1"})",
        kRoleErrors),
    mutation<rpc::DoctorIn, rpc::DoctorOut, &Service::doctor>(
        "doctor.run",
        Access::operate,
        "What the hosts of the pairs, or those named, say of themselves and of this one",
        R"({"hosts":["beta"],"request_key":"doctor-1"})",
        {}),
    mutation<rpc::DrillIn, rpc::RunStarted, &Service::drill>(
        "pair.drill",
        Access::admin,
        "Clone, mount and check the newest acknowledged snapshot",
        R"({"dataset":"backup/fs","program":"/bin/ls"})",
        kRoleErrors),
    mutation<rpc::PauseIn, rpc::Done, &Service::pause>(
        "pair.pause",
        Access::operate,
        "Leave pairs out of scheduled and `all` syncs",
        R"({"datasets":["tank"],"until":"2026-03-01T12:00:00Z"})",
        kPauseErrors),
    mutation<rpc::UnpauseIn, rpc::Done, &Service::unpause>("pair.unpause",
                                                           Access::operate,
                                                           "Undo pair.pause",
                                                           R"({"datasets":["tank"]})",
                                                           kChangeErrors),
    mutation<rpc::ClearIn, rpc::Done, &Service::clear>(
        "pair.clear",
        Access::admin,
        "Forget a pair on this side; no data is destroyed",
        R"({"dataset":"tank/fs","dry_run":true})",
        kChangeErrors),
    mutation<rpc::ConfigIn, rpc::Done, &Service::changeconfig>(
        "pair.changeconfig",
        Access::admin,
        "Say where the other side of a pair is now",
        R"({"dataset":"tank/fs","host":"gamma","other":"backup/fs","dry_run":true})",
        kConfigErrors),
    mutation<rpc::SetIn, rpc::Done, &Service::set>(
        "pair.set",
        Access::admin,
        "Change zrep: settings of a pair, or of everything below a dataset",
        R"({"dataset":"tank","settings":{"zrep:interval":"1m"}})",
        kChangeErrors),
    reading<rpc::DatasetsIn, rpc::ListOut>(
        "pair.list",
        "Pairs and their settings, looked up anew; for who may only read every 10 s",
        R"({"datasets":["tank/fs"]})",
        kListErrors,
        with_caller<rpc::DatasetsIn, rpc::ListOut, &Service::list>),
    reading<rpc::DatasetsIn, rpc::StatusOut>(
        "status.get",
        "The state of every pair, from memory",
        R"({"datasets":["tank/fs"]})",
        kPairErrors,
        from_memory<rpc::DatasetsIn, rpc::StatusOut, &Service::status>),
    reading<rpc::RunIn, rpc::RunOut>("run.get",
                                     "A run under way, or one of the last 60",
                                     R"({"run_id":"6543f2a1-7"})",
                                     kLookupErrors,
                                     from_memory<rpc::RunIn, rpc::RunOut, &Service::run>),
    reading<rpc::EventsIn, rpc::EventsOut>(
        "events.recent",
        "The last events, at most 1000",
        R"({"limit":20})",
        {},
        from_memory<rpc::EventsIn, rpc::EventsOut, &Service::events>),
    reading<rpc::Empty, rpc::SubscribeOut>(
        "events.subscribe",
        "The state now, then notifications `event` on this connection",
        "{}",
        {},
        nullptr),
    reading<rpc::Empty, rpc::VersionOut>(
        "daemon.version", "Versions of daemon, protocol and OpenZFS", "{}", {}, version),
    discovery(),
};

Json errors_of(std::span<const Code> codes) {
    Json out = Json::array();
    for (const Code code : codes) {
        out.push_back({{"code", info(code).rpc}, {"message", info(code).name}});
    }
    return out;
}

/// OpenRPC wants one content descriptor per parameter.
Json params_of(const Method& method) {
    const Json schema = method.in_schema();
    const Json required = schema.value("required", Json::array());
    Json out = Json::array();
    for (const auto& [key, one] : schema["properties"].items()) {
        const bool needed = std::find(required.begin(), required.end(), key) != required.end();
        out.push_back({{"name", key}, {"required", needed}, {"schema", one}});
    }
    return out;
}

}  // namespace

std::string_view access_name(Access access) {
    switch (access) {
        case Access::read:
            return "read";
        case Access::operate:
            return "operate";
        case Access::admin:
            return "admin";
    }
    return "read";
}

std::span<const Method> methods() {
    return kMethods;
}

const Method* find_method(std::string_view name) {
    const auto found = std::find_if(kMethods.begin(), kMethods.end(), [name](const Method& method) {
        return method.name == name;
    });
    return found == kMethods.end() ? nullptr : &*found;
}

std::span<const Code> common_errors() {
    return kCommonErrors;
}

const Json& discover() {
    static const Json document = [] {
        Json list = Json::array();
        for (const Method& method : kMethods) {
            list.push_back({{"name", method.name},
                            {"summary", method.summary},
                            {"paramStructure", "by-name"},
                            {"params", params_of(method)},
                            {"result", {{"name", "result"}, {"schema", method.out_schema()}}},
                            {"errors", errors_of(method.errors)},
                            {"x-access", access_name(method.access)},
                            {"x-since", method.since}});
        }
        return Json{{"openrpc", "1.2.6"},
                    {"info", {{"title", "zrepd control socket"}, {"version", rpc::kProtocol}}},
                    {"methods", std::move(list)}};
    }();
    return document;
}

}  // namespace zrepd::control
