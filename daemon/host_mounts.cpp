// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/host_mounts.hpp"

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <utility>

#include "common/platform.hpp"
#include "common/text.hpp"
#include "daemon/log.hpp"

namespace zrepd::host_mounts {
namespace {

// What the descriptors are called with the manager.
constexpr const char* kNamespace = "mount-namespace";
constexpr const char* kTable = "mount-table";

Error cannot_open(const char* name) {
    return Error{.code = Code::io_error,
                 .message = "cannot open the " + std::string(name) + " of process 1",
                 .remedy =
                     "this takes Linux, with /proc mounted, and all of root's rights, as by "
                     "ExecStartPre=+",
                 .sys_errno = errno};
}

}  // namespace

Result<Handles> of_the_host() {
    Handles out;
    out.mount_namespace.reset(platform::open_mount_namespace());
    if (!out.mount_namespace) return cannot_open(kNamespace);
    out.table.reset(platform::open_mount_table());
    if (!out.table) return cannot_open(kTable);
    return out;
}

Result<void> hand_over(const Notifier& manager, const Handles& handles) {
    auto kept = manager.store(kNamespace, handles.mount_namespace.get());
    if (kept) kept = manager.store(kTable, handles.table.get());
    if (!kept) return kept;
    return manager.settle();
}

void take(control::PassedSockets& passed, const Notifier& manager, Processes& processes) {
    Fd space = passed.take_named(kNamespace);
    Fd table = passed.take_named(kTable);
    if (space && table) {
        processes.enter(std::move(space));
        platform::read_mount_table_from(table.release());
    } else if (are_apart(platform::mount_table())) {
        log::event(log::Level::warn,
                   "mounts_apart",
                   {{"error", "what zrepd mounts may be mounted for zrepd alone"},
                    {"next",
                     "let systemd run `zrepd --hand-over-mounts` before it, as the installed "
                     "zrepd.service does, or take what gives it mounts of its own, such as "
                     "ProtectSystem=, out of the drop-ins"}});
    }
    // A start that failed before this point left them for the next one.
    manager.forget(kNamespace);
    manager.forget(kTable);
}

bool are_apart(const std::string& table) {
    std::istringstream file(table);
    for (std::string line; std::getline(file, line);) {
        const auto words = split(line, ' ');
        if (words.size() < 7 || words[4] != "/") continue;
        return std::any_of(words.begin() + 6,
                           std::find(words.begin() + 6, words.end(), "-"),
                           [](std::string_view word) { return word.starts_with("master:"); });
    }
    return false;
}

}  // namespace zrepd::host_mounts
