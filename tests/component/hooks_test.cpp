// SPDX-License-Identifier: BSD-2-Clause
// Hooks with real programs: order, refusals, time limits, and who is run at all.
#include "daemon/failover/hooks.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "common/json.hpp"
#include "common/text.hpp"
#include "daemon/async/signal.hpp"
#include "tests/fakes/hook_folder.hpp"

namespace zrepd::failover {
namespace {

using namespace std::chrono_literals;
using test::run_task;
using test::write_program;

class Hooks : public test::HookFolder {
  protected:
    /// What refused, after checking that it says so in the way of a refusal.
    Error refusal(Hook hook) {
        const Result<void> result = run(hook);
        if (result) {
            ADD_FAILURE() << "it was not refused";
            return {};
        }
        EXPECT_EQ(result.error().code, Code::refused_by_hook);
        EXPECT_EQ(info(result.error().code).exit_status, 5);
        return result.error();
    }
    static bool has(const std::string& text, const std::string& part) {
        return text.find(part) != text.npos;
    }
};

TEST_F(Hooks, NoFolderIsNoHook) {
    for (const Hook hook : kHooks) EXPECT_TRUE(run(hook));
    EXPECT_EQ(processes.started(), 0U);
}

TEST_F(Hooks, AHooksDirThatIsGoneRefusesUnlessItIsTheDefault) {
    test::fs::remove(config.hooks_dir);
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, config.hooks_dir));
    // Looked at only: this host may have hooks of its own, and they are in order or there are none.
    config.hooks_dir = config::kDefaultHooksDir;
    EXPECT_TRUE(programs_of(config, Hook::pre_demote).unusable.empty());
}

TEST_F(Hooks, RunInTheOrderOfTheirNamesAndOnlyThoseOfTheHook) {
    put("pre-demote.d/20-b", "echo b >>$T/seen");
    put("pre-demote.d/10-c", "echo c >>$T/seen");
    put("pre-demote.d/30-a", "echo a >>$T/seen");
    put("post-demote.d/10-x", "echo x >>$T/seen");
    EXPECT_TRUE(run(Hook::pre_demote));
    EXPECT_EQ(seen("seen"), "c\nb\na\n");
}

TEST_F(Hooks, GetTheirContextAsOneJsonObject) {
    put("post-promote.d/10-x", "cat >$T/stdin; echo \"$0 $#\" >$T/args");
    ASSERT_TRUE(run(Hook::post_promote));
    const Result<Json> json = parse_json(seen("stdin"));
    ASSERT_TRUE(json) << seen("stdin");
    EXPECT_EQ((*json)["version"], 1);
    EXPECT_EQ((*json)["hook"], "post-promote");
    EXPECT_EQ((*json)["host"], "alpha");
    EXPECT_EQ((*json)["dataset"], "tank/fs");
    EXPECT_EQ((*json)["epoch"], 8);
    EXPECT_EQ((*json)["planned"], true);
    EXPECT_EQ(seen("args"), program("post-promote.d/10-x").string() + " 0\n");
}

TEST_F(Hooks, GetAFixedEnvironmentAndNothingFromOutside) {
    ::setenv("SSH_AUTH_SOCK", "/tmp/agent", 1);
    ::setenv("HOME", "/somewhere", 1);
    write_program(program("pre-demote.d/10-x"),
                  "#!/usr/bin/env -S sh -c 'env >" + (root / "env").string() + "'\n");
    ASSERT_TRUE(run(Hook::pre_demote));
    const std::string environment = seen("env");
    EXPECT_TRUE(has(environment, "LC_ALL=C\n")) << environment;
    EXPECT_TRUE(has(environment, "PATH=" + root.string() + "/bin:")) << environment;
    EXPECT_FALSE(has(environment, "SSH_AUTH_SOCK")) << environment;
    EXPECT_FALSE(has(environment, "HOME=")) << environment;
}

TEST_F(Hooks, ThatDoNotReadTheirInputAreFine) {
    put("pre-demote.d/10-x", "exec <&-; exit 0");
    EXPECT_TRUE(run(Hook::pre_demote));
}

TEST_F(Hooks, TheFirstThatFailsRefusesWithItsWords) {
    put("pre-demote.d/10-a", "echo a >>$T/seen");
    put("pre-demote.d/20-b", "echo looking >&2; echo 'unit db does not \tstop' >&2; exit 3");
    put("pre-demote.d/30-c", "echo c >>$T/seen");
    const Error error = refusal(Hook::pre_demote);
    EXPECT_EQ(error.message,
              "the hook '" + program("pre-demote.d/20-b").string() +
                  "' refused with exit status 3: 'unit db does not \\x09stop'");
    EXPECT_TRUE(has(error.remedy,
                    "mv '" + program("pre-demote.d/20-b").string() + "' '" +
                        program("pre-demote.d/20-b.bak").string() + "'"));
    EXPECT_EQ(seen("seen"), "a\n");
}

