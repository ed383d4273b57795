# SPDX-License-Identifier: BSD-2-Clause
"""Options of the verbs for real: the old short spellings, --no-wait, and that --dry-run changes nothing."""
import unittest

from streams import StreamCase
from support import wait_for


class ShortSpellings(StreamCase):
    """Those of the shell zrep do what the verbs do."""

    def test_each_once(self):
        self.alpha.run("zfs create tank/fs")
        self.assertIn("tank/fs: sent tank/fs@zrep_000000", self.zrepctl("-i", "tank/fs", "beta", "backup/fs").out)
        self.assertEqual(self.zrepctl("-l").out, self.zrepctl("list").out)
        self.assertIn("zrep:dest-fs", self.zrepctl("-l", "-v", "tank/fs").out)
        for number in range(2):
            self.write("tank/fs", f"file{number}")
            self.assertIn(f"sent tank/fs@zrep_00000{number + 1}", self.zrepctl("-S", "tank/fs").out)
        self.zrepctl("-p", "tank/fs")
        self.assertEqual(self.get(self.alpha, "zrep:paused", "tank/fs"), "yes")
        self.write("tank/fs", "third")
        self.zrepctl("-S", "all")
        self.assertEqual(len(self.snapshots(self.alpha, "tank/fs")), 3)
        self.zrepctl("-u", "tank/fs")
        self.assertEqual(self.get(self.alpha, "zrep:paused", "tank/fs"), "-")
        self.zrepctl("-S", "all")
        self.assert_in_step("tank/fs", "backup/fs")
        self.zrepctl("set", "tank/fs", "savecount=2")
        self.assertIn("destroyed 2 here", self.zrepctl("-e", "-L", "tank/fs").out)
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000002", "zrep_000003"])
        self.assertEqual(len(self.snapshots(self.beta, "backup/fs")), 4)
        self.beta.run("zfs rename backup/fs backup/moved")
        self.zrepctl("-C", "-d", "backup/moved", "alpha", "tank/fs", on="beta")
        self.zrepctl("-C", "tank/fs", "beta", "backup/moved")
        self.write("tank/fs", "moved")
        self.zrepctl("-S", "tank/fs")
        self.assert_in_step("tank/fs", "backup/moved")


class NoWait(StreamCase):
    def ended(self):
        return not self.status("tank/fs").get("running") and self.status("tank/fs")["role"] == "master"

    def test_init_and_sync_go_on_without_the_client(self):
        self.alpha.run("zfs create tank/fs")
        self.write("tank/fs", "big", 4)
        self.zrepctl("set", "tank/fs", "limit=1M")
        done = self.zrepctl("init", "--no-wait", "tank/fs", "beta", "backup/fs")
        self.assertNotIn("sent", done.out)
        wait_for("it runs", 20, self.running)
        wait_for("the first copy is done", 60, self.ended, step=0.5)
        self.assert_in_step("tank/fs", "backup/fs")
        self.write("tank/fs", "more", 4)
        run_id = self.zrepctl_json("sync", "--no-wait", "tank/fs")["run_id"]
        self.assertEqual(wait_for("it runs", 20, self.running)["run_id"], run_id)
        # One that waits joins the run that nobody waits for.
        self.assertIn("sent tank/fs@zrep_000001", self.zrepctl("sync", "tank/fs").out)
        self.assert_in_step("tank/fs", "backup/fs")
        self.assert_same_data("tank/fs", "backup/fs")


class DryRun(StreamCase):
    def would(self, *words, expect):
        with self.nothing_left():
            done = self.zrepctl(*words, "--dry-run")
        self.assertIn(expect, done.out)
        self.assertTrue(all(line.startswith(("would ", "note: ")) for line in done.out.splitlines()), done)

    def test_changes_nothing(self):
        self.alpha.run("zfs create tank/fs")
        self.would("init", "tank/fs", "beta", "backup/fs", expect="backup/fs")
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")
        self.write("tank/fs", "second")
        self.would("sync", "tank/fs", expect="tank/fs@zrep_000001")
        self.would("set", "tank/fs", "limit=1M", "interval=1m", expect="zrep:limit=1048576")
        self.would("set", "tank/fs", "savecount=", expect="zrep:savecount")
        self.would("pause", "tank/fs", expect="zrep:paused=yes")
        self.would("pause", "--until", "1h", "tank", expect="zrep:paused=20")
        self.zrepctl("pause", "tank", "tank/fs")
        self.would("unpause", "tank/fs", expect="zrep:paused")
        self.would("unpause", "tank", expect="zrep:paused")
        self.would("clear", "tank/fs", expect="zrep:src-host")
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000000"])


if __name__ == "__main__":
    unittest.main()
