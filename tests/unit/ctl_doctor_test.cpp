// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/doctor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace zrepd::ctl {
namespace {

using State = Diagnosis::State;

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

/// The one line about `check`; a failure when there is none.
Diagnosis about(const std::vector<Diagnosis>& all, const std::string& check) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.check == check; });
    if (found != all.end()) return *found;
    ADD_FAILURE() << "nothing is said of " << check;
    return {};
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

rpc::DoctorOut us() {
    rpc::DoctorOut out;
    out.host = "alpha";
    out.version = "0.1.0";
    return out;
}

rpc::DoctorOut::Pair pair_of(const std::string& here, const std::string& there) {
    rpc::DoctorOut::Pair out;
    out.dataset = "tank/fs";
    out.peer_dataset = "backup/fs";
    out.role = here;
    out.epoch = 7;
    out.there = rpc::FactsOut::Side{"backup/fs", true, true, there, 7};
    return out;
}

rpc::DoctorOut::Peer beta() {
    rpc::DoctorOut::Peer out;
    out.host = "beta";
    out.host_there = "beta";
    out.known_as = "alpha";
    out.version = "0.1.0";
    out.zfs = "2.3.2";
    out.accepts = {"backup"};
    out.pairs = {pair_of("master", "target")};
    return out;
}

TEST(Doctor, FindsNothingOnAPeerThatIsWell) {
    std::vector<std::string> checks;
    for (const auto& one : judge_peer(beta(), us())) {
        checks.push_back(one.check);
        EXPECT_EQ(one.state, State::ok) << line_of(one);
    }
    EXPECT_EQ(checks,
              (std::vector<std::string>{"beta, ssh",
                                        "beta, zrepd",
                                        "beta, protocol",
                                        "beta, names",
                                        "beta, clock",
                                        "beta, accept",
                                        "beta, pair"}));
}

struct PeerCase {
    std::function<void(rpc::DoctorOut::Peer&)> change;
    const char* check;
    State state;
    const char* text;
    const char* next;
};

