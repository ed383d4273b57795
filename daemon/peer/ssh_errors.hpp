// SPDX-License-Identifier: BSD-2-Clause
// What ssh's words and exit status mean to an administrator. Pure; a table, with a captured sample
// for each entry in tests/unit/peer_ssh_errors_test.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/error.hpp"

namespace zrepd::peer {

/// As whom `zrepctl authorize` lets a host in; it comes with the package.
inline constexpr const char* kPeerUser = "zrep";

/// `exit_status` of ssh: its own 255, or that of the command it ran there; nullopt while it still
/// runs or when a signal ended it. `host` is the name as configured, `us` our own short name,
/// `user` who was to be logged in, "" for ssh's own. What the remedy says is to be done names its
/// host: it may be read on the other one. Codes: unknown_host, peer_unreachable, peer_auth,
/// peer_host_key, peer_no_zrepd or access_denied.
Error translate_ssh_failure(const std::string& host,
                            const std::string& us,
                            const std::string& user,
                            std::optional<int> exit_status,
                            std::string_view stderr_tail);

}  // namespace zrepd::peer
