// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>

#include <functional>

#include "ctl/render/doctor.hpp"
#include "tests/fakes/diagnoses.hpp"

namespace zrepd::ctl {
namespace {

using State = Diagnosis::State;
using test::about;

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

TEST(DoctorPeer, FindsNothingOnAPeerThatIsWell) {
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

TEST(DoctorPeer, JudgesEachPartOfAPeer) {
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
         "on beta run: zrepctl set PARENT zrep:accept=+alpha"},
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
         "zrepctl takeover -L 'tank/fs', or on beta zrepctl takeover -L 'backup/fs'"},
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

TEST(DoctorPeer, StopsWhereTheConnectionStops) {
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
        {Code::zfs_failed, {"beta, ssh", "beta, zrepd"}},
        {Code::cancelled, {"beta, ssh", "beta, zrepd"}},
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

TEST(DoctorPeer, APairOfThisHostAloneIsNotDialled) {
    rpc::DoctorOut::Peer peer = beta();
    peer.host = "localhost";
    const auto all = judge_peer(peer, us());
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].check, "localhost, pair");
    EXPECT_EQ(all[0].state, State::ok);
}

}  // namespace
}  // namespace zrepd::ctl
