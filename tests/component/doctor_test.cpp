// SPDX-License-Identifier: BSD-2-Clause
// What doctor.run finds on two hosts with pools in memory, and what the probes make of programs.
#include <gtest/gtest.h>

#include <unistd.h>

#include <chrono>

#include "common/text.hpp"
#include "ctl/probe.hpp"
#include "ctl/render/doctor.hpp"
#include "daemon/log.hpp"
#include "daemon/service.hpp"
#include "tests/fakes/hook_folder.hpp"
#include "tests/fakes/served_host.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;

class DoctorTest : public test::TwoHosts {
  protected:
    Result<rpc::DoctorOut> doctor(std::vector<std::string> hosts = {}) {
        rpc::DoctorIn in;
        in.hosts = std::move(hosts);
        return test::run_task(io, service.doctor(std::move(in), control::Caller{}));
    }
    void look() {
        for (auto* host : {&*alpha, &*beta}) {
            EXPECT_TRUE(test::run_task(io, host->inventory.discover()));
        }
    }

    test::ServedHost served{*alpha};
    DaemonService& service = served.service;
};

TEST_F(DoctorTest, TellsOfAHealthyPairFromBothSides) {
    ASSERT_EQ(init().outcome, "done") << init().text;
    look();
    const auto out = doctor();
    ASSERT_TRUE(out) << out.error().text();
    EXPECT_EQ(out->host, "alpha");
    EXPECT_EQ(out->zfs, "2.3.2");
    ASSERT_EQ(out->peers.size(), 1U);
    const auto& peer = out->peers[0];
    EXPECT_FALSE(peer.error) << peer.error->message;
    EXPECT_EQ(peer.host, "beta");
    EXPECT_EQ(peer.host_there, "beta");
    EXPECT_EQ(peer.known_as, "alpha");
    EXPECT_EQ(peer.version, out->version);
    EXPECT_EQ(peer.clock_ahead_seconds, 0);
    EXPECT_EQ(peer.accepts, std::vector<std::string>{"backup"});
    ASSERT_EQ(peer.pairs.size(), 1U);
    EXPECT_EQ(peer.pairs[0].role, "master");
    ASSERT_TRUE(peer.pairs[0].there);
    EXPECT_TRUE(peer.pairs[0].there->known);
    EXPECT_EQ(peer.pairs[0].there->role, "target");
    EXPECT_EQ(peer.pairs[0].there->epoch, peer.pairs[0].epoch);
}

TEST_F(DoctorTest, TellsOfACopyThatARestrictedKeyWouldHaveMountedElsewhere) {
    ASSERT_EQ(init().outcome, "done");
    const auto ask = [&] {
        EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
        test::ServedHost there(*beta);
        return *test::run_task(io, there.service.doctor({}, {}));
    };
    EXPECT_TRUE(ask().mounts.empty());
    auto& props = beta->zfs.at("backup/fs").props;
    props[std::string(prop::kServe)] = {"canmount=on mounted=yes wished=/srv/data", Source::local};
    const auto out = ask();
    ASSERT_EQ(out.mounts.size(), 1U);
    EXPECT_NE(out.mounts[0].next.find("zfs set mountpoint='/srv/data' 'backup/fs'"),
              std::string::npos);
    const auto lines = ctl::judge_mounts(out);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].state, ctl::Diagnosis::State::warn);
    props["mountpoint"] = {"/srv/data", Source::local};
    EXPECT_TRUE(ask().mounts.empty());
}

TEST_F(DoctorTest, TellsOfTheFaultsOfThisOpenZfsThatMatterToAPairHere) {
    ASSERT_EQ(init().outcome, "done");
    look();
    test::ServedHost older(*alpha, "2.1.6");
    const auto ask = [&] { return *test::run_task(io, older.service.doctor({}, {})); };
    EXPECT_TRUE(ask().faults.empty()) << "neither a volume nor anything encrypted";
    alpha->zfs.create("tank/other", Kind::volume);
    alpha->zfs.at("tank/fs").encrypted = true;
    look();
    const auto out = ask();
    EXPECT_FALSE(out.zfs_too_old);
    ASSERT_EQ(out.faults.size(), 2U);
    EXPECT_TRUE(out.faults[0].grave);
    EXPECT_NE(out.faults[0].what.find(": tank/fs (openzfs#12594"), std::string::npos);
    EXPECT_FALSE(out.faults[1].grave);
    EXPECT_TRUE(doctor()->faults.size() == 1U) << "2.3.2, and the key is inherited";
    test::ServedHost oldest(*alpha, "2.0.7");
    EXPECT_TRUE(test::run_task(io, oldest.service.doctor({}, {}))->zfs_too_old);
}

TEST_F(DoctorTest, AFaultyOrTooOldOpenZfsIsALineInTheLogOfTheStart) {
    const auto said = [](const std::string& version) {
        ::testing::internal::CaptureStdout();
        tell_zfs_faults(version);
        log::flush();
        return ::testing::internal::GetCapturedStdout();
    };
    EXPECT_EQ(said(""), "");
    const std::string old = said("2.0.7");
    EXPECT_NE(old.find("[error] zfs_too_old zfs=2.0.7"), std::string::npos) << old;
    const std::string grave = said("2.1.5");
    EXPECT_NE(grave.find("[warning] zfs_faults zfs=2.1.5"), std::string::npos) << grave;
    const std::string known = said("2.3.2");
    EXPECT_NE(known.find("[info] zfs_faults zfs=2.3.2 of='inherited keys (openzfs#12614)'"),
              std::string::npos)
        << known;
}

