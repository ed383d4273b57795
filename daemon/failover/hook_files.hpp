// SPDX-License-Identifier: BSD-2-Clause
// Which programs belong to a hook: the files in <hooks-dir>/<hook>.d, or event.d there, that are
// safe to run as root (docs/adr/0010-hooks.md). Thread: any; a few blocking system calls on the
// folder, as an exec makes them too. Errors: values, named in what is returned. Limits:
// kMaxHookPrograms.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "daemon/config/config.hpp"

namespace zrepd::failover {

enum class Hook { pre_demote, post_demote, pre_promote, post_promote };

inline constexpr std::array kHooks{
    Hook::pre_demote, Hook::post_demote, Hook::pre_promote, Hook::post_promote};
/// Each may take hook-timeout, and somebody waits for all of them.
inline constexpr std::size_t kMaxHookPrograms = 32;

/// "pre-demote": in the folder's name and in the JSON.
std::string_view hook_name(Hook hook);
/// True for the hooks that run before anything was changed.
bool may_refuse(Hook hook);

/// One entry of a folder, as lstat(2) sees it.
struct FolderEntry {
    enum class Kind { file, folder, link, other };
    std::string name;
    Kind kind = Kind::file;
    std::uint32_t owner = 0;
    std::uint32_t mode = 0;  ///< permission bits, 01755
};

struct HookPrograms {
    std::vector<std::filesystem::path> run = {};  ///< in the order in which they run
    std::vector<Error> unusable = {};             ///< what lies there and cannot be run, and why
};

/// Left over by editors and packages: neither run nor reported.
bool is_leftover(std::string_view name);
/// What of a folder's entries is run. Pure.
HookPrograms choose(const std::filesystem::path& folder, std::vector<FolderEntry> entries);
/// Why somebody but root could change what lies in this folder, if so: an entry for it and one for
/// each folder above, whose names are paths. Pure.
Result<void> check_folders(const std::vector<FolderEntry>& chain);

/// The programs of this hook. No folder: none; but a hooks-dir that was set has to be there.
HookPrograms programs_of(const config::Config& config, Hook hook);
/// The programs that are told every event: those in <hooks-dir>/event.d, as programs_of().
HookPrograms event_programs_of(const config::Config& config);
/// invalid_params when something in hooks-dir would refuse a role change, or looks like a hook and
/// would never run.
Result<void> check_hooks(const config::Config& config);

}  // namespace zrepd::failover
