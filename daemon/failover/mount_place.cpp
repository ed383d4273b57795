// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/mount_place.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include "common/platform.hpp"
#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/go_back.hpp"
#include "daemon/zfs/parse_mounts.hpp"

namespace zrepd::failover {
namespace {

using parse::Mount;

/// What `path` is on: the mount with the longest place that is above it, or it; the last is on top.
Mount mount_of(const std::vector<Mount>& table, const std::string& path) {
    Mount found;
    for (const Mount& mount : table) {
        const std::string& place = mount.place;
        const bool above = place == "/" || path == place || path.starts_with(place + "/");
        if (above && place.size() >= found.place.size()) found = mount;
    }
    return found;
}

/// Nothing of those may be touched by a thread that has others waiting for it.
bool may_hang(const Mount& mount, const Mounted& mounted) {
    constexpr std::array<std::string_view, 9> kRemote{
        "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "autofs", "glusterfs"};
    const bool remote = std::find(kRemote.begin(), kRemote.end(), mount.type) != kRemote.end();
    const bool stuck = mount.type == "zfs" && mounted.hangs(mount.source);
    return remote || stuck || mount.type.starts_with("fuse");
}

/// The way to a path, as zfs(8) goes it.
struct Way {
    std::string end = {};   ///< where it leads, behind all links, whether something is there or not
    std::string link = {};  ///< the first one in a filesystem of a pair; it was not followed
    bool silent = false;    ///< through what may hang; nothing of that was looked at
    std::string source = {};  ///< of the filesystem of either
};

void add_parts(std::vector<std::filesystem::path>& left, const std::filesystem::path& path) {
    const std::vector<std::filesystem::path> parts(path.begin(), path.end());
    left.insert(left.end(), parts.rbegin(), parts.rend());
}

/// Step by step: what a step lies on is known before it is looked at.
Way way_to(const std::string& path, const std::vector<Mount>& table, const Mounted& mounted) {
    constexpr unsigned kMostLinks = 40;  // path_resolution(7)
    namespace fs = std::filesystem;
    fs::path at = "/";
    std::vector<fs::path> left;  // the next one last
    add_parts(left, path);
    for (unsigned links = 0; !left.empty() && links < kMostLinks;) {
        const fs::path part = left.back();
        left.pop_back();
        if (part.empty() || part == ".") continue;
        const fs::path next = part == ".." ? at.parent_path() : at / part;
        const Mount mount = mount_of(table, next.string());
        const bool top = mount.place == next;  // a mount point, which is no link
        if (!top && may_hang(mount, mounted))
            return {.end = next.string(), .silent = true, .source = mount.source};
        std::error_code ec;
        const fs::path target = top ? fs::path() : fs::read_symlink(next, ec);
        if (top || ec) {
            at = next;  // or nothing is there: zfs makes folders
            continue;
        }
        if (mount.source.empty() || mounted.of_a_pair(mount.source))
            return {.end = next.string(), .link = next.string(), .source = mount.source};
        ++links;
        add_parts(left, target);
    }
    // Of more links than anybody follows nothing is known, and nothing can be mounted there.
    return {.end = at.string(), .silent = !left.empty()};
}

/// Whether what is mounted there, or below it, may.
bool hangs_from(const std::string& path, const std::vector<Mount>& table, const Mounted& mounted) {
    return std::any_of(table.begin(), table.end(), [&](const Mount& mount) {
        const bool there = mount.place == path || mount.place.starts_with(path + "/");
        return there && may_hang(mount, mounted);
    });
}

/// Empty directories are what mounts below it once made: nothing of them is missed.
bool holds_files(const std::string& path) {
    constexpr unsigned kLookedAt = 1000;
    namespace fs = std::filesystem;
    std::error_code ec;
    unsigned seen = 0;
    for (fs::recursive_directory_iterator it(path, ec), end; !ec && it != end; it.increment(ec)) {
        const bool folder = it->symlink_status(ec).type() == fs::file_type::directory;
        if (!folder || ++seen > kLookedAt) return true;
    }
    return false;
}

}  // namespace

std::optional<Error> mountpoint_problem(const Serve& serve,
                                        const Dataset& dataset,
                                        const Mounted& mounted) {
    const std::string path = place_of(serve, dataset);
    if (!serve.mounted || !path.starts_with('/')) return std::nullopt;
    const std::vector<Mount> table = parse::mounts(mounted.table);
    const Mount mount = mount_of(table, path);
    const auto other = mount.place == path ? std::optional(mount.source) : std::nullopt;
    const std::string name = dataset.name.str();
    const auto stored = [&](std::string_view key) { return dataset.own(key).value_or(""); };
    // The master itself, of a pair on one host: it is unmounted first.
    const bool master = other && *other == stored(prop::kSrcFs);
    if (other && *other != name && !master) {
        return refused(
            path + ", where " + name + " would be mounted, is the mount point of " + quote(*other),
            "unmount that, or give " + name + " another: zfs set mountpoint=/PATH " + quote(name));
    }
    if (other) return std::nullopt;
    const Way way = way_to(path, table, mounted);
    const bool seen = !way.silent && way.link.empty() && !hangs_from(way.end, table, mounted);
    std::error_code ec;
    if (!seen || !std::filesystem::is_directory(way.end, ec) || !holds_files(way.end))
        return std::nullopt;
    return refused(path + ", where " + name + " would be mounted, is a directory with files in it",
                   "move them away: they would be hidden while it is mounted");
}

Mounted mounted_here(const sync::Inventory& inventory) {
    return {.table = platform::mount_table(),
            .of_a_pair =
                [&inventory](const std::string& dataset) {
                    const auto name = DatasetName::parse(dataset);
                    return name && inventory.side(*name).has_value();
                },
            .hangs =
                [&inventory](const std::string& dataset) {
                    const auto name = DatasetName::parse(dataset.substr(0, dataset.find('@')));
                    return name && !inventory.answers(*name);
                }};
}

std::optional<Error> link_problem(const std::string& path,
                                  const Dataset& dataset,
                                  const Mounted& mounted) {
    if (!path.starts_with('/')) return std::nullopt;
    const Way way = way_to(path, parse::mounts(mounted.table), mounted);
    // Which links are there is not known, and zfs would follow them once it answers.
    if (way.silent && mounted.of_a_pair(way.source)) {
        return refused("the way to where " + dataset.name.str() + " would be mounted, " + path +
                           ", leads through " + way.source + ", whose pool does not answer",
                       "zpool status");
    }
    if (way.link.empty()) return std::nullopt;
    const std::string name = quote(dataset.name.str());
    return refused(way.link + ", on the way to where " + dataset.name.str() +
                       " would be mounted, is a link that came with " +
                       (way.source.empty() ? "something" : way.source),
                   "zfs set mountpoint=/PATH " + name + "; zfs set canmount=on " + name +
                       "; zfs mount " + name);
}

void keep_from_boot(PropertyList& ways) {
    for (auto& [key, value] : ways)
        if (key == "canmount" && value == "on") value = "noauto";
}

std::optional<Error> wish_problem(const Serve& serve,
                                  const Dataset& dataset,
                                  const HostName& host) {
    const bool granted = dataset.mountpoint_here || serve.wished == dataset.mountpoint;
    if (serve.wished.empty() || !serve.mounted || granted) return std::nullopt;
    const std::string name = dataset.name.str();
    const bool nowhere = !dataset.mountpoint.starts_with('/');
    const std::string set_it = "zfs set mountpoint=";
    std::string ways = set_it + quote(serve.wished) + " " + quote(name) + " as there";
    if (!nowhere)
        ways += ", or " + set_it + quote(dataset.mountpoint) + " " + quote(name) + " as here";
    return refused(name + " would " + (nowhere ? "not be mounted" : "be mounted at") + " " +
                       (nowhere ? "(mountpoint=" + dataset.mountpoint + ")" : dataset.mountpoint) +
                       ", its master is at " + serve.wished +
                       ", and a host with a restricted key does not choose that",
                   "choose it on " + host.str() + ": " + ways);
}

std::optional<Error> place_problem(const Serve& serve,
                                   const Dataset& dataset,
                                   const HostName& host,
                                   const Mounted& mounted) {
    if (auto wish = wish_problem(serve, dataset, host)) return wish;
    if (!serve.mounted) return std::nullopt;
    auto link = link_problem(place_of(serve, dataset), dataset, mounted);
    return link ? link : mountpoint_problem(serve, dataset, mounted);
}

}  // namespace zrepd::failover