TEST_F(DoctorTest, SaysNothingOfWhatIsNotTheAskingHosts) {
    ASSERT_EQ(init().outcome, "done");
    beta->zfs.at("backup/fs").props[std::string(prop::kSrcFs)] = {"tank/other", Source::local};
    look();
    const auto out = doctor({"beta"});
    ASSERT_TRUE(out);
    const auto& there = *out->peers.at(0).pairs.at(0).there;
    EXPECT_TRUE(there.exists);
    EXPECT_FALSE(there.known);
    EXPECT_EQ(there.role, "");
}

TEST_F(DoctorTest, LeavesNoConnectionToAHostWithoutPairs) {
    look();
    ASSERT_TRUE(doctor({"beta"}));
    ASSERT_EQ(alpha->peers.session_count(), 1U);
    TaskGroup tasks(io.get_executor());
    tasks.spawn("scheduler", served.scheduler.run());
    test::run_until(io, [this] {
        alpha->inventory.changed().notify();
        return alpha->peers.session_count() == 0;
    });
    EXPECT_EQ(alpha->peers.state(beta->config.host), peer::PeerState::unknown);
    tasks.cancel();
    test::run_until(io, [&] { return tasks.size() == 0; });
}

TEST_F(DoctorTest, AsksAHostWithoutPairs) {
    beta->zfs.at("backup").props.clear();
    look();
    EXPECT_TRUE(doctor()->peers.empty());
    const auto out = doctor({"beta.example.com", "beta"});
    ASSERT_TRUE(out);
    ASSERT_EQ(out->peers.size(), 1U);
    EXPECT_EQ(out->peers[0].known_as, "alpha");
    EXPECT_TRUE(out->peers[0].accepts.empty());
    EXPECT_TRUE(out->peers[0].pairs.empty());
}

TEST_F(DoctorTest, AHostThatDoesNotAnswerIsPartOfTheAnswer) {
    ASSERT_EQ(init().outcome, "done");
    look();
    test::run_task(io, beta->stop());
    const auto out = doctor();
    ASSERT_TRUE(out);
    const auto& peer = out->peers.at(0);
    ASSERT_TRUE(peer.error);
    EXPECT_FALSE(peer.error->message.empty());
    EXPECT_EQ(peer.pairs.size(), 1U);
    EXPECT_FALSE(peer.pairs[0].there);
}

TEST_F(DoctorTest, APeerThatHasJustStartedSaysSo) {
    EXPECT_TRUE(test::run_task(io, alpha->inventory.discover()));
    const auto out = doctor({"beta"});
    ASSERT_TRUE(out);
    ASSERT_TRUE(out->peers.at(0).error);
    EXPECT_EQ(out->peers[0].error->kind, "busy");
}

TEST_F(DoctorTest, RefusesNamesThatAreNone) {
    for (const char* name : {"", "-oProxyCommand=x", "a b"}) {
        const auto out = doctor({name});
        ASSERT_FALSE(out) << name;
        EXPECT_EQ(out.error().code, Code::invalid_params);
    }
}

class Probes : public ::testing::Test {
  protected:
    ctl::Probe run(const std::string& script, std::chrono::milliseconds limit = 20s) {
        test::write_program(temp.path / "bin/program", "#!/bin/sh\n" + script + "\n");
        return ctl::probe({"program", "a b"}, limit, temp.path.string() + "/bin:/usr/bin:/bin");
    }
    test::TempFolder temp;
};

TEST_F(Probes, TellHowAProgramEndedAndWhatItSaid) {
    const auto well = run("echo \"$1\"; echo and >&2; env | grep -c HOME");
    EXPECT_TRUE(well.found);
    EXPECT_EQ(well.status, 1);
    EXPECT_EQ(well.text, "a b\nand\n0\n");
    EXPECT_TRUE(run("exit 0").fine());
    EXPECT_EQ(run("kill -9 $$").status, -1);
    EXPECT_FALSE(ctl::probe({"no-such-program"}, 1s).found);
}

TEST_F(Probes, DoNotWaitForWhatHangs) {
    const auto began = std::chrono::steady_clock::now();
    const auto hung = run("sleep 615 & echo $!; sleep 616", 300ms);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
    EXPECT_TRUE(hung.found);
    EXPECT_FALSE(hung.in_time);
    EXPECT_FALSE(hung.fine());
    // What it started is killed with it. A zombie that nobody reaps, as in a container, is gone
    // too.
    const std::string pid(trim(hung.text));
    std::string stat = "?";
    for (int i = 0; i < 500 && !stat.empty() && stat.find(") Z ") == stat.npos; ++i) {
        stat = test::text_of("/proc/" + pid + "/stat");
        ::usleep(10'000);
    }
    EXPECT_TRUE(stat.empty() || stat.find(") Z ") != stat.npos) << stat;
}

TEST_F(Probes, KeepNoMoreThanTheirLimit) {
    const auto loud = run("head -c 3000000 /dev/zero | tr '\\0' a");
    EXPECT_TRUE(loud.fine());
    EXPECT_LE(loud.text.size(), ctl::kMaxProbeText + 4096);
}

}  // namespace
}  // namespace zrepd
