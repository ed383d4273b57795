// SPDX-License-Identifier: BSD-2-Clause
// The hooks in docs/examples/hooks, run by zrepd as they would be installed. `ip`, `exportfs` and
// the like are fakes that write down how they were called and remember what they were told.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "common/text.hpp"
#include "daemon/failover/hooks.hpp"
#include "tests/fakes/hook_folder.hpp"

namespace zrepd::failover {
namespace {

using test::run_task;
using test::write_program;

class HookExamples : public test::HookFolder {
  protected:
    void install(const std::string& name, const std::string& table) const {
        const test::fs::path from = test::fs::path(ZREPD_SOURCE_DIR) / "docs/examples/hooks" / name;
        for (const Hook hook : kHooks) {
            const auto folder = config.hooks_dir / (std::string(hook_name(hook)) + ".d");
            write_program(folder / ("50-" + name), test::text_of(from));
        }
        std::ofstream(config.hooks_dir / (name + ".table")) << table;
    }
    /// A program found before the real one; it notes its call, then runs `script` in the test's
    /// folder.
    void fake(const std::string& name, const std::string& script) const {
        write_program(root / "bin" / name,
                      "#!/bin/sh\ncd " + root.string() + " || exit 99\necho \"" + name +
                          " $*\" >>calls\n" + script + "\n");
    }
    /// What was called since the last time, without the questions.
    std::vector<std::string> calls() const {
        const std::string text = seen("calls");
        test::fs::remove(root / "calls");
        std::vector<std::string> out;
        for (const std::string_view line : split(trim(text), '\n')) {
            const bool asks = line.find(" -o link") != line.npos || line.ends_with(" -s") ||
                              line.find(" -o addr") != line.npos ||
                              line.find(" show ") != line.npos || line.empty();
            if (!asks) out.emplace_back(line);
        }
        return out;
    }
    std::string refusal(Hook hook) {
        const Result<void> result = run(hook);
        EXPECT_FALSE(result);
        return result ? "" : result.error().message;
    }

    using Calls = std::vector<std::string>;
    static constexpr std::chrono::seconds kPatience{20};
};

class VirtualIp : public HookExamples {
  protected:
    void SetUp() override {
        HookExamples::SetUp();
        if (IsSkipped()) return;
        install("virtual-ip",
                "# dataset interface address\n\ntank/other eth9 192.0.2.99/24\n"
                "tank/fs eth0 192.0.2.10/24");  // and no newline at the end
        fake("ip", R"sh(case "$*" in
    "-o link show dev eth0") echo "2: eth0" ;;
    "-o link show"*) echo "does not exist" >&2; exit 1 ;;
    "-o addr show dev eth0 to 192.0.2.10") cat address 2>/dev/null || true ;;
    "addr replace 192.0.2.10/24 dev eth0") echo "2: eth0 192.0.2.10/24" >address ;;
    "addr del 192.0.2.10/24 dev eth0") [ -e stuck ] || rm address ;;
    *) exit 98 ;;
esac)sh");
        fake("arping", "case \"$*\" in *-D*) [ ! -e answers ] ;; esac");
    }
};

TEST_F(VirtualIp, ComesWithThePromotionAndGoesWithTheDemotion) {
    EXPECT_TRUE(run(Hook::pre_promote));
    EXPECT_EQ(calls(), Calls());
    EXPECT_TRUE(run(Hook::post_promote));
    EXPECT_EQ(calls(),
              (Calls{"ip addr replace 192.0.2.10/24 dev eth0",
                     "arping -q -U -c 3 -w 3 -I eth0 192.0.2.10"}));
    EXPECT_TRUE(run(Hook::pre_demote));
    EXPECT_EQ(calls(), Calls{"ip addr del 192.0.2.10/24 dev eth0"});
    EXPECT_TRUE(run(Hook::post_demote)) << "nothing left to do";
    EXPECT_EQ(calls(), Calls());
}

