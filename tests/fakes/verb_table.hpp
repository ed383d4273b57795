// SPDX-License-Identifier: BSD-2-Clause
// What each verb says in each bad state (verb_world.hpp), as tests/data/verbs/*.txt has it:
//
//   pool suspended, zfs hangs                        states, or kEveryOther
//     sync sync-all                                  verbs, on one line or more
//       1 (dry run 0): tank/fs: ... has no space     exit status, and what is printed
//       next: zpool status tank                      a part of the remedy
//       dry next: ...                                that of the dry run, where it is another one
//
// "..." stands for what differs from one run to the next; kNothing for no text at all. A dry run
// has its own exit status where it cannot know what the run meets.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zrepd::test {

/// What a verb says in every state that has no row for it.
inline constexpr std::string_view kEveryOther = "every other state";
inline constexpr std::string_view kNothing = "(nothing)";

struct Row {
    std::string at;  ///< file and line
    std::vector<std::string> states;
    std::vector<std::string> verbs;
    int exit_status = 0;
    std::optional<int> dry_exit_status = {};
    std::string said;
    std::string next;
    std::optional<std::string> dry_next = {};
};

/// Of all files. What is no row of them is a failure of the test that asks.
std::vector<Row> read_verb_table();
/// Whether the pattern's parts are in the text, in this order; kNothing: there is no text.
bool says(std::string_view text, std::string_view pattern);
/// The part of a pattern that tells most.
std::size_t longest_part(std::string_view pattern);

}  // namespace zrepd::test
