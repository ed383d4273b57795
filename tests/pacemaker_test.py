# SPDX-License-Identifier: BSD-2-Clause
"""usage: pacemaker_test.py: the resource agent for Pacemaker, systemd/zrepd-ocf.

Its shell, ocf-shellfuncs and ocf-tester are Debian's; zrepctl and Pacemaker's tools are fakes that write
down how they were called and answer from files. system.test_pacemaker runs it with the real zrepd."""
import concurrent.futures
import itertools
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]
AGENT = ROOT / "systemd/zrepd-ocf"
TESTER = "/usr/sbin/ocf-tester"
OK, GENERIC, ARGS, UNIMPLEMENTED = 0, 1, 2, 3
INSTALLED, CONFIGURED, NOT_RUNNING, PROMOTED, FAILED_PROMOTED = 5, 6, 7, 8, 9
DEGRADED, DEGRADED_PROMOTED = 190, 191

ZREPCTL = r"""#!/bin/sh
# $FAKE/pair is a line of zrepctl status -o role,peer,lag_seconds,fenced,health,error.
cd "$FAKE" || exit 99
echo "$*" >>calls
[ "$1" != --socket ] || shift 2
case $1 in
    status)
        [ ! -e dead ] || { echo "zrepctl: zrepd does not answer" >&2; exit 3; }
        [ -e pair ] || { echo "zrepctl: tank/fs is no pair" >&2; exit 5; }
        cat pair ;;
    sync) [ ! -e sync_hangs ] || exec sleep 60; exit "$(cat sync_status 2>/dev/null || echo 0)" ;;
    takeover)
        if [ "$2" = -L ]; then status=$(cat forced_status 2>/dev/null || echo 0)
        else
            [ ! -e takeover_hangs ] || exec sleep 60
            status=$(cat takeover_status 2>/dev/null || echo 0)
        fi
        [ "$status" = 0 ] || { echo "zrepctl: tank/fs: beta says no" >&2; exit "$status"; }
        printf 'master\tbeta\t0\tno\tok\t-\n' >pair ;;
    *) exit 98 ;;
esac
"""
CRM_ATTRIBUTE = r"""#!/bin/sh
case "$*" in
    *stonith-enabled*) cat "$FAKE/stonith_enabled" 2>/dev/null || echo true ;;
    "--promotion -v "*) echo "$3" >"$FAKE/score" ;;
    "--promotion -D") rm -f "$FAKE/score" ;;
    *) exit 98 ;;
esac
"""
CRM_NODE = '#!/bin/sh\n[ "$*" = -l ] && cat "$FAKE/nodes"\n'
# As Pacemaker 2.1.5 says it.
STONITH_ADMIN = r"""#!/bin/sh
[ "$1 $3" = "--history --quiet" ] || exit 98
cat "$FAKE/fenced_$2" 2>/dev/null
echo "0 events found"
"""

# What zrepd says of the pair; None: it does not answer; "": no pair.
ZREPD = {"master": "master\tbeta\t3\tno\tok\t-", "target": "target\tbeta\t3\tno\tok\t-",
         "failing": "target\tbeta\t3\tno\tfailing\tno_space", "broken": "target\tbeta\t3\tno\tfailing\tstream_failed",
         "hidden": "master\tbeta\t3\tyes\tfailing\tpeer_unreachable",
         "initializing": "initializing\tbeta\t-\tno\tok\t-",
         "suspended": "master\tbeta\t3\tno\tfailing\tpool_unavailable",
         "split": "master\tbeta\t3\tno\tsplit_brain\tsplit_brain", "dead": None, "none": ""}


