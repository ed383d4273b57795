# SPDX-License-Identifier: BSD-2-Clause
"""The verbs by which a pair is looked after: check, events, refresh, changeconfig, a grid of snapshots."""
import json
import time
import unittest

from roles import COPY, FS, Roles
from support import wait_for

CLOCK = 'date -s "@$(( $(date +%s) + {} ))" >/dev/null'


class Upkeep(Roles):
    def test_check_is_a_plugin_of_monitoring(self):
        self.zrepctl("sync", FS)
        done = self.zrepctl("check")
        self.assertRegex(done.out, r"^ZREPD OK - 1 pair, oldest copy .* \(tank/fs\) \| pairs=1 warning=0 critical=0 lag=\d+s;;;0 "
                                   r"backlog=\d+B\n$")
        time.sleep(2)
        self.assertRegex(self.zrepctl("check", "-w", "1s", "-c", "1h", code=1).out, r"^ZREPD WARNING - tank/fs: the copy is .* old")
        self.assertRegex(self.zrepctl("check", "-c", "1s", FS, code=2).out, r"^ZREPD CRITICAL - ")
        self.zrepctl("pause", FS)
        self.assertIn("zrepctl unpause 'tank/fs'", self.zrepctl("check", code=1).out)
        self.beta.run(["zfs", "snapshot", COPY + "@theirs"])
        self.write(FS, "second")
        self.zrepctl("sync", FS, code=5)
        found = self.zrepctl_json("check", code=2)
        self.assertEqual((found["state"], found["findings"][0]["dataset"]), ("CRITICAL", FS))
        self.assertIn("@theirs", found["findings"][0]["text"])
        self.assertIn("UNKNOWN", self.zrepctl("check", "tank/none", code=3).out)
        self.zrepctl("check", "--fast", code=3)
        self.zrepd["alpha"].stop()
        self.assertRegex(self.zrepctl("check", code=3).out, r"^ZREPD UNKNOWN - .*zrepd is not running")

    def test_events_are_kept_and_followed(self):
        self.zrepctl("sync", FS)
        lines = self.zrepctl("events", "-n", "50", FS).out.splitlines()
        self.assertTrue(any("run_finished" in line and "sync" in line for line in lines), lines)
        follow = self.alpha.run("timeout 20 zrepctl events -f -n 0 --json >/run/followed 2>&1 & echo $!").out
        self.assertTrue(follow.strip().isdigit())
        time.sleep(1)
        self.write(FS, "second")
        self.zrepctl("sync", FS)
        wait_for("the sync is told", 10, lambda: "run_finished" in self.alpha.run("cat /run/followed").out)
        events = [json.loads(line) for line in self.alpha.run("cat /run/followed").out.splitlines()]
        self.assertIn("run_started", [event["event"] for event in events])

    def test_refresh_is_a_sync_that_the_target_asks_for(self):
        self.write(FS, "second")
        self.assertIn("would send tank/fs@zrep_000001 from @zrep_000000", self.zrepctl("refresh", "--dry-run", COPY, on="beta").out)
        self.assertEqual(self.snapshots(self.beta, COPY), ["zrep_000000"])
        self.zrepctl("refresh", COPY, on="beta")
        self.assert_in_step(FS, COPY)
        self.assertIn("zrep_000001", self.snapshots(self.beta, COPY))
        self.assertIn("zrepctl sync 'tank/fs'", self.zrepctl("refresh", FS, code=5).err)
        self.zrepd["alpha"].stop()
        self.zrepctl("refresh", COPY, on="beta", code=1)

    def test_changeconfig_follows_a_filesystem_that_was_renamed(self):
        self.beta.run(["zfs", "create", "backup/new"])
        self.beta.run(["zfs", "rename", COPY, "backup/new/fs"])
        self.write(FS, "second")
        self.zrepctl("sync", FS, code=5)
        bad = self.zrepctl("changeconfig", FS, "beta", "backup/new", code=5)
        self.assertIn("zrepctl changeconfig -d 'backup/new' alpha 'tank/fs'", bad.err)
        self.zrepctl("changeconfig", "-d", "backup/new/fs", "alpha", FS, on="beta")
        before = self.everything("alpha")
        self.zrepctl("changeconfig", "--dry-run", FS, "beta", "backup/new/fs")
        self.assertEqual(self.everything("alpha"), before)
        self.zrepctl("changeconfig", FS, "beta", "backup/new/fs")
        self.zrepctl("sync", FS)
        self.assert_in_step(FS, "backup/new/fs")
        self.zrepctl("failover", FS)
        self.assertEqual(self.get(self.beta, "zrep:master", "backup/new/fs"), "yes")

    def test_a_grid_keeps_one_an_hour(self):
        """Four hours, two snapshots in each; the target keeps more than the master."""
        self.zrepctl("set", FS, "savecount=2")
        self.zrepctl("set", COPY, "savecount=2", "keep=6h:1h", on="beta")
        for _ in range(4):
            for minutes in (20, 40):
                for host in (self.alpha, self.beta):
                    host.run(CLOCK.format(minutes * 60))
                self.write(FS, "changed")
                self.zrepctl("sync", FS)
        self.assertEqual(len(self.snapshots(self.alpha, FS)), 2)
        kept = self.snapshots(self.beta, COPY)
        self.assertIn(len(kept), range(5, 8), kept)
        self.assertEqual(kept[-2:], self.snapshots(self.alpha, FS))


if __name__ == "__main__":
    unittest.main()
