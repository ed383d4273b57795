// SPDX-License-Identifier: BSD-2-Clause
// The daemon's settings: command line over file over defaults; immutable once made.
// Errors: invalid_params naming file, line and key. Documented in docs/zrepd.conf.5.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.hpp"
#include "daemon/config/listen_address.hpp"

namespace zrepd::config {

inline constexpr const char* kDefaultFile = "/etc/zrepd/zrepd.conf";
inline constexpr const char* kDefaultHooksDir = "/etc/zrepd/hooks.d";

struct Config {
    std::filesystem::path file = kDefaultFile;
    std::filesystem::path runtime_dir = "/run/zrepd";
    std::string log_level = "info";
    HostName host;         ///< our short name, as stored in zrep:src-host
    unsigned streams = 4;  ///< streams at once, over all peers; who gets one: plan/places.hpp
    std::chrono::seconds stall_timeout{60};
    std::filesystem::path ssh_config = {};  ///< empty: ssh's own, then zrep
    std::string ssh_user = {};              ///< empty: ssh's own
    /// Programs around a role change. May be missing only where it is the default.
    std::filesystem::path hooks_dir = kDefaultHooksDir;
    std::chrono::seconds hook_timeout{60};  ///< for each of those programs
    /// A master under zrep:fence=lease is readonly when nobody confirmed it for so long.
    std::chrono::milliseconds lease_time{20'000};
    std::string witness = {};  ///< an absolute path, the folder; empty: none
    /// Where figures are asked for by HTTP; nullopt: nowhere.
    std::optional<ListenAddress> metrics_listen = {};
    std::filesystem::path metrics_file = {};  ///< where they are written to; empty: nowhere
};

struct CommandLine {
    enum class Action { run, check_config, hand_over_mounts, help, version };
    Action action = Action::run;
    Config config;
    std::string help = {};  ///< text for Action::help
};

/// What the system calls this host, perhaps with its domain.
std::string system_host_name();

/// Reads the command line and the file it names. A missing default file is fine; a missing file
/// that was named is not_found. `system_name`: what we are called when no setting says so;
/// invalid_params when a pair cannot store it.
Result<CommandLine> read(const std::vector<std::string>& arguments,
                         const std::string& system_name = system_host_name());

}  // namespace zrepd::config
