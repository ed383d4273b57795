# SPDX-License-Identifier: BSD-2-Clause
"""Role changes without the other side: its death, its return, and both sides master."""
import unittest

from roles import COPY, FS, Roles
from support import LONGEST, Case, wait_for


class Takeover(Roles):
    def test_a_dead_master_returns_and_loses_nothing(self):
        """Its unacknowledged data is kept beside it, byte for byte; the resync is an increment."""
        self.alpha.run("dd if=/dev/urandom of=/tank/fs/never bs=1M count=10 status=none; sync; zpool sync")
        kept = self.alpha.run("sha256sum < /tank/fs/never").out
        self.alpha.cut()
        done = self.zrepctl("takeover", "-L", COPY, on="beta")
        self.assertIn("backup/fs is the master now (epoch 2)", done.out)
        self.assertEqual(self.role_of(self.beta, COPY)["readonly"], "off")
        self.beta.run("echo new > /tank/fs/new; zpool sync")
        self.alpha.boot()
        self.zrepd["alpha"].start(first="install /lab/bin/zrepd /usr/sbin/; install /lab/bin/zrepctl /usr/bin/")
        self.assert_master("beta", seconds=60)
        self.assertEqual(self.get(self.alpha, "mounted", FS), "no")
        copy = FS + "_diverged_2"
        self.assertEqual(self.get(self.alpha, "zrep:rescue", copy), FS)
        self.alpha.run(["zfs", "mount", copy])
        self.assertEqual(self.alpha.run(f"sha256sum < /{copy}/never").out, kept)
        self.alpha.run(["zfs", "unmount", copy])
        self.assertIn(f"{copy}  of tank/fs", self.zrepctl("rescue", "list").out)
        self.assertEqual(self.status(FS)["rescues"], [copy])
        self.zrepctl("rescue", "drop", copy)
        self.assertEqual(self.get(self.alpha, "zrep:rescue", copy), FS)
        self.zrepctl("rescue", "drop", copy, "--yes")
        self.assertNotIn(copy, self.alpha.run("zfs list -Ho name").out)
        self.assertIn("not a rescue", self.zrepctl("rescue", "drop", FS, "--yes", code=5).err)
        before, stepped_down, _ = self.alpha.run("cat /run/zrepd.log").out.partition("role_changed")
        self.assertTrue(stepped_down)
        for sent in ("op=sync", "op=receive"):
            self.assertNotIn(sent, before, "it steps down before it sends or takes anything")
        result = self.zrepctl_json("sync", COPY, on="beta")["runs"][0]["results"][0]
        self.assertEqual(result["outcome"], "done")
        self.assertLess(result["bytes"], 1 << 20, "an increment: what was written there")
        self.assertEqual(self.digest(self.alpha, FS), self.digest(self.beta, COPY))
        self.zrepctl("failover", COPY, on="beta")
        self.assert_master("alpha")
        self.assertEqual(self.alpha.run("cat /tank/fs/new").out, "new\n")

    def test_a_side_that_stepped_down_alone_is_followed(self):
        self.lab.link("beta", "down")
        self.alpha.run("echo late > /tank/fs/late; zpool sync")
        done = self.zrepctl("failover", "-L", FS)
        self.assertIn("is no longer the master", done.out)
        self.assertEqual(self.role_of(self.alpha, FS)["readonly"], "on")
        self.lab.link("beta", "up")
        self.assert_master("beta", seconds=60)
        self.alpha.run(["zfs", "mount", FS + "_diverged_2"])
        self.assertEqual(self.alpha.run(f"cat /{FS}_diverged_2/late").out, "late\n")

    def test_a_takeover_that_the_old_master_sees_at_once(self):
        """It is alive and reachable: it steps down as soon as it hears."""
        self.zrepctl("takeover", "-L", COPY, on="beta")
        self.beta.run("echo new > /tank/fs/new; zpool sync")
        self.beta.run(["zrepctl", "sync", COPY], check=False)
        self.assert_master("beta", seconds=60)


class LongestNames(Case):
    """Rescues need names, too, and there is no room beside filesystems whose names are as long as init allows."""

    def test_a_dead_master_returns(self):
        above = "tank/" + "n" * 200
        source, target = above + "/" + "m" * (LONGEST - 206), "backup/" + "t" * (LONGEST - len("backup/"))
        for words in (["-o", "mountpoint=none", above], ["-o", "mountpoint=/m", source]):
            self.alpha.run(["zfs", "create", *words])
        self.zrepctl("init", source, "beta", target)
        self.alpha.run("echo late > /m/late; zpool sync")
        self.alpha.cut()
        self.zrepctl("takeover", "-L", target, on="beta")
        self.alpha.boot()
        self.zrepd["alpha"].start(first="install /lab/bin/zrepd /usr/sbin/; install /lab/bin/zrepctl /usr/bin/")
        # In this order: both change in one set.
        wait_for("the late file is kept", 60, lambda: self.get(self.alpha, "zrep:master", source) != "yes" and
                 self.get(self.alpha, "zrep:inprogress", source) in ("", "-"))
        copy = self.status(source)["rescues"][0]
        self.assertEqual(copy, above + "/zrep_diverged_2")
        self.zrepctl("sync", target, on="beta")
        self.assertIn("late", self.zrepctl("rescue", "diff", copy).out)


class SplitBrain(Roles):
    """Both master of one epoch, which only hands can make."""

    def setUp(self):
        super().setUp()
        self.beta.run("zfs set readonly=off zrep:master=yes zrep:src-host=beta zrep:src-fs=backup/fs "
                      "zrep:dest-host=alpha zrep:dest-fs=tank/fs canmount=on mountpoint=/tank/fs backup/fs; "
                      "echo theirs > /tank/fs/theirs; zpool sync")
        self.alpha.run("echo ours > /tank/fs/ours; zpool sync")
        self.zrepctl("sync", FS, code=5)
        wait_for("status shows it", 20, lambda: self.status(FS)["health"] == "split_brain")

    def test_keep_here(self):
        self.zrepctl("resolve", FS, "--keep", "HERE")
        self.assert_master("alpha", seconds=60)
        self.alpha.run("grep ours /tank/fs/ours")
        copies = self.beta.run("zfs list -Ho name").out
        self.assertIn("backup/fs_diverged_", copies)
        self.zrepctl("sync", FS)
        self.assertEqual(self.digest(self.alpha, FS), self.digest(self.beta, COPY))

    def test_keep_peer(self):
        self.zrepctl("resolve", FS, "--keep", "peer")
        self.assert_master("beta", seconds=60)
        self.beta.run("grep theirs /tank/fs/theirs")
        self.alpha.run("zfs mount tank/fs_diverged_2 && grep ours /tank/fs_diverged_2/ours")


if __name__ == "__main__":
    unittest.main()
