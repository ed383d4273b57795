// SPDX-License-Identifier: BSD-2-Clause
// zrepctl from its command line to its exit status, against the real control server.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <future>
#include <thread>

#include "ctl/client.hpp"
#include "ctl/dispatch.hpp"
#include "daemon/async/fd.hpp"
#include "daemon/log.hpp"
#include "tests/fakes/fake_control.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd::ctl {
namespace {

class Client : public testing::Test {
  protected:
    explicit Client(control::ServerLimits limits = {}) : daemon(limits) {
        log::set_level("critical");
    }
    ~Client() override { log::set_level("info"); }

    /// Runs zrepctl; `out` and `err` are what it printed.
    int zrepctl(std::vector<std::string> words) {
        std::vector<std::string> all{"--socket", daemon.socket()};
        all.insert(all.end(), words.begin(), words.end());
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        const int status = dispatch(std::move(all));
        out = testing::internal::GetCapturedStdout();
        err = testing::internal::GetCapturedStderr();
        return status;
    }
    std::size_t calls() {
        std::size_t count = 0;
        daemon.on_io([&] { count = daemon.service.seen.size(); });
        return count;
    }

    fake::FakeDaemon daemon;
    std::string out;
    std::string err;
};

TEST_F(Client, FollowsItsOwnRunAndTheOneItJoined) {
    daemon.on_io([&] {
        daemon.service.started.joined = {"run-0"};
        // Others of the joined run may take days: only what was asked for is waited for.
        auto joined = fake::finished_run("run-0", {"tank/fs", "tank/slow"});
        joined.finished = false;
        joined.results[1].outcome = "running";
        daemon.service.runs["run-0"] = joined;
        daemon.service.runs["run-1"] = fake::finished_run("run-1", {"tank/second"});
    });
    EXPECT_EQ(zrepctl({"sync", "tank/fs", "tank/second"}), 0) << err;
    EXPECT_NE(out.find("tank/fs: sent"), std::string::npos) << out;
    EXPECT_NE(out.find("tank/second: sent"), std::string::npos) << out;
    EXPECT_EQ(out.find("tank/slow"), std::string::npos) << out;
}

/// The run that was joined took its snapshot before: what was written since is in a run of its own.
TEST_F(Client, WhatAJoinedRunDidNotSeeIsAskedForAtItsEnd) {
    unsigned starts = 0;
    daemon.on_io([&] {
        daemon.service.runs["run-0"] = fake::finished_run("run-0", {"tank/fs"});
        daemon.service.runs["run-1"] = fake::finished_run("run-1", {"tank/fs"});
        daemon.service.on_start = [&] {
            const bool first = ++starts == 1;
            daemon.service.started.run_id = first ? "" : "run-1";
            daemon.service.started.joined.clear();
            if (first) daemon.service.started.joined.emplace_back("run-0");
        };
    });
    EXPECT_EQ(zrepctl({"sync", "tank/fs", "--json"}), 0) << err;
    const Json runs = Json::parse(out)["runs"];
    ASSERT_EQ(runs.size(), 2U) << out;
    EXPECT_EQ(runs[1]["run_id"], "run-1");
    EXPECT_EQ(starts, 2U);
    // Asked for all again: a paused one among them is left alone.
    starts = 0;
    EXPECT_EQ(zrepctl({"refresh", "all"}), 0) << err;
    EXPECT_EQ(starts, 2U);
    Json last;
    daemon.on_io([&] { last = daemon.service.seen.back().params; });
    EXPECT_EQ(last["all"], true) << last;
    // A role change has no such moment.
    starts = 0;
    EXPECT_EQ(zrepctl({"failover", "tank/fs"}), 0) << err;
    EXPECT_EQ(starts, 1U);
}

class SlowClient : public Client {
  protected:
    static control::ServerLimits soon() {
        control::ServerLimits limits;
        limits.answer = std::chrono::milliseconds(50);
        return limits;
    }
    SlowClient() : Client(soon()) {}
};

TEST_F(SlowClient, WaitsForTheAnswerToItsQuestionHoweverOftenItMustAsk) {
    daemon.on_io([&] {
        daemon.service.closed = true;
        daemon.service.started = {};
        daemon.service.started.steps = {"zfs rollback, there"};
    });
    std::thread opens([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(400));
        daemon.on_io([&] { daemon.service.open(); });
    });
    EXPECT_EQ(zrepctl({"sync", "tank/fs@zrep_000001"}), 5) << err;
    opens.join();
    EXPECT_NE(out.find("zfs rollback, there"), std::string::npos) << out << err;
    EXPECT_EQ(calls(), 1U) << "the same question";
}

