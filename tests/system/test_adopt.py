# SPDX-License-Identifier: BSD-2-Clause
"""init --adopt: a copy that others made is gone on from, and nothing is sent again."""
import unittest

from support import Case

FS, COPY = "tank/fs", "backup/fs"


class Adopt(Case):
    def setUp(self):
        super().setUp()
        self.alpha.run(["zfs", "create", FS])
        self.write(FS, "first", 20)

    def copy_by_hand(self, *snapshots):
        """As syncoid, zrepl or a hand would: full, then increments, under their own names."""
        before = None
        for name in snapshots:
            self.alpha.run(["zfs", "snapshot", f"{FS}@{name}"])
            base = f"-i @{before} " if before else ""
            self.alpha.run(f"zfs send {base}{FS}@{name} | ssh beta zfs receive -u {COPY}", timeout=120)
            before = name

    def test_a_pair_made_by_hand(self):
        self.copy_by_hand("syncoid_a", "syncoid_b")
        self.write(FS, "second")
        before = self.everything("beta")
        steps = self.zrepctl("init", "--adopt", "--dry-run", FS, "beta", COPY).out
        self.assertIn("@syncoid_b", steps)
        self.assertEqual(self.everything("beta"), before)
        self.zrepctl("init", "--adopt", FS, "beta", COPY)
        self.zrepctl("sync", FS)
        self.assert_same_data(FS, COPY)
        self.assertEqual(self.get(self.beta, "readonly", COPY), "on")
        for host, dataset in ((self.alpha, FS), (self.beta, COPY)):
            self.assertLessEqual({"syncoid_a", "syncoid_b"}, set(self.snapshots(host, dataset)))
        self.zrepctl("failover", FS)
        self.assertEqual(self.get(self.beta, "readonly", COPY), "off")

    def test_a_copy_with_data_of_its_own_is_left_alone(self):
        self.copy_by_hand("a")
        self.beta.run(["zfs", "snapshot", COPY + "@theirs"])
        before = self.everything("beta")
        done = self.zrepctl("init", "--adopt", FS, "beta", COPY, code=5)
        self.assertIn("since @a: @theirs\n", done.err)
        self.assertEqual(self.everything("beta"), before)

    def test_without_a_common_snapshot_or_the_word_nothing_happens(self):
        self.copy_by_hand("a")
        self.assertIn("--adopt", self.zrepctl("init", FS, "beta", COPY, code=5).err)
        self.alpha.run(["zfs", "destroy", FS + "@a"])
        before = self.everything("beta")
        self.zrepctl("init", "--adopt", FS, "beta", COPY, code=5)
        self.assertEqual(self.everything("beta"), before)

    def test_a_pair_of_the_shell_zrep_needs_no_adoption(self):
        """It has the same properties and names, and its own record of what was sent."""
        self.copy_by_hand("zrep_000001", "zrep_000002")
        for host, dataset, master in ((self.alpha, FS, "yes"), (self.beta, COPY, "no")):
            host.run("zfs set zrep:src-host=alpha zrep:src-fs=tank/fs zrep:dest-host=beta zrep:dest-fs=backup/fs "
                     f"zrep:savecount=5 zrep:master={master} {dataset}; zfs set zrep:sent=1700000000 {dataset}@zrep_000002")
        self.beta.run(["zfs", "set", "readonly=on", COPY])
        self.write(FS, "second")
        self.assertIn("already the master side of a pair", self.zrepctl("init", "--adopt", FS, "beta", COPY, code=5).err)
        self.zrepctl("sync", FS)
        self.assert_same_data(FS, COPY)
        self.assertIn("zrep_000003", self.snapshots(self.beta, COPY))


if __name__ == "__main__":
    unittest.main()
