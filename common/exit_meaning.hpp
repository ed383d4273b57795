// SPDX-License-Identifier: BSD-2-Clause
// What a program's exit statuses say: its help and its man page list them from one table.
#pragma once

namespace zrepd {

struct ExitMeaning {
    int status;
    const char* meaning;  ///< a few words, lower case, no full stop
};

}  // namespace zrepd
