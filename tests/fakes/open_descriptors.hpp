// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <dirent.h>

#include <cstddef>

namespace zrepd::test {

/// Of this process, and the one that looks: only differences mean something.
inline std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* dir = ::opendir("/proc/self/fd");
    while (::readdir(dir) != nullptr) ++count;
    ::closedir(dir);
    return count;
}

}  // namespace zrepd::test
