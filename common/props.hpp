// SPDX-License-Identifier: BSD-2-Clause
// Names of what we store in ZFS (zrep-properties(7)).
#pragma once

#include <array>
#include <string_view>

namespace zrepd::prop {

inline constexpr std::string_view kSrcHost = "zrep:src-host";
inline constexpr std::string_view kSrcFs = "zrep:src-fs";
inline constexpr std::string_view kDestHost = "zrep:dest-host";
inline constexpr std::string_view kDestFs = "zrep:dest-fs";
inline constexpr std::string_view kMaster = "zrep:master";
inline constexpr std::string_view kSavecount = "zrep:savecount";
inline constexpr std::string_view kKeep = "zrep:keep";
inline constexpr std::string_view kSent = "zrep:sent";
inline constexpr std::string_view kLockPid = "zrep:lock-pid";
inline constexpr std::string_view kLockTime = "zrep:lock-time";
inline constexpr std::string_view kInprogress = "zrep:inprogress";
inline constexpr std::string_view kEpoch = "zrep:epoch";
inline constexpr std::string_view kInterval = "zrep:interval";
inline constexpr std::string_view kPaused = "zrep:paused";
inline constexpr std::string_view kAccept = "zrep:accept";
inline constexpr std::string_view kLimit = "zrep:limit";
inline constexpr std::string_view kMinfree = "zrep:minfree";
inline constexpr std::string_view kMaxsnaps = "zrep:maxsnaps";
inline constexpr std::string_view kFence = "zrep:fence";
/// What canmount is without the fence, while that keeps it at noauto (failover/fence.hpp).
inline constexpr std::string_view kCanmount = "zrep:canmount";
/// On a target: its master counts on this side's lease (failover/lease.hpp).
inline constexpr std::string_view kLease = "zrep:lease";
/// How the master is served, as its target was last told (failover/journal.hpp).
inline constexpr std::string_view kServe = "zrep:serve";
/// On a master: guid of the snapshot to which its target was put back, and where it waits, paused.
inline constexpr std::string_view kBack = "zrep:back";
/// On a rescue: the filesystem whose data it holds.
inline constexpr std::string_view kRescue = "zrep:rescue";
/// On the clone of a drill: the filesystem that is tried.
inline constexpr std::string_view kDrill = "zrep:drill";

/// On both roots of a recursive pair: "on" (ADR 0015). Members have nothing of their own.
inline constexpr std::string_view kTree = "zrep:tree";

/// What makes a dataset part of a pair; counts only where its source is local or received.
inline constexpr std::array kPair{kSrcHost, kSrcFs, kDestHost, kDestFs};
/// Everything we read of a filesystem or volume.
inline constexpr std::array kOnDataset{
    kSrcHost, kSrcFs,    kDestHost, kDestFs, kMaster, kSavecount, kLockPid,  kLockTime, kInprogress,
    kEpoch,   kInterval, kPaused,   kAccept, kLimit,  kMinfree,   kMaxsnaps, kFence,    kCanmount,
    kLease,   kServe,    kRescue,   kDrill,  kKeep,   kBack,      kTree};
/// What `zrepctl set` may change.
inline constexpr std::array kSettings{
    kSavecount, kKeep, kInterval, kPaused, kAccept, kLimit, kMinfree, kMaxsnaps, kFence};

/// The hold that protects the last common snapshot on both sides.
inline constexpr std::string_view kBaseHold = "zrep_base";

inline constexpr unsigned kDefaultSavecount = 5;
inline constexpr unsigned kMinSavecount = 2;

}  // namespace zrepd::prop