TEST_F(Hooks, TheRemedyWorks) {
    put("pre-promote.d/20-b", "exit 1");
    const Error error = refusal(Hook::pre_promote);
    EXPECT_TRUE(has(error.message, "refused with exit status 1, and said nothing on stderr"));
    const std::string command = error.remedy.substr(error.remedy.find("mv '"));
    // Pasted into a shell, as its reader does.
    std::vector<std::string> argv{"sh", "-c", command};
    ASSERT_TRUE(run_task(io, processes.run(std::move(argv), 20s)));
    EXPECT_TRUE(run(Hook::pre_promote));
}

TEST_F(Hooks, AfterTheChangeAllRunAndAllFailuresAreTold) {
    put("post-promote.d/10-a", "echo no address >&2; exit 1");
    put("post-promote.d/20-b", "kill -KILL $$");
    put("post-promote.d/30-c", "echo c >>$T/seen");
    const Result<void> result = run(Hook::post_promote);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::io_error);
    EXPECT_TRUE(has(result.error().message, "10-a' failed with exit status 1: 'no address'; "))
        << result.error().message;
    EXPECT_TRUE(has(result.error().message, "20-b' was killed by signal 9"));
    EXPECT_EQ(seen("seen"), "c\n");
}

TEST_F(Hooks, NothingRunsBeforeTheChangeWhenOneOfThemCannot) {
    put("pre-demote.d/10-a", "echo a >>$T/seen");
    put("pre-demote.d/20-b", "echo b >>$T/seen");
    const std::string file = program("pre-demote.d/20-b");
    ASSERT_EQ(::chown(file.c_str(), 65534, 65534), 0);
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, file + "' is not run: it belongs to uid "));
    ASSERT_EQ(::chown(file.c_str(), 0, 0), 0);
    ASSERT_EQ(::chmod(file.c_str(), 0644), 0);
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, "is not executable"));
    ASSERT_EQ(::chmod(file.c_str(), 0775), 0);
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, "others than root may write"));
    test::fs::remove(file);
    test::fs::create_symlink("10-a", file);
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, "a symbolic link"));
    test::fs::remove(file);
    ASSERT_EQ(::mkfifo(file.c_str(), 0755), 0);
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, "no regular file"));
    EXPECT_EQ(seen("seen"), "");
    EXPECT_EQ(processes.started(), 0U);
}

TEST_F(Hooks, AfterTheChangeOneThatCannotRunIsToldAndTheRestRuns) {
    put("post-demote.d/10-a", "echo a >>$T/seen");
    put("post-demote.d/20-b", "echo b >>$T/seen");
    ASSERT_EQ(::chmod(program("post-demote.d/20-b").c_str(), 0644), 0);
    const Result<void> result = run(Hook::post_demote);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::io_error);
    EXPECT_TRUE(has(result.error().message, "20-b' is not executable"));
    EXPECT_EQ(seen("seen"), "a\n");
}

TEST_F(Hooks, AreNotRunFromAFolderThatOthersMayChange) {
    put("pre-demote.d/10-a", "echo a >>$T/seen");
    ASSERT_EQ(::chown(config.hooks_dir.c_str(), 65534, 0), 0);
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, "no hook is run from"));
    ASSERT_EQ(::chown(config.hooks_dir.c_str(), 0, 0), 0);
    ASSERT_EQ(::chmod(program("pre-demote.d").c_str(), 0777), 0);
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, "no hook is run from"));
    EXPECT_EQ(seen("seen"), "");
}

TEST_F(Hooks, AFolderThatIsNoneIsNoAbsence) {
    std::ofstream(program("pre-demote.d")) << "x";
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, "pre-demote.d' has to be a directory"));
    test::fs::remove(program("pre-demote.d"));
    test::fs::create_symlink("nowhere", program("pre-demote.d"));
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, "No such file"));
}

TEST_F(Hooks, AProgramThatCannotBeExecutedRefuses) {
    write_program(program("pre-demote.d/10-x"), "echo no first line\n");
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, "has no first line \"#!/bin/sh\""));
    write_program(program("pre-demote.d/10-x"), "#!/nowhere/python\n");
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, "needs an interpreter that is not there"));
}

TEST_F(Hooks, OneThatTakesTooLongIsStoppedAndRefuses) {
    config.hook_timeout = 1s;
    put("pre-demote.d/10-x", "echo waiting for db >&2; exec sleep 603");
    const auto began = std::chrono::steady_clock::now();
    const Error error = refusal(Hook::pre_demote);
    EXPECT_TRUE(
        has(error.message, "10-x' did not end within 1 s and was stopped: 'waiting for db'"))
        << error.message;
    EXPECT_LT(std::chrono::steady_clock::now() - began, 1s + kTerminateGrace);
    EXPECT_TRUE(processes.running().empty());
}

