# SPDX-License-Identifier: BSD-2-Clause
"""The fault injector on a few points of an init, a sync, a resumed one, an expiry and role changes, a few things that happen
around a pair, and that it notices what is broken. All of it: tests/faults/run."""
import dataclasses
import sys
import unittest

from support import ROOT, Case

sys.path.insert(0, str(ROOT / "tests/faults"))
from environment import IDLE, scenarios  # noqa: E402  (the path has to be set first)
from operations import OPERATIONS  # noqa: E402
from pair import Broken, Pair  # noqa: E402
from points import summary  # noqa: E402
from runner import run_points  # noqa: E402
from trials import run_trials  # noqa: E402

SAMPLE = 4  # kill and power cut, of either host
ROLE_CHANGES = {"failover": 4, "rejoin": 2}
AROUND = ("foreign snapshot on the target", "clock a day behind, target")


class Faults(Case):
    def setUp(self):
        self.pair = Pair(self.lab)
        self.addCleanup(self.pair.leave)

    def test_sync_is_cut_at_some_of_its_calls(self):
        said = []
        rows = list(run_points(OPERATIONS["sync"], [self.pair], sample=SAMPLE, say=said.append))
        for row in rows:
            self.assertEqual(row.outcome, "ok", said)
            # Nothing else happens in between: the nth call is always the same one.
            self.assertEqual(row.struck.split()[:2], row.point.call.line.split()[:2])
        self.assertEqual({row.point.fault for row in rows}, {"kill-here", "kill-there", "cut-here", "cut-there"})
        self.assertIn(f"{SAMPLE} points hit, 0 not reached, 0 broken", summary(rows))
        calls = "\n".join(said)
        for verb in ("zfs send", "zfs receive", "zfs hold"):
            self.assertIn(verb, calls)
        self.notices_a_lost_record()
        self.notices_a_writable_target()

    def test_role_changes_are_cut_at_some_of_their_calls(self):
        for name, sample in ROLE_CHANGES.items():
            with self.subTest(name):
                self.assertIn("zfs set readonly=", self.cut_at_changes(name, sample))

    def test_expiry_is_cut_at_some_of_its_calls(self):
        self.assertIn("zfs destroy", self.cut_at_changes("expire", 2))

    def test_the_streams_of_init_and_resume_are_cut(self):
        """The first one, and the rest of one that was half there: power fails before it is sent, zrepd is killed when it
        was received."""
        for name in ("init", "resume"):
            with self.subTest(name):
                said = self.cut_at_changes(name, 2, faults=("cut-here", "kill-here"), lines=("zfs send -L ", "zfs receive "))
                self.assertRegex(said, rf"{name} \| master \d+ zfs send .* \| before \| cut-here \| ok")
                self.assertRegex(said, rf"{name} \| target \d+ zfs receive .* \| after \| kill-here \| ok")
                self.assertEqual(" -t 1-" in said, name == "resume", said)

    def cut_at_changes(self, name, sample, **chosen):
        """What was said about points of it, all of them recovered."""
        said = []
        rows = list(run_points(OPERATIONS[name], [self.pair], sample=sample, changes=True, say=said.append, **chosen))
        self.assertEqual({row.outcome for row in rows} - {"not reached"}, {"ok"}, said)
        return "\n".join(said)

    def test_some_of_what_happens_around_a_pair(self):
        chosen = [dataclasses.replace(scenario, moments=(IDLE,)) for scenario in scenarios() if scenario.name in AROUND]
        said = []
        rows = list(run_trials(chosen, self.pair, say=said.append))
        self.assertEqual([row.outcome for row in rows], ["ok"] * len(AROUND), said)

    def notices_a_lost_record(self):
        self.pair.host("alpha").run("sed -i '$d' /tank/fs/records")
        with self.assertRaises(Broken) as caught:
            self.pair.check(loses=False)
        self.assertIn("lost: ", str(caught.exception))

    def notices_a_writable_target(self):
        self.assertEqual(self.pair.settled(), [])
        self.pair.host("beta").run("zfs set readonly=off backup/fs")
        self.assertEqual(self.pair.settled(), ["the target is writable"])


if __name__ == "__main__":
    unittest.main()