TEST(Doctor, JudgesEachPartOfAPeer) {
    const PeerCase table[] = {
        {[](auto& p) { p.version = "0.0.9"; },
         "beta, zrepd",
         State::warn,
         "0.0.9 answers, and here is 0.1.0",
         "upgrade the older one"},
        {[](auto& p) { p.host_there = "gamma"; },
         "beta, names",
         State::fail,
         "it calls itself gamma",
         "host-name = beta"},
        {[](auto& p) { p.known_as = "old"; },
         "beta, names",
         State::fail,
         "it takes this host, alpha, for old",
         "zrepctl peer --as alpha"},
        {[](auto& p) { p.clock_ahead_seconds = 60; }, "beta, clock", State::ok, "60 s ahead", ""},
        {[](auto& p) { p.clock_ahead_seconds = -61; },
         "beta, clock",
         State::warn,
         "61 s behind",
         "timedatectl"},
        {[](auto& p) { p.accepts.clear(); }, "beta, accept", State::ok, "need no leave", ""},
        {[](auto& p) {
             p.accepts.clear();
             p.pairs.clear();
         },
         "beta, accept",
         State::warn,
         "it accepts no filesystem from alpha",
         "on beta run: zrepctl set PARENT zrep:accept=alpha"},
        {[](auto& p) { p.pairs[0].there.reset(); },
         "beta, pair",
         State::fail,
         "does not exist",
         "zpool status"},
        {[](auto& p) { p.pairs[0].there->exists = false; },
         "beta, pair",
         State::fail,
         "beta:backup/fs, the other side of tank/fs, does not exist",
         "zrepctl status 'tank/fs'"},
        {[](auto& p) { p.pairs[0].there->known = false; },
         "beta, pair",
         State::fail,
         "beta:backup/fs does not know that alpha:tank/fs is its other side",
         "on beta run: zrepctl changeconfig -d 'backup/fs' alpha 'tank/fs'"},
        {[](auto& p) {
             p.pairs[0] = pair_of("target", "");
             p.pairs[0].there->known = false;
         },
         "beta, pair",
         State::fail,
         "does not know",
         "on beta run: zrepctl changeconfig 'backup/fs' alpha 'tank/fs'"},
        {[](auto& p) { p.pairs[0] = pair_of("master", "master"); },
         "beta, pair",
         State::fail,
         "of epoch 7: a split brain",
         "zrepctl resolve"},
        {[](auto& p) {
             p.pairs[0] = pair_of("master", "master");
             p.pairs[0].there->epoch = 8;
         },
         "beta, pair",
         State::fail,
         "7 here and 8 there: this host is to step down by itself",
         "zrepctl status"},
        {[](auto& p) { p.pairs[0] = pair_of("target", "target"); },
         "beta, pair",
         State::fail,
         "neither of tank/fs and beta:backup/fs is the master",
         "zrepctl takeover"},
        {[](auto& p) { p.pairs[0] = pair_of("initializing", "target"); },
         "beta, pair",
         State::warn,
         "the first sync is not done",
         "zrepctl status 'tank/fs'"},
        {[](auto& p) { p.pairs[0].there->epoch = 6; },
         "beta, pair",
         State::warn,
         "have the epochs 7 and 6",
         "zrepctl sync 'tank/fs'"},
        {[](auto& p) {
             p.pairs[0] = pair_of("target", "master");
             p.pairs[0].there->epoch = 8;
         },
         "beta, pair",
         State::warn,
         "have the epochs 7 and 8",
         "on beta run: zrepctl sync 'backup/fs'"},
        {[](auto& p) { p.pairs.push_back(pair_of("target", "master")); },
         "beta, pairs",
         State::ok,
         "2 agree",
         ""},
    };
    for (const PeerCase& one : table) {
        rpc::DoctorOut::Peer peer = beta();
        one.change(peer);
        const Diagnosis found = about(judge_peer(peer, us()), one.check);
        EXPECT_EQ(found.state, one.state) << line_of(found);
        EXPECT_NE(found.text.find(one.text), std::string::npos) << line_of(found);
        EXPECT_NE(found.next.find(one.next), std::string::npos) << line_of(found);
    }
}

TEST(Doctor, StopsWhereTheConnectionStops) {
    struct {
        Code code;
        std::vector<std::string> checks;
    } const table[] = {
        {Code::unknown_host, {"beta, name"}},
        {Code::peer_unreachable, {"beta, ssh"}},
        {Code::peer_auth, {"beta, ssh"}},
        {Code::peer_host_key, {"beta, ssh"}},
        {Code::timed_out, {"beta, ssh"}},
        {Code::io_error, {"beta, ssh"}},
        {Code::peer_no_zrepd, {"beta, ssh", "beta, zrepd"}},
        {Code::access_denied, {"beta, ssh", "beta, zrepd"}},
        {Code::busy, {"beta, ssh", "beta, zrepd"}},
        {Code::peer_protocol, {"beta, ssh", "beta, zrepd", "beta, protocol"}},
        {Code::method_not_found, {"beta, ssh", "beta, zrepd", "beta, protocol"}},
    };
    for (const auto& one : table) {
        rpc::DoctorOut::Peer peer = beta();
        peer.error = rpc::ItemError{std::string(info(one.code).name), "why", "do this"};
        const auto all = judge_peer(peer, us());
        std::vector<std::string> checks;
        for (const auto& line : all) checks.push_back(line.check);
        EXPECT_EQ(checks, one.checks);
        EXPECT_EQ(all.back().state, State::fail);
        EXPECT_FALSE(all.back().next.empty());
        if (one.code != Code::method_not_found) {
            EXPECT_EQ(all.back().text, "why");
            EXPECT_EQ(all.back().next, "do this");
        }
    }
}

TEST(Doctor, APairOfThisHostAloneIsNotDialled) {
    rpc::DoctorOut::Peer peer = beta();
    peer.host = "localhost";
    const auto all = judge_peer(peer, us());
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].check, "localhost, pair");
    EXPECT_EQ(all[0].state, State::ok);
}

}  // namespace
}  // namespace zrepd::ctl