class World:
    """One node: a folder of state, and the agent run on it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        for name, text in (("zrepctl", ZREPCTL), ("crm_attribute", CRM_ATTRIBUTE), ("crm_node", CRM_NODE),
                           ("stonith_admin", STONITH_ADMIN)):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o755)
        self.set("nodes", "1 alpha member\n2 beta member\n")
        self.parameters = {"dataset": "tank/fs"}
        self.timeout_ms = 6000  # leaves the agent one second to wait

    def set(self, name, text=""):
        (self.folder / name).write_text(text)

    def get(self, name):
        path = self.folder / name
        return path.read_text().strip() if path.exists() else None

    def zrepd(self, name):
        for file in ("pair", "dead"):
            (self.folder / file).unlink(missing_ok=True)
        line = ZREPD.get(name, name)
        if line is None:
            self.set("dead")
        elif line:
            self.set("pair", line + "\n")

    def noted(self, state):
        if state:
            (self.folder / "zrepd-fs").mkdir(exist_ok=True)
            self.set("zrepd-fs/state", state + "\n")

    def state(self):
        return self.get("zrepd-fs/state")

    def fence(self, ago=0):
        self.set("nodes", "1 alpha member\n2 beta lost\n")
        self.set("fenced_beta", f"{int(time.time()) - ago}\n")

    def environment(self):
        out = {key: value for key, value in os.environ.items() if not key.startswith(("OCF_", "HA_", "__OCF"))}
        out |= {"FAKE": str(self.folder), "ZREPCTL": str(self.folder / "zrepctl"), "HA_SBIN_DIR": str(self.folder),
                "HA_RSCTMP": str(self.folder), "OCF_ROOT": "/usr/lib/ocf", "OCF_RESOURCE_INSTANCE": "fs:1",
                "OCF_RA_VERSION_MAJOR": "1", "OCF_RESKEY_CRM_meta_on_node": "alpha",
                "OCF_RESKEY_CRM_meta_timeout": str(self.timeout_ms)}
        return out | {"OCF_RESKEY_" + key: value for key, value in self.parameters.items()}

    def run(self, action):
        """(exit status, what it wrote to stderr)"""
        done = subprocess.run([AGENT, action], env=self.environment(), capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        return done.returncode, done.stderr

    def calls(self):
        """What zrepctl was asked for but its status."""
        return [line for line in (self.get("calls") or "").splitlines() if "status" not in line.split()]


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.world = self.new_world()

    def new_world(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)  # ocf-tester looks at the agent as nobody
        return World(folder.name)

    def expect(self, action, code, text=""):
        got, said = self.world.run(action)
        self.assertEqual(got, code, f"{action}: {said}")
        self.assertIn(text, said)


class Table(Case):
    """The exit status of every action in every state, with what is noted afterwards."""

    # action, noted before -> {what zrepd says: (exit status, noted after)}; "*": all others.
    ROWS = {
        ("monitor", ""): {"*": (NOT_RUNNING, None)},
        ("monitor", "unpromoted"): {"dead": (DEGRADED, "unpromoted"), "none": (GENERIC, "unpromoted"),
                                    "*": (OK, "unpromoted")},
        ("monitor", "promoted"): {"master": (PROMOTED, "promoted"), "split": (PROMOTED, "promoted"),
                                  "dead": (DEGRADED_PROMOTED, "promoted"), "*": (FAILED_PROMOTED, "promoted")},
        ("start", ""): {"initializing": (GENERIC, None), "dead": (GENERIC, None), "none": (ARGS, None),
                        "*": (OK, "unpromoted")},
        ("start", "unpromoted"): {"*": (OK, "unpromoted")},
        ("start", "promoted"): {"*": (OK, "promoted")},
        ("stop", ""): {"*": (OK, None)},
        ("stop", "unpromoted"): {"*": (OK, None)},
        ("stop", "promoted"): {"suspended": (GENERIC, "promoted"), "*": (OK, None)},
        ("promote", ""): {"*": (NOT_RUNNING, None)},
        ("promote", "unpromoted"): {"master": (OK, "promoted"), "target": (OK, "promoted"),
                                    "failing": (OK, "promoted"), "broken": (OK, "promoted"),
                                    "*": (GENERIC, "unpromoted")},
        ("promote", "promoted"): {"master": (OK, "promoted"), "target": (OK, "promoted"),
                                  "failing": (OK, "promoted"), "broken": (OK, "promoted"),
                                  "*": (GENERIC, "promoted")},
        ("demote", ""): {"*": (NOT_RUNNING, None)},
        ("demote", "unpromoted"): {"*": (OK, "unpromoted")},
        ("demote", "promoted"): {"suspended": (GENERIC, "promoted"), "*": (OK, "unpromoted")},
    }

    def one(self, row):
        (action, noted), zrepd = row
        world = self.new_world()
        world.noted(noted)
        world.zrepd(zrepd)
        code, said = world.run(action)
        expected = self.ROWS[action, noted].get(zrepd) or self.ROWS[action, noted]["*"]
        got = (code, world.state())
        problem = None if got == expected else f"{row}: {got}, not {expected}: {said}"
        # Pacemaker shows the reason of a failure; there is one for each that is not a plain answer.
        if not problem and code in (GENERIC, ARGS, FAILED_PROMOTED) and "ocf-exit-reason:" not in said:
            problem = f"{row}: fails without a reason: {said}"
        return problem

    def test_every_action_in_every_state(self):
        rows = list(itertools.product(self.ROWS, ZREPD))
        self.assertEqual(len(rows), 15 * 10)
        with concurrent.futures.ThreadPoolExecutor(4) as some:
            self.assertEqual([problem for problem in some.map(self.one, rows) if problem], [])


class Tester(Case):
    """ocf-tester of Debian's resource-agents."""

    def ocf_tester(self, zrepd):
        self.world.zrepd(zrepd)
        environment = self.world.environment()
        del environment["OCF_RESOURCE_INSTANCE"], environment["OCF_RESKEY_dataset"]
        return subprocess.run([TESTER, "-n", "fs", "-o", "dataset=tank/fs", str(AGENT)], env=environment,
                              capture_output=True, text=True, timeout=300)

    def test_passes_on_either_side(self):
        for zrepd in ("master", "target"):
            done = self.ocf_tester(zrepd)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(done.stdout.splitlines(), [
                f"Beginning tests for {AGENT}...",
                "* Your agent does not support the notify action (optional)",
                "* Your agent does not support the reload action (optional)",
                f"{AGENT} passed all tests"], done.stderr)

    def test_fails_where_zrepd_does_not_run(self):
        """The test above is one that can fail."""
        done = self.ocf_tester("dead")
        self.assertEqual(done.returncode, 1)
        self.assertIn("* rc=1: Start failed.", done.stdout)


