// SPDX-License-Identifier: BSD-2-Clause
#include "common/error.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace zrepd {
namespace {

// Exit status: 1 failed, 2 usage, 3 not reachable, 4 protocol, 5 refused (access, role or state).
constexpr std::array kTable{
    CodeInfo{Code::parse_error, "parse_error", -32700, false, 4},
    CodeInfo{Code::invalid_request, "invalid_request", -32600, false, 4},
    CodeInfo{Code::method_not_found, "method_not_found", -32601, false, 4},
    CodeInfo{Code::invalid_params, "invalid_params", -32602, false, 2},
    CodeInfo{Code::access_denied, "access_denied", -32001, false, 5},
    CodeInfo{Code::busy, "busy", -32002, true, 5},
    CodeInfo{Code::already_running, "already_running", -32003, true, 5},
    CodeInfo{Code::not_found, "not_found", -32004, false, 1},
    CodeInfo{Code::already_exists, "already_exists", -32005, false, 5},
    CodeInfo{Code::not_configured, "not_configured", -32006, false, 5},
    CodeInfo{Code::already_configured, "already_configured", -32007, false, 5},
    CodeInfo{Code::nested_pair, "nested_pair", -32008, false, 5},
    CodeInfo{Code::wrong_role, "wrong_role", -32009, false, 5},
    CodeInfo{Code::conflict, "conflict", -32010, false, 5},
    CodeInfo{Code::refused, "refused", -32014, false, 5},
    CodeInfo{Code::no_base, "no_base", -32016, false, 5},
    CodeInfo{Code::split_brain, "split_brain", -32013, false, 5},
    CodeInfo{Code::not_accepted, "not_accepted", -32011, false, 5},
    CodeInfo{Code::refused_by_hook, "refused_by_hook", -32015, true, 5},
    CodeInfo{Code::no_space, "no_space", -32012, true, 1},
    CodeInfo{Code::unknown_host, "unknown_host", -32020, true, 1},
    CodeInfo{Code::peer_unreachable, "peer_unreachable", -32021, true, 1},
    CodeInfo{Code::peer_auth, "peer_auth", -32022, true, 1},
    CodeInfo{Code::peer_host_key, "peer_host_key", -32023, true, 1},
    CodeInfo{Code::peer_no_zrepd, "peer_no_zrepd", -32024, true, 1},
    CodeInfo{Code::peer_protocol, "peer_protocol", -32025, true, 4},
    CodeInfo{Code::stream_failed, "stream_failed", -32030, true, 1},
    CodeInfo{Code::stalled, "stalled", -32031, true, 1},
    CodeInfo{Code::timed_out, "timed_out", -32032, true, 1},
    CodeInfo{Code::cancelled, "cancelled", -32033, true, 1},
    CodeInfo{Code::zfs_failed, "zfs_failed", -32040, true, 1},
    CodeInfo{Code::pool_unavailable, "pool_unavailable", -32041, true, 1},
    CodeInfo{Code::unsupported, "unsupported", -32042, false, 1},
    CodeInfo{Code::io_error, "io_error", -32043, true, 1},
    CodeInfo{Code::daemon_unreachable, "daemon_unreachable", -32050, true, 3},
    CodeInfo{Code::internal, "internal", -32603, false, 1},
};

constexpr bool table_is_in_enum_order() {
    for (std::size_t i = 0; i < kTable.size(); ++i) {
        if (static_cast<std::size_t>(kTable[i].code) != i) return false;
    }
    return true;
}
static_assert(table_is_in_enum_order());
static_assert(kTable.size() == static_cast<std::size_t>(Code::internal) + 1);

}  // namespace

const CodeInfo& info(Code code) {
    return kTable[static_cast<std::size_t>(code)];
}

std::optional<Code> code_from_name(std::string_view name) {
    const auto found = std::find_if(
        kTable.begin(), kTable.end(), [name](const CodeInfo& row) { return row.name == name; });
    if (found == kTable.end()) return std::nullopt;
    return found->code;
}

std::string Error::text() const {
    std::string out;
    for (auto it = context.rbegin(); it != context.rend(); ++it) out += *it + ": ";
    return out + message;
}

}  // namespace zrepd
