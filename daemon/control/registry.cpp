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
    auto out = co_await (service.*function)(std::move(*in), caller);
    if (!out) co_return out.error();
    co_return encode(*out);
}

Task<Result<Json>> list(Service& service, Json params, Caller) {
    auto in = decode_as<rpc::DatasetsIn>(params, Strictness::request);
    if (!in) co_return in.error();
    auto out = co_await service.list(std::move(*in));
    if (!out) co_return out.error();
    co_return encode(*out);
}

Task<Result<Json>> status(Service& service, Json params, Caller) {
    auto in = decode_as<rpc::DatasetsIn>(params, Strictness::request);
    if (!in) co_return in.error();
    auto out = service.status(*in);
    if (!out) co_return out.error();
    co_return encode(*out);
}

Task<Result<Json>> run(Service& service, Json params, Caller) {
    auto in = decode_as<rpc::RunIn>(params, Strictness::request);
    if (!in) co_return in.error();
    auto out = service.run(*in);
    if (!out) co_return out.error();
    co_return encode(*out);
}

Task<Result<Json>> version(Service& service, Json params, Caller) {
    auto in = decode_as<rpc::Empty>(params, Strictness::request);
    if (!in) co_return in.error();
    co_return encode(service.version());
}

Task<Result<Json>> discover_method(Service&, Json params, Caller) {
    auto in = decode_as<rpc::Empty>(params, Strictness::request);
    if (!in) co_return in.error();
    co_return discover();
}

template <class T>
Json schema_of() {
    return rpc::schema<T>();
}

Json any_object() { return {{"type", "object"}}; }

template <class In, class Out, Task<Result<Out>> (Service::*function)(In, Caller)>
constexpr Method mutation(std::string_view name, Access access, std::string_view summary) {
    return {name, access, "1.0", summary, schema_of<In>, schema_of<Out>,
            with_caller<In, Out, function>};
}

const std::array kMethods{
    mutation<rpc::InitIn, rpc::RunStarted, &Service::init>(
        "pair.init", Access::admin, "Make a pair and send everything for the first time"),
    mutation<rpc::SyncIn, rpc::RunStarted, &Service::sync>(
        "pair.sync", Access::operate, "Send what changed"),
    mutation<rpc::ExpireIn, rpc::RunStarted, &Service::expire>(
        "pair.expire", Access::operate, "Destroy zrep snapshots beyond savecount"),
    mutation<rpc::PauseIn, rpc::Done, &Service::pause>(
        "pair.pause", Access::operate, "Leave pairs out of scheduled and all syncs"),
    mutation<rpc::UnpauseIn, rpc::Done, &Service::unpause>(
        "pair.unpause", Access::operate, "Undo pair.pause"),
    mutation<rpc::ClearIn, rpc::Done, &Service::clear>(
        "pair.clear", Access::admin, "Forget a pair on this side; no data is destroyed"),
    mutation<rpc::SetIn, rpc::Done, &Service::set>(
        "pair.set", Access::admin, "Change zrep: settings of a pair or of everything below a dataset"),
    Method{"pair.list", Access::read, "1.0", "Pairs and their settings, looked up anew",
           schema_of<rpc::DatasetsIn>, schema_of<rpc::ListOut>, list},
    Method{"status.get", Access::read, "1.0", "The state of every pair, from memory",
           schema_of<rpc::DatasetsIn>, schema_of<rpc::StatusOut>, status},
    Method{"run.get", Access::read, "1.0", "A run under way, or one of the last 60",
           schema_of<rpc::RunIn>, schema_of<rpc::RunOut>, run},
    Method{"events.subscribe", Access::read, "1.0",
           "The state now, then notifications `event` on this connection",
           schema_of<rpc::Empty>, schema_of<rpc::SubscribeOut>, nullptr},
    Method{"daemon.version", Access::read, "1.0", "Versions of daemon, protocol and OpenZFS",
           schema_of<rpc::Empty>, schema_of<rpc::VersionOut>, version},
    Method{"rpc.discover", Access::read, "1.0", "This table as an OpenRPC document",
           schema_of<rpc::Empty>, any_object, discover_method},
};

}  // namespace

std::string_view access_name(Access access) {
    switch (access) {
        case Access::read: return "read";
        case Access::operate: return "operate";
        case Access::admin: return "admin";
    }
    return "read";
}

std::span<const Method> methods() { return kMethods; }

const Method* find_method(std::string_view name) {
    const auto found = std::find_if(kMethods.begin(), kMethods.end(),
                                    [name](const Method& method) { return method.name == name; });
    return found == kMethods.end() ? nullptr : &*found;
}

Json discover() {
    Json list = Json::array();
    for (const Method& method : kMethods) {
        list.push_back({{"name", method.name},
                        {"summary", method.summary},
                        {"x-access", access_name(method.access)},
                        {"x-since", method.since},
                        {"paramStructure", "by-name"},
                        {"params", Json::array({{{"name", "params"}, {"schema", method.in_schema()}}})},
                        {"result", {{"name", "result"}, {"schema", method.out_schema()}}}});
    }
    return {{"openrpc", "1.2.6"},
            {"info", {{"title", "zrepd control socket"}, {"version", rpc::kProtocol}}},
            {"methods", std::move(list)}};
}

}  // namespace zrepd::control
