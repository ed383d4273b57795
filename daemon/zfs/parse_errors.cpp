// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>

#include "common/text.hpp"
#include "daemon/zfs/parse.hpp"

namespace zrepd::parse {
namespace {

struct Row {
    std::string_view needle;
    Complaint complaint;
    Code code;
    std::string_view remedy;     ///< {dataset} and its {pool} are what the command was about
    std::string_view also = {};  ///< must be found, too
};

constexpr std::string_view kRoot = "run zrepd as root";
constexpr std::string_view kSpace =
    "free space, raise the quota, or add disks; zrepctl expire removes old zrep snapshots";
constexpr std::string_view kPool =
    "look at zpool status {pool}; zpool clear {pool} resumes a suspended pool";
constexpr std::string_view kToken =
    "throw the partial receive away: zfs receive -A on the target; the next sync starts anew";
constexpr std::string_view kNoBase =
    "run zrepctl sync again, which looks at both sides anew; if it stays, compare zfs list -t snapshot "
    "-o name,guid on both hosts";
constexpr std::string_view kUnknown =
    "zpool status {pool} and dmesg may say more; then run it again";
constexpr std::string_view kKey =
    "load the key: zfs load-key, of what zfs get encryptionroot {dataset} names";
constexpr std::string_view kKeyThere =
    "put the key there that it is encrypted with now (zfs get keylocation {dataset}), then zfs "
    "load-key -n {dataset}";
constexpr std::string_view kByHand = "mount it as it was mounted on the other host";

// The first row that is found wins, so the particular ones stand before the general. A captured
// sample of each is in tests/data/zfs/stderr.txt.
constexpr Row kRows[] = {
    {"tag already exists on this dataset", Complaint::hold_exists, Code::already_exists, ""},
    {"no such tag on this dataset", Complaint::hold_missing, Code::not_found, ""},
    {"does not have any resumable receive state", Complaint::no_resume_state, Code::not_found, ""},
    {"could not find any snapshots to destroy", Complaint::no_snapshots, Code::not_found, ""},
    {"bookmark exists", Complaint::bookmark_exists, Code::already_exists, ""},
    {"more recent snapshots or bookmarks exist",
     Complaint::newer_exist,
     Code::conflict,
     "snapshots newer than the base are in the way; destroy or move them if they are not needed"},
    {"it's being held", Complaint::held, Code::busy, "zfs holds shows who holds it"},
    {"has dependent clones",
     Complaint::cloned,
     Code::busy,
     "destroy or promote the clones if it must go"},
    {"channel programs must be run as root", Complaint::programs_refused, Code::unsupported, kRoot},
    {"channel program execution failed: permission denied",
     Complaint::programs_refused,
     Code::unsupported,
     kRoot},
    {"attempt to call field", Complaint::programs_refused, Code::unsupported, ""},
    {"unrecognized command 'program'", Complaint::programs_refused, Code::unsupported, ""},
    {"filesystem already mounted", Complaint::already_mounted, Code::already_exists, ""},
    {"not currently mounted", Complaint::not_mounted, Code::not_found, ""},
    {"directory is not empty",
     Complaint::mountpoint_used,
     Code::conflict,
     "look at what is in the directory, move it away, then zfs mount {dataset}"},
    {"legacy mountpoint", Complaint::not_mountable, Code::conflict, kByHand},
    {"no mountpoint set", Complaint::not_mountable, Code::conflict, kByHand},
    {"'canmount' property is set to 'off'", Complaint::not_mountable, Code::conflict, kByHand},
    {"filesystem has children", Complaint::has_children, Code::conflict, ""},
    {"volume has children", Complaint::has_children, Code::conflict, ""},
    {"key already loaded", Complaint::key_loaded, Code::already_exists, ""},
    {"incorrect key provided", Complaint::key_wrong, Code::refused, kKeyThere},
    {"key load error", Complaint::key_not_loaded, Code::zfs_failed, kKey},
    {"key must be loaded", Complaint::key_not_loaded, Code::zfs_failed, kKey},
    {"key not loaded", Complaint::key_not_loaded, Code::zfs_failed, kKey},
    {"quota exceeded", Complaint::no_space, Code::no_space, kSpace},
    {"out of space", Complaint::no_space, Code::no_space, kSpace},
    {"no space left on device", Complaint::no_space, Code::no_space, kSpace},
    {"pool i/o is currently suspended", Complaint::pool_unavailable, Code::pool_unavailable, kPool},
    {"pool is read-only",
     Complaint::pool_unavailable,
     Code::pool_unavailable,
     "import the pool again where it is, without readonly=on: zpool export {pool}, "
     "zpool import {pool}"},
    {"read-only file system", Complaint::pool_unavailable, Code::pool_unavailable, kPool},
    {"pool is unavailable", Complaint::pool_unavailable, Code::pool_unavailable, kPool},
    {"i/o error", Complaint::pool_unavailable, Code::pool_unavailable, kPool},
    {"no such pool",
     Complaint::pool_unavailable,
     Code::pool_unavailable,
     "import the pool: zpool import {pool}"},
    {"has been modified",
     Complaint::target_modified,
     Code::conflict,
     "the target was written to since the base; it is rolled back if it has no newer snapshot"},
    {"does not match incremental source", Complaint::base_mismatch, Code::conflict, kNoBase},
    // The same, as zfs breaks the line.
    {"match incremental source", Complaint::base_mismatch, Code::conflict, kNoBase},
    // The receive that the new one shall continue has not ended yet: its process was killed, and
    // the kernel still writes what it had.
    {"contains partially-complete state",
     Complaint::busy,
     Code::busy,
     "an earlier receive is about to end; run it again in a moment",
     "cannot receive resume stream"},
    {"contains partially-complete state", Complaint::partial_state, Code::conflict, kToken},
    {"used in the initial send no longer exists", Complaint::token_dead, Code::not_found, kToken},
    {"no longer the same snapshot used in the initial send",
     Complaint::token_dead,
     Code::not_found,
     kToken},
    {"resume token is corrupt", Complaint::token_dead, Code::not_found, kToken},
    {"cannot resume send: incremental source", Complaint::token_dead, Code::not_found, kToken},
    {"checksum mismatch or incomplete stream",
     Complaint::stream_broken,
     Code::stream_failed,
     "the stream was cut off; what arrived is kept, and its sender goes on from there"},
    {"incomplete stream", Complaint::stream_broken, Code::stream_failed, ""},
    {"failed to read from stream", Complaint::stream_broken, Code::stream_failed, ""},
    {"invalid stream", Complaint::stream_broken, Code::stream_failed, ""},
    {"broken pipe", Complaint::stream_broken, Code::stream_failed, ""},
    {"not an earlier snapshot from the same fs", Complaint::base_mismatch, Code::conflict, ""},
    {"must specify -f to overwrite it",
     Complaint::already_exists,
     Code::already_exists,
     "choose another name for the destination"},
    {"already exists", Complaint::already_exists, Code::already_exists, ""},
    {"dataset is busy",
     Complaint::busy,
     Code::busy,
     "a send, receive or mount uses it; it is tried again"},
    {"permission denied", Complaint::permission, Code::access_denied, kRoot},
    {"/dev/zfs and /proc/self/mounts are required",
     Complaint::no_zfs,
     Code::unsupported,
     "load the module: modprobe zfs"},
    {"zfs modules are not loaded",
     Complaint::no_zfs,
     Code::unsupported,
     "load the module: modprobe zfs"},
    {"unable to open /dev/zfs",
     Complaint::no_zfs,
     Code::unsupported,
     "load the module: modprobe zfs"},
    {"property value too long", Complaint::invalid_value, Code::invalid_params, ""},
    {"is too long", Complaint::invalid_value, Code::invalid_params, ""},
    {"must be one of", Complaint::invalid_value, Code::invalid_params, ""},
    {"invalid property", Complaint::invalid_value, Code::invalid_params, ""},
    {"invalid option",
     Complaint::unsupported,
     Code::unsupported,
     "this OpenZFS is older than 2.1, the oldest that zrepd supports"},
    {"unrecognized command",
     Complaint::unsupported,
     Code::unsupported,
     "this OpenZFS is older than 2.1, the oldest that zrepd supports"},
    {"dataset does not exist", Complaint::dataset_missing, Code::not_found, ""},
    {"incremental source (", Complaint::base_mismatch, Code::conflict, ""},
    {"bookmark '", Complaint::bookmark_missing, Code::not_found, ""},
    {"does not exist", Complaint::dataset_missing, Code::not_found, ""},
};

/// Messages changed the case of a letter between versions.
std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return result;
}

const Row* find_row(std::string_view text) {
    const std::string searched = lower(text);
    for (const Row& row : kRows) {
        if (searched.find(row.needle) != std::string::npos &&
            searched.find(row.also) != std::string::npos) {
            return &row;
        }
    }
    return nullptr;
}

/// A whole command where it is known for what.
std::string filled(std::string_view remedy, std::string_view subject) {
    const std::string_view pool = subject.substr(0, subject.find('/'));
    std::string out =
        replaced(std::string(remedy), "{dataset}", subject.empty() ? "DATASET" : quote(subject));
    return replaced(std::move(out), "{pool}", subject.empty() ? "POOL" : quote(pool));
}

// A message is for one line of a log; the reason stands at the beginning.
constexpr std::size_t kMaxMessage = 600;

/// Lines that only explain or repeat.
bool is_hint(std::string_view line) {
    for (const std::string_view start : {"use '-",
                                         "Partially received snapshot",
                                         "A resuming stream can",
                                         "    zfs send -t",
                                         "no snapshots were created",
                                         "must specify -F",
                                         "stack traceback",
                                         "Try running",
                                         "warning: cannot mount"}) {
        if (line.starts_with(start)) return true;
    }
    return line.starts_with("\t");
}

/// A new complaint begins so; other lines continue the one before, as zfs breaks long ones.
bool is_start(std::string_view line) {
    for (const std::string_view start : {"cannot ",
                                         "warning: ",
                                         "internal error",
                                         "could not ",
                                         "bookmark '",
                                         "'",
                                         "invalid ",
                                         "unrecognized ",
                                         "Channel program",
                                         "missing ",
                                         "permission ",
                                         "/dev/zfs",
                                         "bad "}) {
        if (line.starts_with(start)) return true;
    }
    return false;
}

/// A mount point's name may have anything in it, what turns a line of a terminal around included.
std::string safe(std::string_view text) {
    std::string result;
    for (std::string_view rest = text.substr(0, kMaxMessage); !rest.empty();) {
        const std::string_view next = rest.substr(0, std::max<std::size_t>(utf8_length(rest), 1));
        result += is_control(next) ? " " : next;
        rest.remove_prefix(next.size());
    }
    return is_utf8(result) ? result : quote(result);
}

}  // namespace

