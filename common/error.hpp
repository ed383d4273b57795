// SPDX-License-Identifier: BSD-2-Clause
// The one error value of the project: what happened, why, and what to do next. Pure; no logging.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zrepd {

/// Closed list of error kinds. Name, RPC number, retryable flag and exit status of each stand in
/// one table (error.cpp). Programs switch on the name, which travels as `data.kind`.
enum class Code {
    parse_error,      ///< not JSON, or a line over the limit
    invalid_request,  ///< JSON, but not a request
    method_not_found,
    invalid_params,   ///< a value of the caller's that can never be right
    access_denied,    ///< the caller's socket or user may not do this
    busy,             ///< a bounded resource is used up, or another operation has the lock
    already_running,  ///< a run of this filesystem is under way; `run_id` names it
    not_found,        ///< no such dataset, snapshot or run
    already_exists,
    not_configured,      ///< the dataset is not part of a pair
    already_configured,  ///< the dataset is part of a pair already
    nested_pair,         ///< a pair inside a pair
    wrong_role,          ///< asked of the wrong side
    conflict,            ///< the two sides disagree; nothing was changed
    refused,             ///< a check before a role change failed; nothing was changed
    no_base,             ///< asked to become the master without the snapshot to go on from
    split_brain,         ///< both sides are master with the same epoch; nothing was changed
    not_accepted,        ///< the peer's zrep:accept does not list us
    refused_by_hook,     ///< a program of the administrator's said no, or could not run
    no_space,
    unknown_host,  ///< the name does not resolve
    peer_unreachable,
    peer_auth,      ///< ssh refused our key
    peer_host_key,  ///< ssh refused the peer's key
    peer_no_zrepd,  ///< zrepctl is missing there, or its daemon is not running
    peer_protocol,  ///< the peer speaks another version
    stream_failed,  ///< a send or receive ended early
    stalled,        ///< no byte moved for the stall timeout
    timed_out,
    cancelled,
    zfs_failed,        ///< zfs said no; its words are in the message
    pool_unavailable,  ///< suspended, readonly or not imported
    unsupported,
    io_error,            ///< a system call failed; see sys_errno
    daemon_unreachable,  ///< zrepctl found no daemon to talk to
    internal,            ///< a bug
};

struct CodeInfo {
    Code code;
    std::string_view name;
    int rpc;          ///< JSON-RPC error number
    bool retryable;   ///< trying again later may help, with nothing done in between
    int exit_status;  ///< of zrepctl (zrepctl(8))
};

/// The table row of a code.
const CodeInfo& info(Code code);
/// The code with this name, for a client that reads `data.kind`; nullopt when it is newer than us.
std::optional<Code> code_from_name(std::string_view name);

struct Error {
    Code code = Code::internal;
    std::string message;                    ///< what and why, one line, no trailing full stop
    std::string remedy = {};                ///< what to do next: a sentence or a command
    std::vector<std::string> context = {};  ///< outermost last: "receive backup/fs@zrep_000001"
    std::optional<int> sys_errno = {};
    std::string run_id = {};  ///< with already_running

    /// Adds where it happened; returns itself so that a caller can pass it up in one line.
    Error&& in(std::string where) && {
        context.push_back(std::move(where));
        return std::move(*this);
    }
    /// "context: context: message", outermost first.
    std::string text() const;
};

}  // namespace zrepd
