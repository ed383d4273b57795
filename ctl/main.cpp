// SPDX-License-Identifier: BSD-2-Clause
#include <csignal>
#include <cstdio>
#include <exception>

#include "ctl/dispatch.hpp"

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return zrepd::ctl::dispatch(std::vector<std::string>(argv + 1, argv + argc));
    } catch (const std::exception& e) {
        std::fprintf(stderr, "zrepctl: bug: %s\n", e.what());
        return 1;
    }
}