class Parameters(Case):
    def setUp(self):
        super().setUp()
        self.world.zrepd("target")

    def test_wrong_ones_are_refused(self):
        for change, code, text in (
                ({"dataset": ""}, CONFIGURED, "is no filesystem or volume"),
                ({"dataset": "-L"}, CONFIGURED, "is no filesystem or volume"),
                ({"dataset": "tank/fs@snap"}, CONFIGURED, "is no filesystem or volume"),
                ({"dataset": "tank/fs\nother"}, CONFIGURED, "is no filesystem or volume"),
                ({"dataset": "beta=backup/fs;gamma=tank/fs"}, ARGS, "has no name for node alpha"),
                ({"dataset": "alpha=-x;beta=backup/fs"}, CONFIGURED, "is no filesystem or volume"),
                ({"forced_takeover": "always"}, CONFIGURED, "it may be fenced or never"),
                ({"max_lag": "1h"}, CONFIGURED, "it takes seconds"),
                ({"max_lag": "-1"}, CONFIGURED, "it takes seconds"),
                ({"max_lag": "12345678901"}, CONFIGURED, "it takes seconds"),
                ({"CRM_meta_promoted_max": "2"}, CONFIGURED, "promoted-max must be 1"),
                ({"CRM_meta_globally_unique": "true"}, CONFIGURED, "globally-unique false")):
            self.world.parameters = {"dataset": "tank/fs"} | change
            for action in ("validate-all", "start"):
                self.expect(action, code, text)
        self.assertIsNone(self.world.state())

    def test_the_dataset_may_have_another_name_on_each_node(self):
        self.world.parameters["dataset"] = "beta=backup/f s;alpha=tank/f s"
        self.expect("start", OK)
        self.assertRegex(self.world.get("calls"), r"^status -o \S+ tank/f s$")

    def test_a_node_without_zrepd_is_told_of_by_start_and_not_by_a_probe(self):
        (self.world.folder / "zrepctl").unlink()
        self.expect("monitor", NOT_RUNNING)
        self.expect("stop", OK)
        self.expect("start", INSTALLED, "install zrepd on this node")

    def test_the_socket_is_passed_on(self):
        self.world.parameters["socket"] = "/run/other.sock"
        self.expect("start", OK)
        self.expect("promote", OK)
        self.assertEqual(self.world.calls(), ["--socket /run/other.sock takeover tank/fs"])

    def test_unknown_actions(self):
        self.expect("notify", UNIMPLEMENTED)
        self.expect("reload", UNIMPLEMENTED)

    def test_the_meta_data_names_what_the_agent_takes(self):
        done = subprocess.run([AGENT, "meta-data"], capture_output=True, text=True, timeout=20, check=True)
        named = set(re.findall(r'<parameter name="(\w+)"', done.stdout))
        used = {name for name in re.findall(r"OCF_RESKEY_([a-z]\w+)", AGENT.read_text())}
        self.assertEqual(named, used)
        page = (ROOT / "docs/pacemaker.md").read_text()
        for name in named:
            self.assertIn(f"| `{name}` |", page)
        for name, seconds in re.findall(r'<action name="(start|stop|promote|demote)" timeout="(\d+)s"', done.stdout):
            self.assertIn(f"{name} timeout={seconds}s", page, "the example has the advised times")

    def test_is_clean_for_shellcheck(self):
        done = subprocess.run(["shellcheck", "-s", "sh", AGENT], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, ""))


