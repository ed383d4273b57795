// SPDX-License-Identifier: BSD-2-Clause
// What each verb says in each bad state (verb_world.hpp): one row for several verbs that say the
// same.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace zrepd::test {

struct Row {
    std::string state;
    std::string verbs;  ///< their names, with spaces between them
    int exit_status = 0;
    std::string said;  ///< a part of what is printed
    std::string next;  ///< and of the remedy behind it
    /// Of the dry run, where that cannot know what the run meets.
    std::optional<int> dry_exit_status = {};
};

/// It works, or it says that there is nothing to do.
inline Row works(std::string state, std::string verbs, std::string said = "") {
    return {std::move(state), std::move(verbs), 0, std::move(said), "", {}};
}

/// About names and sides, settings, and the other host.
std::vector<Row> verb_table_of_pairs();
/// Of the ways to make a pair and to say anew where its master is, what only they say.
std::vector<Row> verb_table_of_inits();
/// Of lists, and of what `all` stands for.
std::vector<Row> verb_table_of_many();
/// About roles and what the two sides disagree on.
std::vector<Row> verb_table_of_roles();
/// Of status and check, after a sync was tried.
std::vector<Row> verb_table_once_tried();
/// About pools, zfs, and what is under way.
std::vector<Row> verb_table_of_pools();

}  // namespace zrepd::test