TEST_F(Hooks, OneThatTidiesUpAfterTheTimeLimitStillRefuses) {
    config.hook_timeout = 1s;
    put("pre-demote.d/10-x", "trap 'echo tidied >$T/seen; exit 0' TERM; sleep 604 & wait");
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, "did not end within 1 s"));
    EXPECT_EQ(seen("seen"), "tidied\n");
}

TEST_F(Hooks, OneThatIgnoresTermIsKilledWithItsWholeGroup) {
    config.hook_timeout = 1s;
    put("pre-demote.d/10-x",
        "trap '' TERM; sleep 605 & echo $! >$T/pid; while :; do sleep 606; done");
    const auto began = std::chrono::steady_clock::now();
    (void)refusal(Hook::pre_demote);
    EXPECT_GE(std::chrono::steady_clock::now() - began, 1s + kTerminateGrace);
    const auto pid = static_cast<pid_t>(parse_u64(trim(seen("pid"))).value());
    for (int i = 0; i < 500 && ::kill(pid, 0) == 0; ++i) ::usleep(10'000);
    // A zombie that nobody reaps in a container without an init still answers.
    const std::string stat = test::text_of("/proc/" + std::to_string(pid) + "/stat");
    EXPECT_TRUE(stat.empty() || has(stat, ") Z ")) << stat;
}

TEST_F(Hooks, ADaemonLeftBehindIsNotWaitedForAndGoesOn) {
    put("post-promote.d/10-x", "setsid sleep 607 & echo $! >$T/pid; echo started >&2");
    put("post-promote.d/20-y", "sleep 608 & echo $! >$T/pid2; echo y >$T/seen");
    const auto began = std::chrono::steady_clock::now();
    EXPECT_TRUE(run(Hook::post_promote));
    EXPECT_LT(std::chrono::steady_clock::now() - began, 20s);
    EXPECT_EQ(seen("seen"), "y\n");
    for (const char* name : {"pid", "pid2"}) {
        const auto pid = static_cast<pid_t>(parse_u64(trim(seen(name))).value());
        EXPECT_EQ(::kill(pid, SIGKILL), 0) << "it was ended with its hook";
    }
}

TEST_F(Hooks, BigOutputNeitherBlocksNorFillsTheMemory) {
    put("pre-demote.d/10-x",
        "head -c 100000000 /dev/zero; head -c 3000000 /dev/zero | tr '\\0' a >&2; "
        "echo >&2; echo the reason >&2; exit 1");
    EXPECT_TRUE(has(refusal(Hook::pre_demote).message, ": 'the reason'"));
    put("pre-demote.d/10-x", "head -c 3000000 /dev/zero | tr '\\0' a >&2; exit 1");
    EXPECT_LT(refusal(Hook::pre_demote).message.size(), 1000U);
}

Task<> cancel_soon(TaskGroup& group) {
    co_await sleep_for(100ms);
    group.cancel();
}

TEST_F(Hooks, ACancelStopsTheProgramAndRunsNoOther) {
    put("post-demote.d/10-x", "exec sleep 609");
    put("post-demote.d/20-y", "echo y >$T/seen");
    std::optional<Result<void>> result;
    TaskGroup group(io.get_executor());
    TaskGroup others(io.get_executor());
    group.spawn(
        "hooks",
        test::detail::store(run_hooks(processes, config, Hook::post_demote, context), &result));
    others.spawn("cancel", cancel_soon(group));
    test::run_until(io, [&] { return group.size() + others.size() == 0; });
    ASSERT_TRUE(result.has_value());
    ASSERT_FALSE(*result);
    EXPECT_EQ(result->error().code, Code::cancelled);
    EXPECT_EQ(seen("seen"), "");
    EXPECT_TRUE(processes.running().empty());
}

TEST_F(Hooks, CheckFindsWhatWouldRefuseAndWhatWouldNeverRun) {
    put("post-promote.d/10-x", "exit 0");
    test::fs::create_directory(program("lib"));
    std::ofstream(program("virtual-ip.table")) << "#\n";
    EXPECT_TRUE(check_hooks(config));
    ASSERT_EQ(::chmod(program("post-promote.d/10-x").c_str(), 0644), 0);
    auto found = check_hooks(config);
    ASSERT_FALSE(found);
    EXPECT_EQ(info(found.error().code).exit_status, 2);
    EXPECT_TRUE(has(found.error().message, "10-x' is not executable"));
    ASSERT_EQ(::chmod(program("post-promote.d/10-x").c_str(), 0755), 0);
    for (const char* name : {"pre-demote", "pre_demote.d", "post-takeover.d", "predemote.d"}) {
        put(std::string(name) + (test::fs::path(name).has_extension() ? "/10-x" : ""), "exit 0");
        found = check_hooks(config);
        ASSERT_FALSE(found) << name;
        EXPECT_TRUE(has(found.error().message, std::string(name) + "' is never run")) << name;
        test::fs::remove_all(program(name));
    }
}

}  // namespace
}  // namespace zrepd::failover
