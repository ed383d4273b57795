// SPDX-License-Identifier: BSD-2-Clause
// The method table of the control socket: dispatch, argument checks, rpc.discover, the generated
// documentation and the tests all come from it. Thread: io thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "daemon/control/service.hpp"

namespace zrepd::control {

/// Ordered: who may operate may read. Members of the socket's group operate, root is admin.
enum class Access { read, operate, admin };
std::string_view access_name(Access access);

struct Method {
    std::string_view name;     ///< noun.verb
    Access access;
    std::string_view since;    ///< protocol version that brought it
    std::string_view summary;
    Json (*in_schema)();
    Json (*out_schema)();
    /// Decodes strictly before anything else happens. Null for what the session itself answers.
    Task<Result<Json>> (*handler)(Service& service, Json params, Caller caller);
};

std::span<const Method> methods();
const Method* find_method(std::string_view name);
/// The answer of rpc.discover: an OpenRPC document (spec.open-rpc.org).
Json discover();

}  // namespace zrepd::control