class Fence(Case):
    """A master that zrep:fence keeps unmounted after a boot serves nobody: it must not look promoted."""

    def test_is_not_promoted_before_it_is_mounted(self):
        self.world.noted("unpromoted")
        self.world.zrepd("hidden")
        self.expect("promote", GENERIC, "zrepctl unfence")
        self.assertEqual(self.world.state(), "unpromoted")

    def test_a_promoted_one_has_failed(self):
        self.world.noted("promoted")
        self.world.zrepd("hidden")
        self.expect("monitor", FAILED_PROMOTED, "zrep:fence")


class Score(Case):
    def test_follows_role_and_freshness(self):
        for noted, zrepd, score in (("promoted", "master", "1000"), ("unpromoted", "master", "900"),
                                    ("unpromoted", "target", "100"), ("unpromoted", "failing", None),
                                    ("unpromoted", "broken", "100"),
                                    ("unpromoted", "split", None), ("unpromoted", "suspended", None),
                                    ("unpromoted", "initializing", None), ("unpromoted", "dead", None),
                                    ("unpromoted", "target\tbeta\t61\tno\tok\t-", "10"),
                                    ("unpromoted", "target\tbeta\t-\tno\tok\t-", "10"),
                                    ("unpromoted", "target\tbeta\t60\tno\tok\t-", "100")):
            self.world.parameters["max_lag"] = "60"
            self.world.noted(noted)
            self.world.zrepd(zrepd)
            self.world.set("score", "7")
            self.world.run("monitor")
            self.assertEqual(self.world.get("score"), score, (noted, zrepd))

    def test_changes_with_every_action(self):
        self.world.zrepd("target")
        for action, score in (("start", "100"), ("promote", "1000"), ("demote", "900"), ("stop", None)):
            self.expect(action, OK)
            self.assertEqual(self.world.get("score"), score, action)

    def test_a_cluster_that_does_not_answer_stops_nothing(self):
        for tool in ("crm_attribute", "crm_node", "stonith_admin"):
            (self.world.folder / tool).write_text("#!/bin/sh\nexit 1\n")
        self.world.zrepd("target")
        for action in ("start", "promote", "demote", "stop"):
            self.expect(action, OK, "the promotion score could not be set")