TEST_F(VirtualIp, RefusesToDemoteWhileTheAddressStays) {
    ASSERT_TRUE(run(Hook::post_promote));
    std::ofstream(root / "stuck") << "";
    EXPECT_TRUE(refusal(Hook::pre_demote).ends_with(": '192.0.2.10/24 is still on eth0'"));
}

TEST_F(VirtualIp, AnAddressThatAnswersRefusesOnlyAnUnplannedTakeover) {
    std::ofstream(root / "answers") << "";
    EXPECT_TRUE(run(Hook::pre_promote)) << "the old master still has it";
    context.planned = false;
    EXPECT_NE(refusal(Hook::pre_promote).find("192.0.2.10/24 answers: its old host"),
              std::string::npos);
}

TEST_F(VirtualIp, RefusesWithoutTheInterfaceOrTheTable) {
    std::ofstream(config.hooks_dir / "virtual-ip.table") << "tank/fs eth7 192.0.2.10/24\n";
    EXPECT_TRUE(refusal(Hook::pre_promote).ends_with("'no interface eth7 here'"));
    std::ofstream(config.hooks_dir / "virtual-ip.table") << "tank/fs eth0\n";
    EXPECT_NE(refusal(Hook::pre_promote).find("not three columns"), std::string::npos);
    test::fs::remove(config.hooks_dir / "virtual-ip.table");
    EXPECT_NE(refusal(Hook::pre_promote).find("virtual-ip.table"), std::string::npos);
}

TEST_F(VirtualIp, LeavesOtherDatasetsAlone) {
    context.dataset = *DatasetName::parse("tank/f");
    for (const Hook hook : kHooks) EXPECT_TRUE(run(hook));
    EXPECT_EQ(calls(), Calls());
}

class NfsExport : public HookExamples {
  protected:
    void SetUp() override {
        HookExamples::SetUp();
        if (IsSkipped()) return;
        table("");
        // A restart forgets what is not in /etc/exports.
        fake("systemctl", "case $1 in is-active) [ ! -e down ] ;; restart) rm -f exports ;; esac");
        fake("exportfs", R"sh(case $1 in
    -s) cat exports 2>/dev/null || true ;;
    -o) echo "${3#*:}  ${3%%:*}($2)" >>exports ;;
    -u) [ -e stuck ] || { [ -e exports ] && rm exports; } ;;
esac)sh");
    }
    void table(const std::string& grace) const {
        install("nfs-export", "tank/fs 192.0.2.0/24 rw,fsid=7 " + grace + "\n");
    }
};

TEST_F(NfsExport, ComesWithThePromotionAndGoesWithTheDemotion) {
    EXPECT_TRUE(run(Hook::pre_promote));
    (void)calls();
    EXPECT_TRUE(run(Hook::post_promote));
    EXPECT_EQ(calls(), Calls{"exportfs -o rw,fsid=7 192.0.2.0/24:/srv/fs"});
    EXPECT_EQ(seen("exports"), "/srv/fs  192.0.2.0/24(rw,fsid=7)\n");
    EXPECT_TRUE(run(Hook::pre_demote));
    EXPECT_EQ(calls(), Calls{"exportfs -u 192.0.2.0/24:/srv/fs"});
    EXPECT_TRUE(run(Hook::post_demote)) << "exportfs fails then, and nothing is exported";
}

TEST_F(NfsExport, RefusesToDemoteWhileItIsExported) {
    ASSERT_TRUE(run(Hook::post_promote));
    std::ofstream(root / "stuck") << "";
    EXPECT_TRUE(refusal(Hook::pre_demote).ends_with("'/srv/fs is still exported to 192.0.2.0/24'"));
}

TEST_F(NfsExport, RefusesToPromoteWhereNoServerRuns) {
    std::ofstream(root / "down") << "";
    EXPECT_NE(refusal(Hook::pre_promote).find("nfs-server does not run here"), std::string::npos);
}

