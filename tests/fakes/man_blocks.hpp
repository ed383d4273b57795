// SPDX-License-Identifier: BSD-2-Clause
// What the man pages repeat from the programs: commands, options, settings, properties, methods,
// events and exit statuses. Pure, but for the list of events, which is read from docs/events.md.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/fakes/mdoc.hpp"

namespace zrepd::man_blocks {

/// Of a page, "docs/zrepctl.8"; none of a page that repeats nothing.
mdoc::Blocks blocks_of(const std::string& path);

/// The lines "  key  text" of a command's description, text that goes on further in joined to it.
std::vector<std::pair<std::string, std::string>> keyed_lines(const std::string& description);

}  // namespace zrepd::man_blocks
