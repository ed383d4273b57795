// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/doctor.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "tests/fakes/diagnoses.hpp"

namespace zrepd::ctl {
namespace {

using State = Diagnosis::State;
using test::about;

Probe said(std::string text, int status = 0) {
    return {.found = true, .in_time = true, .status = status, .text = std::move(text)};
}

/// A host on which all is well.
HostFacts well() {
    HostFacts out;
    out.zrepctl_version = "0.1.0";
    out.zrepd = rpc::VersionOut{"0.1.0", "1.0", "2.3.2", "alpha"};
    out.runtime_dir = "/run/zrepd";
    out.dir_exists = true;
    out.lock_pid = 42;
    out.settings_file = "/etc/zrepd/zrepd.conf";
    out.settings = said("settings are fine\n");
    out.zfs = said("zfs-2.3.2-1\nzfs-kmod-2.3.2-1\n");
    out.pools = said("tank\tONLINE\t12\nbackup\tONLINE\t5\n");
    out.ssh = said("OpenSSH_9.2p1\n");
    out.now = 1'770'000'000;
    out.status.emplace();
    return out;
}

rpc::PairStatus healthy(const std::string& dataset, const std::string& health = "ok") {
    rpc::PairStatus out;
    out.dataset = dataset;
    out.health = health;
    return out;
}

TEST(Doctor, FindsNothingWhereAllIsWell) {
    const auto all = judge_host(well());
    std::vector<std::string> checks;
    for (const auto& one : all) {
        checks.push_back(one.check);
        EXPECT_EQ(one.state, State::ok) << line_of(one);
        EXPECT_TRUE(one.next.empty()) << line_of(one);
    }
    EXPECT_EQ(checks,
              (std::vector<std::string>{"zrepd",
                                        "runtime directory",
                                        "settings and hooks",
                                        "zfs",
                                        "pools",
                                        "ssh",
                                        "clock",
                                        "pairs"}));
    EXPECT_EQ(line_of(all.front()), "ok    zrepd: 0.1.0 answers, and calls this host alpha");
    EXPECT_EQ(worst(all), State::ok);
}

struct HostCase {
    std::function<void(HostFacts&)> change;
    const char* check;
    State state;
    const char* text;  ///< a part of it
    const char* next;  ///< a part of it
};

TEST(Doctor, JudgesEachPartOfThisHost) {
    const HostCase table[] = {
        {[](HostFacts& f) {
             f.zrepd.reset();
             f.lock_pid.reset();
             f.silence = {.code = Code::daemon_unreachable,
                          .message = "zrepd is not running",
                          .remedy = "systemctl start zrepd"};
         },
         "zrepd",
         State::fail,
         "zrepd is not running",
         "systemctl start zrepd"},
        {[](HostFacts& f) {
             f.zrepd.reset();
             f.silence = {.code = Code::daemon_unreachable, .message = "it does not answer"};
         },
         "zrepd",
         State::fail,
         "pid 42 is in /run/zrepd/zrepd.lock: it starts, or hangs",
         ""},
        {[](HostFacts& f) { f.zrepd->version = "0.0.9"; },
         "zrepd",
         State::warn,
         "zrepd is 0.0.9, zrepctl is 0.1.0",
         "restart zrepd"},
        {[](HostFacts& f) { f.dir_exists = false; },
         "runtime directory",
         State::warn,
         "/run/zrepd is not there",
         "start zrepd"},
        {[](HostFacts& f) { f.dir_safe = false; },
         "runtime directory",
         State::fail,
         "does not belong to root alone",
         "chown root '/run/zrepd' && chmod 755 '/run/zrepd'"},
        {[](HostFacts& f) { f.lock_pid.reset(); },
         "runtime directory",
         State::warn,
         "names no process that runs",
         "restart zrepd"},
        {[](HostFacts& f) {
             f.settings =
                 said("zrepd: /x:2: streams: streams must be 1 to 8\n  next: mend it\n", 2);
         },
         "settings and hooks",
         State::fail,
         "/x:2: streams: streams must be 1 to 8",
         "mend it"},
        {[](HostFacts& f) { f.settings = {}; },
         "settings and hooks",
         State::warn,
         "not in the PATH",
         "install zrepd"},
        {[](HostFacts& f) { f.settings = {.found = true, .in_time = false}; },
         "settings and hooks",
         State::fail,
         "does not come to its end",
         "zrepd --check-config"},
        {[](HostFacts& f) { f.zfs = {}; }, "zfs", State::fail, "in the PATH", "install OpenZFS"},
        {[](HostFacts& f) { f.zfs = said("The ZFS modules are not loaded.\nTry", 1); },
         "zfs",
         State::fail,
         "The ZFS modules are not loaded.",
         "modprobe zfs"},
        {[](HostFacts& f) { f.zfs = said("zfs-2.3.2-1\nzfs-kmod-2.2.7-1\n"); },
         "zfs",
         State::warn,
         "the tools are of OpenZFS 2.3.2-1, the kernel module is 2.2.7-1",
         "reboot"},
        {[](HostFacts& f) { f.pools = said("\n"); },
         "pools",
         State::warn,
         "no pool is imported",
         "zpool import"},
        {[](HostFacts& f) { f.pools = said("tank\tSUSPENDED\t-\n"); },
         "pools",
         State::fail,
         "tank is SUSPENDED",
         "zpool status 'tank'"},
        {[](HostFacts& f) { f.pools = said("tank\tDEGRADED\t1\n"); },
         "pools",
         State::warn,
         "tank is DEGRADED",
         "zpool status 'tank'"},
        {[](HostFacts& f) { f.pools = said("tank\tONLINE\t93\n"); },
         "pools",
         State::warn,
         "full to 93 %",
         "zfs list"},
        {[](HostFacts& f) { f.pools = {.found = true, .in_time = false}; },
         "pools",
         State::fail,
         "zpool list does not come to its end",
         "zpool status"},
        {[](HostFacts& f) { f.ssh = {}; }, "ssh", State::fail, "in the PATH", "install OpenSSH"},
        {[](HostFacts& f) { f.now = 1000; },
         "clock",
         State::fail,
         "1970-01-01T00:16:40Z",
         "timedatectl"},
        {[](HostFacts& f) {
             f.status->pairs = {healthy("tank/fs")};
             f.status->pairs[0].last_acked =
                 rpc::AckedSnapshot{"tank/fs@a", {}, "2037-01-01T00:00:00Z"};
         },
         "clock",
         State::warn,
         "tank/fs was acknowledged at 2037-01-01T00:00:00Z: a clock went back",
         "timedatectl"},
        {[](HostFacts& f) {
             f.status->problem = rpc::Trouble{"busy", "reading", "wait", ""};
         },
         "pairs",
         State::fail,
         "reading",
         "wait"},
        {[](HostFacts& f) {
             f.status->pairs = {healthy("tank/a"), healthy("tank/b", "late")};
         },
         "pairs",
         State::warn,
         "1 of 2 pairs: tank/b (late)",
         "zrepctl status"},
        {[](HostFacts& f) {
             f.status->pairs = {healthy("tank/a"), healthy("tank/b")};
             f.status->pairs[1].warning = rpc::Trouble{"writable", "mounted so", "unmount", ""};
         },
         "pairs",
         State::warn,
         "1 of 2 pairs: tank/b (writable)",
         "zrepctl status"},
        {[](HostFacts& f) {
             for (const char* name : {"t/a", "t/b", "t/c", "t/d"})
                 f.status->pairs.push_back(healthy(name, "conflict"));
         },
         "pairs",
         State::fail,
         "4 of 4 pairs: t/a (conflict), t/b (conflict), t/c (conflict), and more",
         "zrepctl status"},
    };
    for (const HostCase& one : table) {
        HostFacts facts = well();
        one.change(facts);
        const auto all = judge_host(facts);
        const Diagnosis found = about(all, one.check);
        EXPECT_EQ(found.state, one.state) << line_of(found);
        EXPECT_NE(found.text.find(one.text), std::string::npos) << line_of(found);
        EXPECT_NE(found.next.find(one.next), std::string::npos) << line_of(found);
        EXPECT_GE(worst(all), one.state);
    }
}

TEST(Doctor, APoolThatIsNotWellIsALineBesideThoseThatAre) {
    HostFacts facts = well();
    facts.pools = said("a\tONLINE\t1\nb\tFAULTED\t-\nc\tONLINE\t2\n");
    std::vector<std::string> lines;
    for (const auto& one : judge_host(facts))
        if (one.check == "pools") lines.push_back(line_of(one));
    EXPECT_EQ(lines,
              (std::vector<std::string>{"ok    pools: a, c are ONLINE",
                                        "fail  pools: b is FAULTED; next: zpool status 'b'"}));
}

TEST(Doctor, ALineIsOneLineWhateverIsInIt) {
    const std::string line = line_of({State::fail, "a", "two\nlines\x1b[1m", "c"});
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
}

TEST(Doctor, TellsOfTheFaultsOfThisOpenZfs) {
    rpc::DoctorOut us;
    us.zfs = "2.1.6";
    EXPECT_TRUE(judge_zfs_version(us).empty());
    us.faults = {{true, "may not mount", "upgrade"}, {false, "goes on writing", "stop it"}};
    const auto all = judge_zfs_version(us);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(line_of(all[0]), "warn  zfs 2.1.6: may not mount; next: upgrade");
    EXPECT_EQ(line_of(all[1]), "note  zfs 2.1.6: goes on writing; next: stop it");
    EXPECT_EQ(worst({all[1]}), State::ok) << "no trouble";
    us.zfs_too_old = true;
    EXPECT_EQ(judge_zfs_version(us)[0].state, State::fail);
}

}  // namespace
}  // namespace zrepd::ctl