TEST_F(NfsExport, AGracePeriodBeginsWithARestartThatForgetsNothing) {
    table("grace");
    EXPECT_TRUE(run(Hook::post_promote));
    EXPECT_EQ(calls(),
              (Calls{"exportfs -o rw,fsid=7 192.0.2.0/24:/srv/fs",
                     "systemctl restart nfs-server",
                     "exportfs -o rw,fsid=7 192.0.2.0/24:/srv/fs"}));
    EXPECT_EQ(seen("exports"), "/srv/fs  192.0.2.0/24(rw,fsid=7)\n");
}

TEST_F(NfsExport, WithoutAMountpointThereIsNothingToExport) {
    context.mountpoint = "";
    EXPECT_TRUE(run(Hook::post_promote));
    EXPECT_TRUE(run(Hook::pre_demote));
    EXPECT_EQ(calls(), Calls());
}

class SystemdUnit : public HookExamples {
  protected:
    void SetUp() override {
        HookExamples::SetUp();
        if (IsSkipped()) return;
        install("systemd-unit", "tank/fs db.service\ntank/other x.service\ntank/fs web.service\n");
        fake("systemctl", R"sh(for last; do :; done
case "$1 $3" in
    "show ActiveState") if [ -e "$last" ]; then cat "$last"; else echo inactive; fi ;;
    "show LoadState")
        if [ "$last" = "$(cat missing 2>/dev/null)" ]; then echo not-found; else echo loaded; fi ;;
    start*)
        [ ! -e "no-$last" ] || { echo "Job for $last failed." >&2; exit 1; }
        echo active >"$last" ;;
    stop*)
        [ ! -e "slow-$last" ] || exec sleep 610
        if [ -e "no-$last" ]; then echo deactivating >"$last"; exit 1; fi
        rm "$last" ;;
esac)sh");
    }
};

TEST_F(SystemdUnit, StartInTheTablesOrderAndStopTheOtherWayRound) {
    EXPECT_TRUE(run(Hook::pre_promote));
    EXPECT_EQ(calls(), Calls());
    EXPECT_TRUE(run(Hook::post_promote));
    EXPECT_EQ(calls(), (Calls{"systemctl start -- db.service", "systemctl start -- web.service"}));
    EXPECT_TRUE(run(Hook::pre_demote));
    EXPECT_EQ(calls(), (Calls{"systemctl stop -- web.service", "systemctl stop -- db.service"}));
    EXPECT_TRUE(run(Hook::post_demote));
    EXPECT_EQ(calls(), Calls()) << "nothing left to stop";
}

TEST_F(SystemdUnit, OneThatDoesNotStopRefusesAndWhatWasStoppedComesBack) {
    ASSERT_TRUE(run(Hook::post_promote));
    std::ofstream(root / "no-db.service") << "";
    EXPECT_NE(refusal(Hook::pre_demote).find("'unit db.service did not stop, it is deactivating"),
              std::string::npos);
    EXPECT_EQ(seen("web.service"), "active\n");
}

TEST_F(SystemdUnit, AfterTheDemotionNothingComesBack) {
    ASSERT_TRUE(run(Hook::post_promote));
    std::ofstream(root / "no-db.service") << "";
    EXPECT_FALSE(run(Hook::post_demote));
    EXPECT_FALSE(test::fs::exists(root / "web.service"));
}

TEST_F(SystemdUnit, OneThatStopsForTooLongRefusesAndComesBack) {
    ASSERT_TRUE(run(Hook::post_promote));
    std::ofstream(root / "slow-db.service") << "";
    config.hook_timeout = std::chrono::seconds(1);
    const std::string message = refusal(Hook::pre_demote);
    EXPECT_NE(message.find("out of time: the TimeoutStopSec= of db.service"), std::string::npos)
        << message;
    EXPECT_EQ(seen("web.service"), "active\n");
    const Calls seen_calls = calls();
    EXPECT_NE(
        std::find(seen_calls.begin(), seen_calls.end(), "systemctl start --no-block -- db.service"),
        seen_calls.end());
}

