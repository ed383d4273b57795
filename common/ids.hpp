// SPDX-License-Identifier: BSD-2-Clause
// Names that were checked. The only way to make one is parse(), so that nothing unchecked reaches
// an argument list. Pure; limits from zfs(8) and RFC 1123.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace zrepd {

/// ZFS_MAX_DATASET_NAME_LEN without its NUL (zfs source, include/sys/fs/zfs.h).
inline constexpr std::size_t kMaxDatasetName = 255;
/// Room for "#zrep_18446744073709551615", the longest name that may hang on a dataset of ours: a
/// bookmark carries its snapshot's guid.
inline constexpr std::size_t kOwnNamesRoom = 26;

/// A pool, filesystem or volume: "tank/a b". Starts with a letter, so it is never an option.
class DatasetName {
  public:
    /// invalid_params when zfs would not take it, or when it names a snapshot or bookmark.
    static Result<DatasetName> parse(std::string_view text);

    const std::string& str() const { return name_; }
    std::string_view pool() const;
    /// The dataset above, or nullopt for a pool's root.
    std::optional<DatasetName> parent() const;
    /// True for a dataset strictly below `above`.
    bool is_below(const DatasetName& above) const;

    // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the 0 of <=> for a pointer
    auto operator<=>(const DatasetName&) const = default;

  private:
    explicit DatasetName(std::string name) : name_(std::move(name)) {}
    std::string name_;
};

/// dataset@snapshot.
class SnapshotName {
  public:
    static Result<SnapshotName> parse(std::string_view text);
    static Result<SnapshotName> make(const DatasetName& dataset, std::string_view snapshot);

    const DatasetName& dataset() const { return dataset_; }
    const std::string& snapshot() const { return snapshot_; }
    std::string str() const { return dataset_.str() + "@" + snapshot_; }

    // NOLINTNEXTLINE(modernize-use-nullptr): as above
    auto operator<=>(const SnapshotName&) const = default;

  private:
    SnapshotName(DatasetName dataset, std::string snapshot)
        : dataset_(std::move(dataset)), snapshot_(std::move(snapshot)) {}
    DatasetName dataset_;
    std::string snapshot_;
};

/// A host as an administrator types it: "beta", "beta.example.org", "10.0.0.2"; never "-o…".
class HostName {
  public:
    static Result<HostName> parse(std::string_view text);

    const std::string& str() const { return name_; }
    /// Up to the first dot; an IPv4 address stays whole. This is what is stored in zrep:
    /// properties.
    std::string short_name() const;

    // NOLINTNEXTLINE(modernize-use-nullptr): as above
    auto operator<=>(const HostName&) const = default;

  private:
    explicit HostName(std::string name) : name_(std::move(name)) {}
    std::string name_;
};

/// A snapshot's or dataset's guid: its identity on every host. Decimal on the wire.
struct Guid {
    std::uint64_t value = 0;

    static std::optional<Guid> parse(std::string_view text);
    std::string str() const { return std::to_string(value); }
    bool known() const { return value != 0; }
    // NOLINTNEXTLINE(modernize-use-nullptr): as above
    auto operator<=>(const Guid&) const = default;
};

/// "zrep_00002a": the name of the snapshot with this sequence number (zrep-properties(7)).
std::string zrep_snapshot_name(std::uint64_t sequence);
/// The number in a zrep snapshot's name, `_unsent` ones included; nullopt for a foreign name.
std::optional<std::uint64_t> zrep_sequence(std::string_view snapshot);
/// The bookmark that keeps an acknowledged snapshot's place: "zrep_<guid>".
std::string zrep_bookmark_name(Guid guid);

}  // namespace zrepd

template <>
struct std::hash<zrepd::DatasetName> {
    std::size_t operator()(const zrepd::DatasetName& d) const noexcept {
        return std::hash<std::string>{}(d.str());
    }
};
