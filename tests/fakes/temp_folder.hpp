// SPDX-License-Identifier: BSD-2-Clause
// A folder of one test's own, gone with it. In the system's temporary folder and not in the
// build's: the path of a socket has at most 107 bytes (unix(7)).
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace zrepd::test {

class TempFolder {
  public:
    explicit TempFolder(
        const std::filesystem::path& above = std::filesystem::temp_directory_path()) {
        std::string pattern = above / "zrepd-test-XXXXXX";
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
        path = pattern;
    }
    ~TempFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;

    std::filesystem::path path;
};

}  // namespace zrepd::test
