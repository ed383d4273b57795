// SPDX-License-Identifier: BSD-2-Clause
// The method table of the control socket: dispatch, argument checks, rpc.discover, the generated
// documentation, the tests and the fuzzer's seeds all come from it. Thread: io thread; the table is
// constant. Errors: invalid_params with the JSON path, before a method does anything.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "daemon/control/service.hpp"

namespace zrepd::control {

std::string_view access_name(Access access);

struct Method {
    std::string_view name;  ///< noun.verb
    Access access;
    std::string_view since;  ///< protocol version that brought it
    std::string_view summary;
    std::string_view example;      ///< params that decode, as JSON; also a seed for the fuzzer
    std::span<const Code> errors;  ///< beyond those every call may end with
    Json (*in_schema)();
    Json (*out_schema)();
    /// Decodes strictly and forgets the result: nothing is touched for params that are wrong.
    Result<void> (*check)(const Json& params);
    /// Null for what the session itself answers (events.subscribe).
    Task<Result<Json>> (*handler)(Service& service, Json params, Caller caller);

    /// It changes something: it is logged, takes `request_key`, and is refused on the reading
    /// socket.
    bool mutates() const { return access != Access::read; }
};

std::span<const Method> methods();
const Method* find_method(std::string_view name);
/// What any call may end with, whatever the method.
std::span<const Code> common_errors();
/// The answer of rpc.discover: an OpenRPC document (spec.open-rpc.org).
const Json& discover();

}  // namespace zrepd::control
