// SPDX-License-Identifier: BSD-2-Clause
// Runs a program to see whether it can be run. Blocking; no shell. Errors: in what is returned.
// Limits: the time given, and kMaxProbeText of what it says. What is still there after SIGKILL, as
// on a suspended pool, is left alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "ctl/render/doctor.hpp"

namespace zrepd::ctl {

/// More pools than anybody has.
inline constexpr std::size_t kMaxProbeText = std::size_t{256} << 10;
/// Where zrepd looks for zfs, zpool and ssh.
inline constexpr const char* kProbePath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// argv[0] is looked up in `path`; the environment is LC_ALL=C and that path.
Probe probe(const std::vector<std::string>& argv,
            std::chrono::milliseconds limit,
            const std::string& path = kProbePath);

}  // namespace zrepd::ctl