TEST_F(SystemdUnit, RefusesToPromoteWithoutTheUnit) {
    std::ofstream(root / "missing") << "web.service";
    EXPECT_NE(refusal(Hook::pre_promote).find("unit web.service cannot be started here"),
              std::string::npos);
}

TEST_F(SystemdUnit, OneThatDoesNotStartKeepsNoOtherFromIt) {
    std::ofstream(root / "no-db.service") << "";
    EXPECT_TRUE(refusal(Hook::post_promote).ends_with("'did not start: db.service'"));
    EXPECT_EQ(seen("web.service"), "active\n");
}

class MailOnTrouble : public HookExamples {
  protected:
    void SetUp() override {
        HookExamples::SetUp();
        std::string script =
            test::text_of(test::fs::path(ZREPD_SOURCE_DIR) / "docs/examples/hooks/mail-on-trouble");
        const std::string kept = "/run/zrepd-mail\n";
        script.replace(script.rfind("=" + kept) + 1, kept.size() - 1, (root / "kept").string());
        write_program(program("event.d/50-mail"), script);
        fake("mail", "cat >>mails");
    }
    void tell(const std::string& event) {
        const HookJob job{
            .program = program("event.d/50-mail"), .input = event, .limit = kPatience};
        const HookEnd end = run_task(io, run_hook_program(processes, job));
        EXPECT_TRUE(end.result) << end.result.error().text();
    }
};

TEST_F(MailOnTrouble, TellsWhatFailedOnceInAnHour) {
    const std::string failed =
        R"({"event":"run_finished","run":{"results":[{"dataset":"tank/a","outcome":"done"},)"
        R"({"dataset":"tank/b","outcome":"failed","error":{"message":"no 'route'","remedy":"wait"}}]}})";
    tell(failed);
    tell(failed);
    EXPECT_EQ(calls().size(), 1U);
    EXPECT_NE(seen("mails").find("tank/b: no 'route'\n  next: wait\n"), std::string::npos);
    EXPECT_EQ(seen("mails").find("tank/a:"), std::string::npos);
}

TEST_F(MailOnTrouble, TellsOfRolesAndNotOfWhatWentWell) {
    tell(R"({"event":"run_finished","run":{"results":[{"dataset":"tank/a","outcome":"done"}]}})");
    tell(R"({"event":"peer_up","text":"beta"})");
    EXPECT_TRUE(calls().empty());
    tell(R"({"event":"role_changed","dataset":"tank/fs","text":"master, epoch 8"})");
    EXPECT_EQ(calls().size(), 1U);
    EXPECT_NE(seen("mails").find("role_changed tank/fs: master, epoch 8"), std::string::npos);
    tell(R"({"event":"split_brain","dataset":"tank/fs","text":"both are master"})");
    tell(R"({"event":"pool_unavailable","dataset":"tank","text":"it is suspended"})");
    EXPECT_EQ(calls().size(), 2U);
}

TEST_F(HookExamples, AreCleanForShellcheck) {
    std::vector<std::string> argv{"shellcheck"};
    const test::fs::path folder = test::fs::path(ZREPD_SOURCE_DIR) / "docs/examples/hooks";
    for (const auto& entry : test::fs::directory_iterator(folder)) {
        EXPECT_EQ(::access(entry.path().c_str(), X_OK), 0) << entry.path();
        argv.push_back(entry.path());
    }
    EXPECT_EQ(argv.size(), 5U);
    const Result<Output> output = run_task(io, processes.run(std::move(argv), kPatience * 3));
    ASSERT_TRUE(output) << output.error().text() << "; tests/lab/packages names it";
    EXPECT_TRUE(output->status.ok()) << output->out;
}

}  // namespace
}  // namespace zrepd::failover
