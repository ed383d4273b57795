// SPDX-License-Identifier: BSD-2-Clause
// Argument lists of every zfs(8) and zpool(8) command we run. Pure; no shell ever sees them.
// Errors: invalid_params for what zfs would take for something else than meant.
// Limits: an argument list stays below kMaxArgumentBytes; longer ones come as several commands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd::command {

using Argv = std::vector<std::string>;

/// A quarter of what Linux allows with the usual 8 MiB stack (execve(2)), half of illumos's limit.
/// About 2,000 of the longest names, or 15,000 usual ones.
inline constexpr std::size_t kMaxArgumentBytes = std::size_t{512} * 1024;
/// Resume tokens are a few hundred bytes; redaction lists make them longer.
inline constexpr std::size_t kMaxTokenBytes = std::size_t{64} * 1024;

/// Native properties read of each dataset, in this order; the zrep: ones follow (parse.cpp relies
/// on "type" being the first).
inline constexpr std::string_view kDatasetProperties =
    "type,guid,written,referenced,available,volsize,readonly,mounted,encryption,"
    "receive_resume_token,keystatus,keylocation,canmount,mountpoint,volmode,origin";
/// Of snapshots and bookmarks; "guid" is the first.
inline constexpr std::string_view kVersionProperties =
    "guid,createtxg,creation,written,userrefs,numclones,zrep:sent";

/// Items cut into groups whose bytes, a NUL and a pointer each, stay below the limit.
std::vector<Argv> chunks(const Argv& items, std::size_t limit = kMaxArgumentBytes);

/// Whether a command of zfs or zpool is about this pool and no other one; `pools`: those that are
/// imported, as far as they are known. One without names is about all of them.
bool is_about_only(const Argv& argv, std::string_view pool, const std::vector<std::string>& pools);
/// The dataset or pool that a command of zfs or zpool works on, for messages: the last that it
/// names, without a snapshot's name. Empty where it names none.
std::string subject(const Argv& argv);

/// `zfs get` of the properties above; no names: every filesystem and volume.
std::vector<Argv> get_datasets(const std::vector<DatasetName>& which);
/// The same below these pools, for when one of the pools must not be touched.
Argv get_datasets_of_pools(const std::vector<std::string>& pools);
/// `zfs list` of the names alone; an empty pool: of all.
Argv list_names(const std::string& pool);
/// `zfs get -d 1`: unlike `zfs list` it can leave out a zrep:sent inherited from the dataset.
std::vector<Argv> get_versions(const std::vector<DatasetName>& which);
/// As get_versions, of these snapshots alone.
std::vector<Argv> get_snapshots(const std::vector<SnapshotName>& which);
/// Name and guid of these snapshots.
std::vector<Argv> get_guids(const std::vector<SnapshotName>& which);

/// One pool's snapshots; more than one command only above kMaxArgumentBytes, and then not atomic.
std::vector<Argv> snapshot(const std::vector<SnapshotName>& names);
/// Names as zfs takes them, values without control characters: those could not be read back.
Result<Argv> set(const DatasetName& dataset, const PropertyList& properties);
std::vector<Argv> set_sent(const std::vector<SnapshotName>& names, UnixSeconds sent);
std::vector<Argv> inherit_sent(const std::vector<SnapshotName>& names);
Result<Argv> inherit(const DatasetName& dataset, const std::string& property);
std::vector<Argv> hold(const std::vector<SnapshotName>& names);
std::vector<Argv> release(const std::vector<SnapshotName>& names);
std::vector<Argv> holds(const std::vector<SnapshotName>& names);
/// `zfs destroy ds@a,b,c`: zfs destroys all of them or none. Never -r, -R, -f or a '%' range.
Result<std::vector<Argv>> destroy_snapshots(const DatasetName& dataset,
                                            const std::vector<std::string>& names);
Result<Argv> destroy_bookmark(const DatasetName& dataset, const std::string& name);
Argv bookmark(const SnapshotName& snapshot, const std::string& name);
Argv rollback(const SnapshotName& snapshot);
/// Never -O, -f or -l.
Argv mount(const DatasetName& dataset);
Argv remount(const DatasetName& dataset);
Argv unmount(const DatasetName& dataset);
/// mount(8), readonly, at a place of ours: without a change of a property, and whatever mountpoint
/// and canmount say. Linux only.
Argv mount_at(const DatasetName& dataset, const std::string& place);
Argv unmount_at(const std::string& place);
/// With types and tabs, so that it can be read back.
Argv diff(const DiffSpec& spec);
/// sync(1): every write of that filesystem that is still in memory.
Argv sync_files(const std::string& mountpoint);
/// `zfs load-key`, with -n only tried. The key comes from keylocation; a prompt sees end-of-file.
Argv load_key(const DatasetName& dataset, bool only_try);
Argv unload_key(const DatasetName& dataset);
Result<Argv> clone(const SnapshotName& origin,
                   const DatasetName& dataset,
                   const PropertyList& properties);
/// One dataset without snapshots or children: zfs refuses any other. Never -r, -R or -f.
Argv destroy_dataset(const DatasetName& dataset);
Argv abort_receive(const DatasetName& dataset);
Result<Argv> token_info(const std::string& token);
/// -L -c -e, or -L -c -w: with -w never -e, which breaks resumed raw streams. With a token the same
/// flags, so that large blocks stay large in the rest of the stream.
Result<Argv> send(const SendSpec& spec);
/// -u -s and "ds@snap", not "ds": the snapshot gets the name we allowed and locked, whatever name
/// the stream carries. Never -F, -d or -e.
Result<Argv> receive(const ReceiveSpec& spec);
/// `zfs program -j -- pool - args…`: the program comes on stdin, so there is no file to leave
/// behind. The -- keeps a negative number from being read as an option.
Argv program(std::string_view pool, const std::vector<std::string>& arguments);
/// Whether a pool was imported readonly: "on" or "off".
Argv pool_readonly(std::string_view pool);
/// `zpool sync`: what was written so far goes to disk now.
Argv flush(const std::vector<std::string>& pools);
Argv events();

}  // namespace zrepd::command