std::vector<std::string> complaints(std::string_view err) {
    std::vector<std::string> result;
    bool list = false;  // names listed after "use '-r' to destroy the following"
    for (const std::string_view line : split(err, '\n')) {
        if (line.starts_with("usage:")) break;
        if (is_start(line)) {
            list = false;
            result.emplace_back(line);
        } else if (is_hint(line)) {
            list = list || line.starts_with("use '-") || line.starts_with("stack traceback");
        } else if (!list && !trim(line).empty()) {
            if (result.empty()) {
                result.emplace_back(line);
            } else {
                result.back().append(" ").append(trim(line));
            }
        }
    }
    return result;
}

Complaint classify(std::string_view text) {
    const Row* row = find_row(text);
    return row == nullptr ? Complaint::unknown : row->complaint;
}

Error failure(std::string_view err, std::string_view status, std::string_view subject) {
    const std::vector<std::string> said = complaints(err);
    Error error{.code = Code::zfs_failed, .message = ""};
    // All of it is searched: the telling words may stand in a hint line.
    if (const Row* row = find_row(err.substr(0, err.find("\nusage:")))) {
        error.code = row->code;
        error.remedy = filled(row->remedy, subject);
    } else {
        error.remedy = filled(kUnknown, subject);
    }
    if (!said.empty()) {
        error.message = safe(join(said, "; "));
    } else {
        const std::string_view tail = trim(err);
        error.message = tail.empty() ? "no message, " + std::string(status) : safe(tail);
    }
    return error;
}