class Promotion(Case):
    """Which takeover is asked for, and when not."""

    def setUp(self):
        super().setUp()
        self.world.zrepd("target\tbeta\t30\tno\tok\t-")
        self.world.noted("unpromoted")
        self.world.set("takeover_status", "1")

    ASKED, FORCED = "takeover tank/fs", "takeover -L tank/fs"

    def test_the_other_side_is_asked_first_and_nothing_is_forced(self):
        self.world.fence()
        self.world.set("takeover_status", "0")
        self.expect("promote", OK)
        self.assertEqual(self.world.calls(), [self.ASKED])

    def test_a_fenced_node_is_done_without(self):
        self.world.fence()
        self.expect("promote", OK, "taking over with a copy that is 30 s old")
        self.assertEqual(self.world.calls(), [self.ASKED, self.FORCED])

    def test_a_node_with_its_full_name_counts(self):
        self.world.fence()
        self.world.set("nodes", "1 alpha.example.org member\n2 beta.example.org lost\n")
        self.world.set("fenced_beta.example.org", f"{int(time.time())}\n")
        self.expect("promote", OK)
        self.assertEqual(self.world.calls()[-1], self.FORCED)

    def refused(self, text):
        self.expect("promote", GENERIC, text)
        self.assertEqual(self.world.state(), "unpromoted")
        self.assertIn(self.ASKED, self.world.calls())
        self.assertNotIn(self.FORCED, self.world.calls())

    def test_a_member_is_not_done_without(self):
        self.world.set("fenced_beta", f"{int(time.time())}\n")
        self.refused("beta says no (not without the other side: node beta is a member of the cluster)")

    def test_a_node_that_left_without_being_fenced_is_not_done_without(self):
        self.world.set("nodes", "1 alpha member\n2 beta lost\n")
        self.refused("no fencing of node beta is known")

    def test_a_fencing_before_the_node_was_last_seen_proves_nothing(self):
        self.world.fence(ago=300)
        self.world.set("zrepd-fs/peer_seen", f"{int(time.time()) - 200}\n")
        self.refused("no fencing of node beta is known")

    def test_a_fenced_node_may_be_shown_as_a_member_a_little_longer(self):
        self.world.fence(ago=20)
        self.world.set("zrepd-fs/peer_seen", f"{int(time.time()) - 5}\n")
        self.expect("promote", OK)

    def test_monitoring_notes_when_the_other_node_was_seen(self):
        self.expect("monitor", OK)
        self.assertAlmostEqual(int(self.world.get("zrepd-fs/peer_seen")), time.time(), delta=20)
        self.world.fence(ago=300)
        self.refused("no fencing of node beta is known")

    def test_a_cluster_without_fencing_is_not_done_without(self):
        self.world.fence()
        self.world.set("stonith_enabled", "false\n")
        self.refused("stonith-enabled is not true")

    def test_a_node_under_another_name_is_not_done_without(self):
        self.world.fence()
        self.world.set("nodes", "1 alpha member\n2 betamax lost\n3 gamma.beta lost\n")
        self.refused("no cluster node is called beta")

    def test_never_is_never(self):
        self.world.fence()
        self.world.parameters["forced_takeover"] = "never"
        self.refused("beta says no")

    def test_an_old_copy_is_left_to_an_administrator(self):
        self.world.fence()
        self.world.parameters["max_lag"] = "29"
        self.refused("the copy is 30 s old, more than max_lag 29; next: zrepctl takeover -L --dry-run tank/fs")
        self.world.parameters["max_lag"] = "30"
        self.expect("promote", OK)

    def test_a_refusal_is_not_repeated_for_ever(self):
        self.world.timeout_ms = 60000
        self.world.set("takeover_status", "5")
        begin = time.monotonic()
        self.refused("beta says no")
        self.assertEqual(self.world.calls(), [self.ASKED] * 3)
        self.assertLess(time.monotonic() - begin, 20)

    def test_what_hangs_is_ended_in_time(self):
        self.world.set("takeover_hangs")
        begin = time.monotonic()
        self.refused("no end of zrepctl takeover tank/fs within 1 s")
        self.assertLess(time.monotonic() - begin, self.world.timeout_ms / 1000)


class Demotion(Case):
    def setUp(self):
        super().setUp()
        self.world.noted("promoted")
        self.world.zrepd("master")

    def test_syncs_what_was_written_last(self):
        self.expect("demote", OK)
        self.assertEqual(self.world.calls(), ["sync tank/fs"])

    def test_does_not_depend_on_the_other_side(self):
        self.world.set("sync_status", "1")
        self.expect("demote", OK, "not synced before the demotion")
        self.world.noted("promoted")
        self.world.set("sync_hangs")
        begin = time.monotonic()
        self.expect("demote", OK, "not synced before the demotion: no end of zrepctl sync tank/fs within 1 s")
        self.assertLess(time.monotonic() - begin, self.world.timeout_ms / 1000)


class Patience(Case):
    def test_a_zrepd_that_is_started_again_is_waited_for(self):
        self.world.timeout_ms = 20000
        self.world.noted("promoted")
        self.world.zrepd("master")
        self.world.set("dead")
        with concurrent.futures.ThreadPoolExecutor() as one:
            running = one.submit(self.world.run, "monitor")
            while len((self.world.get("calls") or "").splitlines()) < 2:
                time.sleep(0.05)
            (self.world.folder / "dead").unlink()
            self.assertEqual(running.result()[0], PROMOTED)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
