// SPDX-License-Identifier: BSD-2-Clause
// One stream to a peer: zfs send → pump → peer, and its answer. Thread: io thread.
#pragma once

#include "daemon/sync/parts.hpp"
#include "daemon/sync/stream_places.hpp"

namespace zrepd::sync {

/// A target whose last receive is still ending says busy: after kill -9 of its daemon, the kernel
/// writes out what the dead zfs receive had. That takes moments, rarely seconds.
inline constexpr unsigned kBusyTries = 8;
inline constexpr std::chrono::seconds kBusyWait{2};

/// Where a source finds its peers and its places for streams.
struct SourceParts {
    Parts& parts;
    peer::Peers& peers;
    StreamPlaces& streams;
    TaskGroup& tasks;
};

/// Whether a failure needs no line of its own: that a peer is away is one line (peer_down), however
/// many filesystems miss it.
Runs::Told told_of(const SourceParts& source, const HostName& peer, const Error& error);

struct Transfer {
    DatasetName dataset;  ///< ours; for progress
    HostName peer;
    rpc::ReceiveIn request;
    SendSpec send;
    std::uint64_t limit_bytes_per_second = 0;
};

/// What zfs here says of a token that the peer keeps.
struct PeerToken {
    std::optional<TokenInfo> usable = {};  ///< absent: nothing can be resumed with it
    bool ours = false;                     ///< plan::is_ours()
};

/// Of one that is kept for `dataset`. An error says that this could not be found out, and nothing
/// about the token.
Task<Result<PeerToken>> judge_token(Parts& parts, DatasetName dataset, std::string token);
/// The same where only resuming is in question.
Task<Result<std::optional<TokenInfo>>> usable_token(Parts& parts,
                                                    DatasetName dataset,
                                                    std::string token);

/// Waits for a send or receive that has nothing more to move; kills it after `limit`, and says so
/// (timed_out). Its own error otherwise.
Task<Result<void>> end_within(StreamProcess& process, std::chrono::seconds limit);

/// Runs the stream to its end and returns its bytes once the peer's zfs has received all of it.
/// Errors: the peer's reason when it gave one, else zfs send's, else the pump's (stalled,
/// io_error). A cancel or error kills the send; the target keeps what can be resumed.
Task<Result<std::uint64_t>> transfer(SourceParts source, RunPtr run, Transfer what);

}  // namespace zrepd::sync