Error not_destroyed(const std::string& snapshot, std::string_view err, std::string_view status) {
    const std::string name = quote(snapshot);
    Error error = failure(err, status, snapshot.substr(0, snapshot.find('@')));
    error.message = "destroy " + snapshot + ": " + error.message;
    const Complaint complaint = classify(err);
    if (complaint == Complaint::held)
        error.remedy = "zfs holds " + name + " shows by whom: zfs release TAG " + name;
    if (complaint == Complaint::cloned)
        error.remedy =
            "zfs get clones " + name +
            " names them: copy away what is needed (zfs send), then zfs destroy -r CLONE";
    return error;
}

std::optional<SnapshotName> gone_snapshot(std::string_view err) {
    for (const std::string& one : complaints(err)) {
        const auto words = split(one, '\'');
        // Its maker chose that name: nothing but a name between two quotes is one.
        if (classify(one) != Complaint::token_dead || words.size() != 3) continue;
        if (auto name = SnapshotName::parse(words[1])) return std::move(*name);
    }
    return std::nullopt;
}

bool only_missing(std::string_view err) {
    const std::vector<std::string> said = complaints(err);
    for (const std::string& one : said) {
        if (classify(one) != Complaint::dataset_missing) return false;
    }
    return !said.empty();
}

}  // namespace zrepd::parse
