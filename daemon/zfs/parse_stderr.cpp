// SPDX-License-Identifier: BSD-2-Clause
// zfs's complaints, told apart by their words: it has no other way to say why (exit status 1).
#include <algorithm>
#include <array>

#include "common/text.hpp"
#include "daemon/zfs/parse.hpp"

namespace zrepd::parse {
namespace {

struct Entry {
    std::string_view words;
    Code code;
    std::string_view remedy;
};

// First match wins: the specific before the general.
constexpr std::array kTable{
    Entry{"dataset does not exist", Code::not_found, ""},
    Entry{"no such pool", Code::not_found, "zpool import shows pools that are not imported"},
    Entry{"could not find any snapshots to destroy", Code::not_found, ""},
    Entry{"destination already exists", Code::already_exists, ""},
    Entry{"dataset already exists", Code::already_exists, ""},
    Entry{"dataset is busy", Code::busy, "see who uses it: fuser -m, zfs holds"},
    Entry{"snapshot has dependent clones", Code::busy, "promote or destroy its clones"},
    Entry{"pool or dataset is busy", Code::busy, ""},
    Entry{"out of space", Code::no_space, "free space in the pool"},
    Entry{"No space left on device", Code::no_space, "free space in the pool"},
    Entry{"quota exceeded", Code::no_space, "raise the quota or free space below it"},
    Entry{"space quota", Code::no_space, "raise the quota or free space below it"},
    Entry{"I/O is currently suspended", Code::pool_unavailable, "zpool status, then zpool clear"},
    Entry{"pool I/O", Code::pool_unavailable, "zpool status, then zpool clear"},
    Entry{"I/O error", Code::pool_unavailable, "zpool status shows the damage"},
    Entry{"read-only pool", Code::pool_unavailable, "import the pool writable"},
    Entry{"pool is read-only", Code::pool_unavailable, "import the pool writable"},
    Entry{"has been modified", Code::conflict,
          "the target was written to; run zrepctl sync again: it goes back to the base"},
    Entry{"does not match incremental source", Code::conflict,
          "run zrepctl sync again; it looks for the newest common snapshot"},
    Entry{"more recent snapshots", Code::conflict,
          "zrepctl sync --dry-run lists them; decide which side's snapshots go"},
    Entry{"partially-complete state", Code::busy, "run zrepctl sync again; it resumes or discards it"},
    Entry{"resume token is corrupt", Code::conflict, ""},
    Entry{"no longer exists", Code::conflict, ""},
    Entry{"is no longer the same snapshot", Code::conflict, ""},
    Entry{"incomplete stream", Code::stream_failed, "run the same command again; it resumes"},
    Entry{"checksum mismatch", Code::stream_failed, "run the same command again; it resumes"},
    Entry{"invalid stream", Code::stream_failed, "both hosts need compatible OpenZFS versions"},
    Entry{"invalid backup stream", Code::stream_failed,
          "both hosts need compatible OpenZFS versions"},
    Entry{"failed to read from stream", Code::stream_failed,
          "run the same command again; it resumes"},
    Entry{"signal received", Code::stream_failed, "run the same command again; it resumes"},
    Entry{"warning: cannot send", Code::stream_failed, ""},
    Entry{"does not have any resumable receive state", Code::not_found, ""},
    Entry{"key not loaded", Code::access_denied, "zfs load-key"},
    Entry{"key must be loaded", Code::access_denied, "zfs load-key"},
    Entry{"inherited key must be loaded", Code::access_denied, "zfs load-key"},
    Entry{"permission denied", Code::access_denied, "run zrepd as root"},
    Entry{"Permission denied the ZFS utilities must be run as root", Code::access_denied,
          "run zrepd as root"},
    Entry{"/dev/zfs and /proc/self/mounts are required", Code::unsupported,
          "load the ZFS kernel module: modprobe zfs"},
    Entry{"ZFS modules are not loaded", Code::unsupported,
          "load the ZFS kernel module: modprobe zfs"},
    Entry{"ZFS modules cannot be auto-loaded", Code::unsupported,
          "load the ZFS kernel module: modprobe zfs"},
    Entry{"invalid option", Code::unsupported, "this OpenZFS is too old; 2.1 or newer is needed"},
    Entry{"bad property list", Code::unsupported,
          "this OpenZFS is too old; 2.1 or newer is needed"},
    Entry{"unsupported feature", Code::unsupported, "both hosts need compatible OpenZFS versions"},
    Entry{"pool must be upgraded", Code::unsupported, "zpool upgrade"},
    Entry{"name is too long", Code::invalid_params, ""},
    Entry{"invalid character", Code::invalid_params, ""},
};

/// The complaint without zfs's usage text and hints; the last lines, on one line.
std::string tail(std::string_view err) {
    std::vector<std::string> kept;
    for (const auto line : split(err, '\n')) {
        if (trim(line) == "usage:") break;
        if (!trim(line).empty()) kept.emplace_back(trim(line));
    }
    constexpr std::size_t kLines = 4;
    if (kept.size() > kLines) kept.erase(kept.begin(), kept.end() - kLines);
    std::string text = join(kept, "; ");
    // A resume token is a kilobyte of noise in a log.
    if (const auto hint = text.find("; A resuming stream can be generated"); hint != text.npos) {
        text.resize(hint);
    }
    constexpr std::size_t kMaxText = 600;
    if (text.size() > kMaxText) {
        text.resize(kMaxText);
        text.append("…");
    }
    if (text.empty()) text.append("zfs failed and said nothing");
    return text;
}

bool every_line_has(std::string_view err, std::string_view words) {
    bool any = false;
    for (const auto line : split(err, '\n')) {
        if (trim(line).empty()) continue;
        if (line.find(words) == line.npos) return false;
        any = true;
    }
    return any;
}

}  // namespace

Error failure(std::string_view err) {
    Error out{.code = Code::zfs_failed, .message = tail(err)};
    const auto found = std::find_if(kTable.begin(), kTable.end(), [&](const Entry& entry) {
        return err.find(entry.words) != err.npos;
    });
    if (found == kTable.end()) return out;
    out.code = found->code;
    out.remedy = found->remedy;
    return out;
}

bool only_hold_exists(std::string_view err) {
    return every_line_has(err, "tag already exists on this dataset");
}

bool only_hold_missing(std::string_view err) {
    return every_line_has(err, "no such tag on this dataset");
}

bool program_refused(std::string_view err) {
    constexpr std::array<std::string_view, 4> kRefusals{"unrecognized command", "invalid option",
                                                        "permission denied", "must be run as root"};
    return std::any_of(kRefusals.begin(), kRefusals.end(),
                       [&](std::string_view words) { return err.find(words) != err.npos; });
}

}  // namespace zrepd::parse
