// SPDX-License-Identifier: BSD-2-Clause
// What `zrepctl doctor` makes of what it found. Pure: values in, values out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/rpc/control_types.hpp"
#include "common/rpc/doctor_types.hpp"

namespace zrepd::ctl {

/// What came of a program that was run to see whether it can be.
struct Probe {
    bool found = false;     ///< there is such a program
    bool in_time = true;    ///< it ended within the limit
    int status = -1;        ///< its exit status; -1: a signal ended it
    std::string text = {};  ///< stdout and stderr together

    bool fine() const { return found && in_time && status == 0; }
};

/// What can be seen on this host without another one.
struct HostFacts {
    std::string zrepctl_version;
    std::optional<rpc::VersionOut> zrepd = {};  ///< none: `silence` says why
    Error silence = {};
    std::string runtime_dir = {};
    bool dir_exists = false;
    bool dir_safe = true;              ///< root's, and nobody else writes to it
    std::optional<int> lock_pid = {};  ///< a process that lives and is in the lock file
    std::string settings_file = {};
    Probe settings = {};   ///< zrepd --check-config
    Probe zfs = {};        ///< zfs version
    Probe pools = {};      ///< zpool list -Hp -o name,health,capacity
    Probe ssh = {};        ///< ssh -V
    std::int64_t now = 0;  ///< Unix seconds
    std::optional<rpc::StatusOut> status = {};
};

/// Seconds that two clocks may differ, or ours may be behind what was written with it.
inline constexpr std::int64_t kClockTolerance = 60;

struct Diagnosis {
    enum class State { ok, note, warn, fail };  ///< note: well, and worth knowing
    State state = State::ok;
    std::string check;  ///< "pools", "beta, ssh"
    std::string text;   ///< what, and why
    std::string next;   ///< what to do; empty when there is nothing
};

const char* name(Diagnosis::State state);
/// The worst of them; a note is as good as ok.
Diagnosis::State worst(const std::vector<Diagnosis>& all);
/// "fail  pools: tank is SUSPENDED; next: zpool status 'tank'": one line, whatever is in it.
std::string line_of(const Diagnosis& one);

/// Whether zrepd answers, and is the one that belongs to this zrepctl.
Diagnosis judge_daemon(const HostFacts& facts);
/// Everything on this host: the above, and what zrepd needs.
std::vector<Diagnosis> judge_host(const HostFacts& facts);
/// What is known to be wrong with this host's version of OpenZFS; empty: nothing that matters here.
std::vector<Diagnosis> judge_zfs_version(const rpc::DoctorOut& us);
/// Copies that would be mounted elsewhere than their masters are; none: nothing.
std::vector<Diagnosis> judge_mounts(const rpc::DoctorOut& us);
/// One other host, in the order in which a connection gets there; nothing behind what fails.
std::vector<Diagnosis> judge_peer(const rpc::DoctorOut::Peer& peer, const rpc::DoctorOut& us);

}  // namespace zrepd::ctl
