// SPDX-License-Identifier: BSD-2-Clause
// How text stands out on a terminal, and how wide it is there. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/rpc/control_types.hpp"

namespace zrepd::ctl {

enum class Tone { plain, dim, strong, good, warn, bad };

/// With the terminal's sequences around it; as it is when `colour` is false, or with nothing to
/// stand out. Text that comes from elsewhere has to be printable() already.
std::string painted(const std::string& text, Tone tone, bool colour);
/// Whether to use colour: a terminal that is not dumb, and NO_COLOR (no-color.org) unset or empty.
bool wants_colour(bool terminal, const char* no_color, const char* term);

/// bad: what fails, conflicts or is split; warn: late, paused, fenced, or a peer out of reach.
Tone tone_of(const rpc::PairStatus& pair);

/// Columns that printable text takes on a terminal: two for what is wide (Chinese, emoji), none for
/// what stands on the letter before it.
std::size_t width(std::string_view text);
/// Its beginning, at most so many columns wide; a character is never cut in two.
std::string clipped(std::string_view text, std::size_t columns);
/// Its end, with "..." before it when it is too long: of a dataset's name that tells more.
std::string clipped_front(const std::string& text, std::size_t columns);
/// Broken at blanks where it is wider than `columns`, the second line and later ones indented by
/// `indent`; a word that is too wide alone is cut where the line ends.
std::vector<std::string> wrapped(const std::string& text, std::size_t columns, std::size_t indent);

}  // namespace zrepd::ctl
