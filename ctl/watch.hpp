// SPDX-License-Identifier: BSD-2-Clause
// `zrepctl status --watch` on a terminal. Takes keys, signals and what zrepd says; what becomes of
// them on the screen is render/live.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ctl/client.hpp"
#include "ctl/terminal.hpp"

namespace zrepd::ctl {

/// Until q, Ctrl-C, or the terminal's end, which are all no failure: 0. Another signal that ends
/// programs ends this one, once the terminal is as it was.
int watch_live(std::unique_ptr<Terminal> terminal,
               Client client,
               const std::string& socket,
               const std::vector<std::string>& names);

}  // namespace zrepd::ctl
