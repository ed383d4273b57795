// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/hook_files.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "common/text.hpp"

namespace zrepd::failover {
namespace {

namespace fs = std::filesystem;

using EntryKind = FolderEntry::Kind;

constexpr const char* kEventFolder = "event.d";

constexpr std::uint32_t kWritableByOthers = S_IWGRP | S_IWOTH;

Error unusable(std::string message, std::string remedy) {
    return Error{
        .code = Code::refused_by_hook, .message = std::move(message), .remedy = std::move(remedy)};
}

std::string kind_name(EntryKind kind) {
    switch (kind) {
        case EntryKind::file:
            return "a regular file";
        case EntryKind::folder:
            return "a directory";
        case EntryKind::link:
            return "a symbolic link";
        case EntryKind::other:
            return "no regular file";
    }
    return "";
}

std::string move_away(const fs::path& path) {
    return "mv " + quote(path.string(), path.string().size()) + " " +
           quote(path.string() + ".bak", path.string().size() + 4);
}

/// Why this one is not run; the first reason is enough.
Result<void> check_program(const fs::path& path, const FolderEntry& entry) {
    const std::string file = quote(path.string(), path.string().size());
    const std::string hook = "the hook " + file;
    if (entry.kind != EntryKind::file) {
        return unusable(hook + " is not run: it is " + kind_name(entry.kind),
                        "put a copy of the program there (install -o root -m 755 PROGRAM " +
                            quote(path.parent_path().string()) + "), or: " + move_away(path));
    }
    if (entry.owner != 0) {
        return unusable(hook + " is not run: it belongs to uid " + std::to_string(entry.owner) +
                            ", who could make root run anything",
                        "read it, then: chown root " + file);
    }
    if ((entry.mode & kWritableByOthers) != 0) {
        return unusable(hook + " is not run: others than root may write to it",
                        "read it, then: chmod go-w " + file);
    }
    if ((entry.mode & S_IXUSR) == 0) {
        return unusable(hook + " is not executable",
                        "chmod 755 " + file + "; or, if it is not to run: " + move_away(path));
    }
    return ok();
}

EntryKind kind_of(mode_t mode) {
    if (S_ISREG(mode)) return EntryKind::file;
    if (S_ISDIR(mode)) return EntryKind::folder;
    return S_ISLNK(mode) ? EntryKind::link : EntryKind::other;
}

Error unreadable(const fs::path& path, int number) {
    Error error = unusable("cannot look for hooks in " + quote(path.string()) + ": " +
                               std::strerror(number),  // NOLINT(concurrency-mt-unsafe)
                           "it has to be a directory that zrepd's user may read");
    error.sys_errno = number;
    return error;
}

Result<FolderEntry> look_at(const fs::path& path, std::string name) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) return unreadable(path, errno);
    return FolderEntry{.name = std::move(name),
                       .kind = kind_of(info.st_mode),
                       .owner = info.st_uid,
                       .mode = info.st_mode & 07777U};
}

/// A link that leads nowhere is not absent: somebody wanted something there.
bool is_absent(const fs::path& path) {
    std::error_code ec;
    return fs::symlink_status(path, ec).type() == fs::file_type::not_found;
}

/// What is checked is what is run: `folder` has no link in it.
Result<void> check_chain(const fs::path& folder) {
    std::vector<FolderEntry> chain;
    for (fs::path at = folder;; at = at.parent_path()) {
        auto entry = look_at(at, at.string());
        if (!entry) return entry.error();
        chain.push_back(std::move(*entry));
        if (at == at.parent_path()) break;
    }
    return check_folders(chain);
}

Result<std::vector<FolderEntry>> entries_of(const fs::path& folder) {
    std::error_code ec;
    std::vector<FolderEntry> out;
    fs::directory_iterator it(folder, ec);
    for (; !ec && it != fs::directory_iterator(); it.increment(ec)) {
        auto entry = look_at(it->path(), it->path().filename().string());
        if (!entry) return entry.error();
        out.push_back(std::move(*entry));
    }
    if (ec) return unreadable(folder, ec.value());
    return out;
}

/// Where nothing lies nothing is to be run, unless somebody said that it lies there.
HookPrograms programs_in(const config::Config& config, const std::string& name) {
    if (config.hooks_dir == config::kDefaultHooksDir && is_absent(config.hooks_dir)) return {};
    std::error_code ec;
    const fs::path above = fs::canonical(config.hooks_dir, ec);
    if (ec) return {.unusable = {unreadable(config.hooks_dir, ec.value())}};
    if (is_absent(above / name)) return {};
    const fs::path folder = fs::canonical(above / name, ec);
    if (ec) return {.unusable = {unreadable(above / name, ec.value())}};
    if (auto safe = check_chain(folder); !safe) return {.unusable = {safe.error()}};
    auto entries = entries_of(folder);
    if (!entries) return {.unusable = {entries.error()}};
    return choose(folder, std::move(*entries));
}

