// SPDX-License-Identifier: BSD-2-Clause
// What may stand next on a command line, for the shells' completion. Pure, but for what it is given
// to ask the daemon with.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace zrepd::ctl {

/// What a daemon knows that may be named; empty where it does not answer.
struct Names {
    std::vector<std::string> datasets;  ///< with a pair
    std::vector<std::string> hosts;     ///< their peers
    std::vector<std::string> copies;    ///< kept from former masters
};

/// Which part of it is asked for: the others need not be found out.
enum class Wanted { datasets, copies };

/// `words`: behind the program's name, up to the cursor; the last one is what has been typed of the
/// word to complete, and may be empty. Sorted, each once; none where nothing can be said.
std::vector<std::string> candidates(const std::vector<std::string>& words,
                                    const std::function<Names(Wanted)>& ask);

}  // namespace zrepd::ctl