TEST_F(Client, DoesNotFollowTheRunThatABusyErrorNames) {
    daemon.on_io([&] {
        daemon.service.fail_with = Error{.code = Code::busy,
                                         .message = "expire of tank/fs is under way",
                                         .remedy = "wait for it",
                                         .run_id = "run-0"};
        daemon.service.runs["run-0"] = fake::finished_run("run-0", {"tank/fs"});
    });
    EXPECT_EQ(zrepctl({"sync", "tank/fs"}), 5);
    EXPECT_NE(err.find("expire of tank/fs is under way"), std::string::npos) << err;
    EXPECT_EQ(out, "");
}

TEST_F(Client, WatchedStatusIsShownAgainUntilTheDaemonGoes) {
    daemon.on_io([&] { daemon.service.pairs = {fake::healthy_pair("tank/fs")}; });
    auto end = std::async(std::launch::async, [&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(2'500));
        daemon.stop();
    });
    EXPECT_EQ(zrepctl({"status", "--watch"}), 3) << err;
    end.get();
    const auto first = out.find("tank/fs");
    ASSERT_NE(first, std::string::npos) << out;
    EXPECT_NE(out.find("tank/fs", first + 1), std::string::npos) << out;
}

/// Standard output goes to this file while it lives.
class StandardOutput {
  public:
    explicit StandardOutput(Fd to) : before_(::dup(STDOUT_FILENO)) {
        std::fflush(stdout);
        ::dup2(to.get(), STDOUT_FILENO);
    }
    ~StandardOutput() {
        ::dup2(before_.get(), STDOUT_FILENO);
        // What could not be written is still there.
        std::fflush(stdout);
        std::clearerr(stdout);
    }
    StandardOutput(const StandardOutput&) = delete;
    StandardOutput& operator=(const StandardOutput&) = delete;

  private:
    Fd before_;
};

TEST_F(Client, EventsThatNobodyReadsAnyMoreEndThoughNothingHappens) {
    std::signal(SIGPIPE, SIG_IGN);
    std::array<int, 2> ends{-1, -1};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    std::promise<void> ended;
    auto reader = std::async(std::launch::async, [&, from = Fd(ends[0])]() mutable {
        char line[4096];
        const ssize_t first = ::read(from.get(), line, sizeof line);
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        from = Fd();
        // Long before it asks whether zrepd is still there.
        const auto waited = ended.get_future().wait_for(std::chrono::seconds(20));
        if (waited != std::future_status::ready) daemon.stop();
        return first > 0;
    });
    int status = -1;
    testing::internal::CaptureStderr();
    {
        const StandardOutput output{Fd(ends[1])};
        status = dispatch({"--socket", daemon.socket(), "events", "-f"});
    }
    ended.set_value();
    EXPECT_TRUE(reader.get());
    EXPECT_EQ(status, 1);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "it wants to hear no more";
}

TEST_F(Client, EventsThatCannotBeWrittenSayWhyAndEnd) {
    for (const char* option : {"-n5", "-f"}) {
        std::promise<void> ended;
        auto limit = std::async(std::launch::async, [&] {
            const auto waited = ended.get_future().wait_for(std::chrono::seconds(20));
            if (waited != std::future_status::ready) daemon.stop();
        });
        int status = -1;
        testing::internal::CaptureStderr();
        {
            const StandardOutput output{Fd(::open("/dev/full", O_WRONLY | O_CLOEXEC))};
            status = dispatch({"--socket", daemon.socket(), "events", option});
        }
        ended.set_value();
        limit.get();
        EXPECT_EQ(status, 1) << option;
        const std::string said = testing::internal::GetCapturedStderr();
        EXPECT_NE(said.find("cannot write to standard output: No space left"), said.npos) << said;
    }
}

TEST_F(Client, DropAndDrillOnlySayWhatTheyWouldDo) {
    daemon.on_io([&] {
        daemon.service.started = {.run_id = "", .joined = {}, .steps = {"destroy it"}, .note = {}};
    });
    EXPECT_EQ(zrepctl({"rescue", "drop", "tank/fs_diverged_2", "--yes", "--dry-run"}), 0) << err;
    EXPECT_EQ(out, "would destroy it\n");
    EXPECT_EQ(err, "");
    EXPECT_EQ(zrepctl({"drill", "tank/fs", "--dry-run"}), 0) << err;
    daemon.on_io([&] {
        ASSERT_EQ(daemon.service.seen.size(), 2U);
        for (const auto& seen : daemon.service.seen) EXPECT_EQ(seen.params["dry_run"], true);
    });
}

TEST_F(Client, AFlagGivenTwiceIsNoError) {
    daemon.on_io([&] { daemon.service.runs["run-1"] = fake::finished_run("run-1", {"tank/fs"}); });
    EXPECT_EQ(zrepctl({"--json", "sync", "--json", "tank/fs"}), 0) << out << err;
    EXPECT_EQ(zrepctl({"--no-wait", "sync", "--no-wait", "tank/fs"}), 0) << out << err;
}

TEST_F(Client, VerbsThatStartNoRunRefuseNotToWait) {
    for (const char* verb : {"list", "status", "version"}) {
        EXPECT_EQ(zrepctl({verb, "--no-wait"}), 2) << verb;
        EXPECT_EQ(zrepctl({"--no-wait", verb}), 2) << verb;
        EXPECT_NE(err.find("--no-wait"), std::string::npos) << err;
    }
    EXPECT_EQ(zrepctl({"pause", "--no-wait", "tank"}), 2);
    EXPECT_EQ(zrepctl({"set", "--no-wait", "tank", "limit=1M"}), 2);
    EXPECT_EQ(calls(), 0U);
}

TEST_F(Client, ListOfNothingSaysSo) {
    EXPECT_EQ(zrepctl({"list"}), 0);
    EXPECT_NE(out.find("no pairs on alpha"), std::string::npos) << out;
    EXPECT_NE(out.find("zrepctl init"), std::string::npos) << out;
    EXPECT_EQ(err, "");
}

TEST_F(Client, SavecountAboveTheMaximumNamesIt) {
    EXPECT_EQ(zrepctl({"init", "tank/fs", "beta", "backup/fs", "--savecount=2000000"}), 2);
    EXPECT_NE(err.find("1000000"), std::string::npos) << err;
}

TEST_F(Client, ListTellsOfAPoolThatCannotBeLookedAt) {
    daemon.on_io([&] {
        daemon.service.problem =
            rpc::Trouble{"pool_unavailable", "pool tank is SUSPENDED", "zpool status tank", ""};
    });
    EXPECT_EQ(zrepctl({"list"}), 1);
    EXPECT_EQ(out, "");
    EXPECT_NE(err.find("pool tank is SUSPENDED"), std::string::npos) << err;
    EXPECT_NE(err.find("next: zpool status tank"), std::string::npos) << err;
}

TEST_F(Client, ListAndStatusOfWhatMayNotBeAllPairsAnswerAndFailAlike) {
    daemon.on_io([&] {
        daemon.service.pairs = {fake::healthy_pair("tank/fs")};
        daemon.service.problem =
            rpc::Trouble{"pool_unavailable", "pool dozer is SUSPENDED", "zpool status dozer", ""};
    });
    for (const char* verb : {"list", "status"}) {
        EXPECT_EQ(zrepctl({verb}), 1) << verb;
        EXPECT_NE(out.find("tank/fs"), std::string::npos) << verb << ": " << out;
        EXPECT_EQ(err, "zrepctl: pool dozer is SUSPENDED\n  next: zpool status dozer\n") << verb;
        EXPECT_EQ(zrepctl({verb, "--json"}), 1) << verb;
        const auto json = parse_json(out);
        ASSERT_TRUE(json) << out;
        EXPECT_EQ((*json)["pairs"][0]["dataset"], "tank/fs") << verb;
        EXPECT_EQ((*json)["problem"]["kind"], "pool_unavailable") << verb;
        EXPECT_EQ(err, "") << verb;
    }
    daemon.on_io([&] { daemon.service.problem.reset(); });
    for (const char* verb : {"list", "status"}) EXPECT_EQ(zrepctl({verb}), 0) << verb << err;
}

TEST_F(Client, StatusHasColumnsForScripts) {
    daemon.on_io([&] { daemon.service.pairs = {fake::healthy_pair("tank/fs")}; });
    EXPECT_EQ(zrepctl({"status", "-o", "role,epoch,error", "tank/fs"}), 0) << err;
    EXPECT_EQ(out, "master\t1\t-\n");
    EXPECT_EQ(zrepctl({"status", "-o", "roles", "tank/fs"}), 2);
    EXPECT_NE(err.find("the columns are dataset, role"), std::string::npos) << err;
    EXPECT_EQ(zrepctl({"status", "-o", "role", "--json", "tank/fs"}), 2);
    EXPECT_NE(out.find("either --output or --json"), std::string::npos) << out;
}

TEST_F(Client, DryRunShowsAConflictAsTheErrorThatItIs) {
    daemon.on_io([&] {
        rpc::RunResult conflict;
        conflict.dataset = "tank/fs";
        conflict.outcome = "failed";
        conflict.error = rpc::ItemError{"split_brain", "split brain: both are master", "decide"};
        rpc::RunResult unchanged;
        unchanged.dataset = "tank/same";
        unchanged.outcome = "unchanged";
        unchanged.text = "unchanged since the last sync";
        daemon.service.started.run_id = "";
        daemon.service.started.steps = {"send tank/second@zrep_000002"};
        daemon.service.started.results = {unchanged, conflict};
    });
    EXPECT_EQ(zrepctl({"sync", "--dry-run", "all"}), 5);
    EXPECT_EQ(out,
              "would send tank/second@zrep_000002\ntank/same: unchanged since the last sync\n");
    EXPECT_EQ(err, "zrepctl: tank/fs: split brain: both are master\n  next: decide\n");
    EXPECT_EQ(zrepctl({"sync", "--dry-run", "--json", "all"}), 5);
    const auto json = parse_json(out);
    ASSERT_TRUE(json) << out;
    EXPECT_EQ((*json)["results"][1]["error"]["kind"], "split_brain");
    EXPECT_EQ((*json)["steps"].size(), 1U);
}

/// A socket that is listened on by nobody who would answer.
class SilentDaemon : public testing::Test {
  protected:
    SilentDaemon() {
        listener = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const sockaddr_un at = address();
        EXPECT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
        EXPECT_EQ(::listen(listener.get(), 0), 0);
        call_limit = std::chrono::milliseconds(50);
    }
    ~SilentDaemon() override { call_limit = std::chrono::seconds(15); }
    SilentDaemon(const SilentDaemon&) = delete;
    SilentDaemon& operator=(const SilentDaemon&) = delete;

    sockaddr_un address() const {
        sockaddr_un out = {};
        out.sun_family = AF_UNIX;
        socket().copy(out.sun_path, sizeof out.sun_path - 1);
        return out;
    }
    std::string socket() const { return (dir / "zrepd.sock").string(); }
    std::string error_of_version(int status) {
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        EXPECT_EQ(dispatch({"--socket", socket(), "version"}), status);
        testing::internal::GetCapturedStdout();
        return testing::internal::GetCapturedStderr();
    }

    test::TempFolder temp;
    std::filesystem::path dir = temp.path;
    Fd listener;
};

TEST_F(SilentDaemon, IsUnreachableAndToldToBeLookedAt) {
    const std::string said = error_of_version(3);
    EXPECT_NE(said.find("zrepd does not answer"), std::string::npos) << said;
    EXPECT_NE(said.find("journalctl -u zrepd"), std::string::npos) << said;
    EXPECT_NE(said.find("systemctl restart zrepd"), std::string::npos) << said;
}

TEST_F(SilentDaemon, WithAFullQueueIsNotToldToBeStarted) {
    const Fd waiting(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un at = address();
    ASSERT_EQ(::connect(waiting.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    const std::string said = error_of_version(3);
    EXPECT_NE(said.find("takes no connection"), std::string::npos) << said;
    EXPECT_EQ(said.find("start it"), std::string::npos) << said;
    EXPECT_NE(said.find("try again"), std::string::npos) << said;
}

TEST_F(Client, ARunGoesOnInADaemonThatNoLongerAnswers) {
    std::promise<void> unstick;
    daemon.on_io([&] { daemon.service.on_run = [&] { unstick.get_future().wait(); }; });
    // Long enough for the calls before, on a busy machine.
    call_limit = std::chrono::seconds(2);
    EXPECT_EQ(zrepctl({"sync", "tank/fs"}), 3);
    call_limit = std::chrono::seconds(15);
    unstick.set_value();
    EXPECT_NE(err.find("zrepd does not answer"), std::string::npos) << err;
    EXPECT_NE(err.find("run-1 goes on"), std::string::npos) << err;
    EXPECT_NE(err.find("systemctl restart zrepd"), std::string::npos) << err;
}

}  // namespace
}  // namespace zrepd::ctl