std::string folder_name(Hook hook) {
    return std::string(hook_name(hook)) + ".d";
}

/// "pre-demote" without ".d", "post_promote.d", "events.d": meant as a hook, and never run.
bool is_misnamed(std::string_view name) {
    if (name == "event" || name == "events" || name == "events.d") return true;
    if (is_leftover(name) || !(name.starts_with("pre") || name.starts_with("post"))) return false;
    return std::none_of(
        kHooks.begin(), kHooks.end(), [name](Hook hook) { return name == folder_name(hook); });
}

std::vector<Error> misnamed_in(const fs::path& hooks_dir) {
    std::vector<Error> out;
    auto entries = entries_of(hooks_dir);
    if (!entries) return out;  // nothing there, or said already
    for (const FolderEntry& entry : *entries) {
        if (!is_misnamed(entry.name)) continue;
        out.push_back(unusable(quote((hooks_dir / entry.name).string()) + " is never run",
                               "programs go into pre-demote.d, post-demote.d, pre-promote.d, "
                               "post-promote.d and event.d"));
    }
    return out;
}

}  // namespace

std::string_view hook_name(Hook hook) {
    switch (hook) {
        case Hook::pre_demote:
            return "pre-demote";
        case Hook::post_demote:
            return "post-demote";
        case Hook::pre_promote:
            return "pre-promote";
        case Hook::post_promote:
            return "post-promote";
    }
    return "";
}

bool may_refuse(Hook hook) {
    return hook == Hook::pre_demote || hook == Hook::pre_promote;
}

bool is_leftover(std::string_view name) {
    if (name.starts_with('.') || name.ends_with('~') || name.ends_with(".bak")) return true;
    const std::size_t dpkg = name.rfind(".dpkg-");
    return dpkg != name.npos && name.find('.', dpkg + 1) == name.npos;
}

HookPrograms choose(const fs::path& folder, std::vector<FolderEntry> entries) {
    std::sort(entries.begin(), entries.end(), [](const FolderEntry& a, const FolderEntry& b) {
        return a.name < b.name;  // bytes, as in the C locale: the same on every host
    });
    HookPrograms out;
    for (const FolderEntry& entry : entries) {
        if (is_leftover(entry.name)) continue;
        const fs::path path = folder / entry.name;
        auto fine = check_program(path, entry);
        if (fine) {
            out.run.push_back(path);
        } else {
            out.unusable.push_back(fine.error());
        }
    }
    if (out.run.size() > kMaxHookPrograms) {
        out.run.clear();
        out.unusable.push_back(unusable("more than " + std::to_string(kMaxHookPrograms) +
                                            " programs in " + quote(folder.string()),
                                        "let one program run several"));
    }
    return out;
}

Result<void> check_folders(const std::vector<FolderEntry>& chain) {
    for (const FolderEntry& entry : chain) {
        const std::string folder = quote(entry.name, entry.name.size());
        if (entry.kind != EntryKind::folder) {
            return unusable(folder + " has to be a directory, and is " + kind_name(entry.kind),
                            "mkdir it, and put the program into it");
        }
        if (entry.owner != 0) {
            return unusable("no hook is run from " + folder + ": it belongs to uid " +
                                std::to_string(entry.owner) + ", who could make root run anything",
                            "look what lies in it, then: chown root " + folder);
        }
        // Above, where only owners may rename (/tmp), what root made stays what it is.
        const bool sticky = &entry != &chain.front() && (entry.mode & S_ISVTX) != 0;
        if ((entry.mode & kWritableByOthers) != 0 && !sticky) {
            return unusable("no hook is run from " + folder + ": others than root may write to it",
                            "look what lies in it, then: chmod go-w " + folder);
        }
    }
    return ok();
}

HookPrograms programs_of(const config::Config& config, Hook hook) {
    return programs_in(config, folder_name(hook));
}

HookPrograms event_programs_of(const config::Config& config) {
    return programs_in(config, kEventFolder);
}

Result<void> check_hooks(const config::Config& config) {
    std::vector<Error> found = misnamed_in(config.hooks_dir);
    std::vector<Error> of_events = event_programs_of(config).unusable;
    for (const Hook hook : kHooks) {
        HookPrograms programs = programs_of(config, hook);
        std::move(programs.unusable.begin(), programs.unusable.end(), std::back_inserter(found));
    }
    // Last: they refuse no role change.
    std::move(of_events.begin(), of_events.end(), std::back_inserter(found));
    if (found.empty()) return ok();
    Error first = std::move(found.front());
    first.code = Code::invalid_params;
    if (found.size() > 1) {
        first.message += " (and " + std::to_string(found.size() - 1) + " more like it)";
    }
    return first;
}

}  // namespace zrepd::failover
