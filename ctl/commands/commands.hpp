// SPDX-License-Identifier: BSD-2-Clause
// The client's commands: each takes the words behind its name and returns the exit status.
#pragma once

#include <string>
#include <vector>

namespace zrepd {

/// `zrepctl peer --as HOST`: what ssh runs for the other host's daemon (docs/peer-protocol.md).
int command_peer(const std::vector<std::string>& args);

namespace ctl {

/// `zrepctl complete -- WORD...`: what may stand next, one per line; for the shells
/// (ctl/completion/).
int command_complete(std::vector<std::string> words);

}  // namespace ctl
}  // namespace zrepd
