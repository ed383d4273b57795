// SPDX-License-Identifier: BSD-2-Clause
// What we know of a dataset. Plain values, made by zfs/parse and read by plan/. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ids.hpp"
#include "common/time.hpp"

namespace zrepd {

enum class Kind { filesystem, volume };

/// Where a property's value comes from (zfs-get(8), SOURCE).
enum class Source { none, fallback, local, received, inherited };

struct Property {
    std::string value;
    Source source = Source::none;
};

struct Snapshot {
    std::string name;  ///< after the '@'
    Guid guid;
    std::uint64_t createtxg = 0;      ///< the order; a name or a clock is none
    std::uint64_t written_bytes = 0;  ///< between the snapshot before it and this one
    bool held = false;
    bool foreign_hold =
        false;  ///< by another tag than ours; only where Zfs::foreign_holds() was asked
    bool cloned = false;
    UnixSeconds created = 0;          ///< when it was taken, on whichever side; 0: not known
    std::optional<UnixSeconds> sent;  ///< zrep:sent
};

struct Bookmark {
    std::string name;  ///< after the '#'
    Guid guid;         ///< of the snapshot it was made from
    std::uint64_t createtxg = 0;
};

/// Snapshots and bookmarks of one dataset, oldest first by createtxg.
struct Versions {
    std::vector<Snapshot> snapshots;
    std::vector<Bookmark> bookmarks;
};

struct Dataset {
    explicit Dataset(DatasetName dataset) : name(std::move(dataset)) {}

    DatasetName name;
    Kind kind = Kind::filesystem;
    Guid guid;
    std::uint64_t written_bytes = 0;       ///< since the newest snapshot of any kind
    std::chrono::milliseconds asked_at{};  ///< when this was, by the boot clock (boot_now())
    std::uint64_t referenced_bytes = 0;
    std::uint64_t available_bytes = 0;
    std::uint64_t volsize_bytes = 0;  ///< volumes only
    bool readonly = false;
    bool readonly_here = false;  ///< set on this dataset, not inherited
    bool mounted = false;
    bool encrypted = false;
    bool key_loaded = true;   ///< also when it is not encrypted
    std::string keylocation;  ///< "prompt", "file:///…"; empty: not an encryption root
    std::string canmount;     ///< "on", "off", "noauto"; empty for volumes
    std::string mountpoint;   ///< a path, "legacy" or "none"; empty for volumes
    bool mountpoint_here = false;
    std::string volmode;       ///< volumes only
    std::string origin;        ///< the snapshot that this is a clone of; empty: none
    std::string resume_token;  ///< empty: none
    std::map<std::string, Property, std::less<>> props;  ///< zrep: ones that are set anywhere

    /// The value if it is this dataset's own: local or received. Role properties count only so.
    std::optional<std::string> own(std::string_view property) const {
        const auto found = props.find(property);
        if (found == props.end()) return std::nullopt;
        const Property& p = found->second;
        const bool counts = p.source == Source::local || p.source == Source::received;
        if (!counts || p.value.empty()) return std::nullopt;
        return p.value;
    }
    /// The value if set here and not received: zrep:master counts only so.
    std::optional<std::string> local(std::string_view property) const {
        const auto found = props.find(property);
        if (found == props.end() || found->second.source != Source::local) return std::nullopt;
        if (found->second.value.empty()) return std::nullopt;
        return found->second.value;
    }
    /// The value wherever it comes from, for settings that inherit.
    std::optional<std::string> effective(std::string_view property) const {
        const auto found = props.find(property);
        if (found == props.end() || found->second.value.empty()) return std::nullopt;
        return found->second.value;
    }
};

inline const Snapshot* find_snapshot(const Versions& versions, Guid guid) {
    const auto& all = versions.snapshots;
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Snapshot& s) { return s.guid == guid; });
    return found == all.end() ? nullptr : &*found;
}

}  // namespace zrepd
