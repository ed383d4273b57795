// SPDX-License-Identifier: BSD-2-Clause
// The peer protocol's method table: dispatch, argument checks and docs/peer-protocol.md's list.
// Thread: io thread. Errors: invalid_params before any side effect, then the service's own.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "daemon/peer/server.hpp"

namespace zrepd::peer {

/// First request on a socket; sent by `zrepctl peer` on the serving host, never by the far side.
struct IdentifyIn {
    std::string host;
    std::optional<bool> unrestricted = {};
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("host", self.host, "short name of the host that asks");
        v("unrestricted",
          self.unrestricted,
          "who logged in chose this command, and could have run any other");
    }
};

inline constexpr std::string_view kIdentify = "peer.identify";
inline constexpr std::string_view kReceive = "stream.receive";

struct PeerMethod {
    using Handler = Task<Result<Json>> (*)(TargetService&, Caller caller, Json params);
    std::string_view name;
    std::string_view summary;
    Handler handler;  ///< null: part of the connection itself (identify, stream.receive)
};

std::span<const PeerMethod> peer_methods();
const PeerMethod* find_peer_method(std::string_view name);

}  // namespace zrepd::peer
