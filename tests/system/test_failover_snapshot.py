# SPDX-License-Identifier: BSD-2-Clause
"""failover FS@SNAP and takeover FS@SNAP on real ZFS: the new master begins at SNAP, nothing newer is lost."""
import unittest

from roles import COPY, FS, Roles
from support import wait_for


class ToASnapshot(Roles):
    def setUp(self):
        super().setUp()
        self.alpha.run("echo good > /tank/fs/state; zpool sync")
        self.zrepctl("sync", FS)
        self.alpha.run("echo bad > /tank/fs/state; echo 1 > /tank/fs/extra; zpool sync")
        self.zrepctl("sync", FS)
        self.alpha.run("echo worse > /tank/fs/state; zpool sync")

    def kept(self, host, rescue, file="state"):
        """A file of a rescue."""
        host.run(["zfs", "mount", rescue])
        try:
            return host.run(f"cat /{rescue}/{file} 2>/dev/null || cat $(zfs get -Ho value mountpoint {rescue})/{file}").out
        finally:
            host.run(["zfs", "unmount", rescue])

    def assert_back(self, master):
        """Both at the good state, the role moved, and it goes on from there by increments."""
        self.assert_master(master, seconds=60)
        host, dataset = (self.alpha, FS) if master == "alpha" else (self.beta, COPY)
        self.assertEqual(host.run("cat /tank/fs/state").out, "good\n")
        self.assertEqual(host.run("ls /tank/fs/extra", check=False).code, 2)
        host.run("echo again > /tank/fs/again; zpool sync")
        self.zrepctl("sync", dataset, on=master)
        self.assertEqual(self.digest(self.alpha, FS), self.digest(self.beta, COPY))

    def test_failover(self):
        would = self.zrepctl("failover", "--dry-run", FS + "@zrep_000001").out
        self.assertRegex(would, r"would keep [\d.]+ \S+ in 1 snapshots and since, written after @zrep_000001 "
                                r"\(acknowledged \S+, \d+ seconds ago\), in tank/fs_diverged_2")
        self.assertEqual(self.role_of(self.alpha, FS)["zrep:epoch"], "1")
        done = self.zrepctl("failover", FS + "@zrep_000001")
        self.assertIn("tank/fs_diverged_2", done.out)
        self.assert_back("beta")
        self.assertEqual(self.kept(self.alpha, "tank/fs_diverged_2"), "worse\n")
        self.assertEqual(self.kept(self.beta, "backup/fs_diverged_1"), "bad\n")
        # And back, to a snapshot of before that: not past what a rescue stands on.
        for host, rescue in (("alpha", "tank/fs_diverged_2"), ("beta", "backup/fs_diverged_1")):
            self.assertIn("zrepctl rescue drop", self.zrepctl("failover", COPY + "@zrep_000000", on="beta", code=5).err)
            self.zrepctl("rescue", "drop", rescue, "--yes", on=host)
        self.zrepctl("failover", COPY + "@zrep_000000", on="beta")
        self.assert_master("alpha", seconds=60)
        self.assertEqual(self.alpha.run("ls /tank/fs/state", check=False).code, 2)
        self.assertEqual(self.kept(self.beta, "backup/fs_diverged_3", "again"), "again\n")

    def test_takeover_asks_the_master(self):
        self.zrepctl("takeover", COPY + "@zrep_000001", on="beta")
        self.assert_back("beta")

    def test_takeover_when_the_master_is_dead(self):
        self.alpha.cut()
        would = self.zrepctl("takeover", "-L", "--dry-run", COPY + "@zrep_000001", on="beta").out
        self.assertIn("in backup/fs_diverged_1", would)
        self.zrepctl("takeover", "-L", COPY + "@zrep_000001", on="beta")
        self.assertEqual(self.beta.run("cat /tank/fs/state").out, "good\n")
        self.alpha.boot()
        self.zrepd["alpha"].start(first="install /lab/bin/zrepd /usr/sbin/; install /lab/bin/zrepctl /usr/bin/")
        self.assert_back("beta")
        self.assertEqual(self.kept(self.alpha, "tank/fs_diverged_2"), "worse\n")
        self.assertEqual(self.kept(self.beta, "backup/fs_diverged_1"), "bad\n")

    def test_a_power_cut_of_the_other_side_in_the_middle(self):
        self.zrepctl("failover", "--no-wait", FS + "@zrep_000001")
        wait_for("it stepped down", 30, lambda: self.role_of(self.alpha, FS)["zrep:master"] == "no", step=0.02)
        self.beta.cut()
        self.beta.boot()
        self.zrepd["beta"].start(first="install /lab/bin/zrepd /usr/sbin/; install /lab/bin/zrepctl /usr/bin/")
        self.assert_back("beta")

    def test_what_is_refused(self):
        self.alpha.run(["zfs", "snapshot", FS + "@here"])
        for words, code, said in ((["failover", FS + "@here"], 5, "has not got that snapshot"),
                                  (["failover", "-L", FS + "@here"], 5, "never acknowledged"),
                                  (["failover", FS + "@none"], 1, "both sides have @zrep_000002"),
                                  (["failover", FS + "@zrep_000001", "tank"], 2, "at a time"),
                                  (["failover", "all@zrep_000001"], 2, "one filesystem's"),
                                  (["failover", FS + "@a/b"], 2, "a/b"),
                                  (["takeover", "-L", FS + "@zrep_000001"], 5, "is the master here already")):
            with self.subTest(words):
                done = self.zrepctl(*words, code=code)
                self.assertIn(said, done.err)
        self.assert_master("alpha")
        self.beta.run(["zfs", "clone", COPY + "@zrep_000002", "backup/mine"])
        self.assertIn("has clones", self.zrepctl("failover", FS + "@zrep_000001", code=5).err)
        self.assert_master("alpha")


if __name__ == "__main__":
    unittest.main()
