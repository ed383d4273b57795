# SPDX-License-Identifier: BSD-2-Clause
"""zrepctl rescue diff: what a rescue has that the snapshot of both sides had not."""
import json
import unittest

from roles import FS, Roles

RESCUE = FS + "_diverged_2"


class RescueDiff(Roles):
    def setUp(self):
        super().setUp()
        self.alpha.run("cd /tank/fs; echo 1 > gone; echo 1 > changed; echo 1 > moved; mkdir dir; echo 1 > dir/deep; "
                       "zpool sync")
        self.zrepctl("sync", FS)
        self.alpha.run("cd /tank/fs; rm gone; echo 2 >> changed; mv moved 'new name'; echo 3 > dir/new; "
                       "touch $'bad\\e[31m\\\\name' $'sm\\xc3\\xb6r' $'not\\xff text'; zpool sync")

    def step_down(self, fs):
        """beta becomes the master without what was written above."""
        self.zrepctl("failover", "-L", fs)

    def assert_nothing_mounted(self):
        self.assertEqual(self.alpha.run("grep -c zrepd/diff /proc/mounts; ls -A /run/zrepd/diff").out, "0\n")

    def test_a_target_is_mounted_for_the_look_only(self):
        self.step_down(FS)
        self.assert_master("beta", seconds=60)
        self.assertEqual(self.get(self.alpha, "mounted", FS), "no")
        done = self.zrepctl("rescue", "diff", RESCUE)
        lines = done.out.splitlines()
        for line in ("removed  /gone", "modified  /changed", "renamed  /moved -> /new name", "added  /dir/new",
                     "added  /bad\\0033[31m\\0134name", "added  /sm\u00f6r", "added  /not\\0377 text", "modified  /dir/"):
            self.assertIn(line, lines)
        self.assertRegex(lines[-1], rf"^{RESCUE}@zrep_diverged_2: \d+ changes since {FS}@zrep_000001, ")
        self.assertNotIn("\x1b", done.out)
        self.assert_nothing_mounted()
        self.assertEqual(self.get(self.alpha, "mounted", FS), "no")
        self.assertEqual(self.get(self.alpha, "mounted", RESCUE), "no")
        self.assertEqual(self.get(self.alpha, "mountpoint", RESCUE), "/" + RESCUE)
        out = json.loads(self.zrepctl("rescue", "diff", RESCUE, "--limit", "2", "--json").out)
        self.assertEqual((len(out["changes"]), out["complete"]), (2, False))
        self.assertIn("cut after 2", self.zrepctl("rescue", "diff", RESCUE, "--limit=2").err)
        self.assertIn("not 1 to", self.zrepctl("rescue", "diff", RESCUE, "--limit=0", code=2).err)
        self.assertIn("not a rescue", self.zrepctl("rescue", "diff", FS, code=5).err)
        self.beta.run("echo more > /tank/fs/more; zpool sync")
        self.zrepctl("sync", "backup/fs", on="beta")
        self.alpha.run(["zfs", "mount", FS])
        self.alpha.run(["zfs", "mount", RESCUE])
        self.assertIn("added  /dir/new", self.zrepctl("rescue", "diff", RESCUE).out.splitlines())
        self.assertEqual(self.get(self.alpha, "mounted", FS), "yes")

    def test_what_a_kill_left_mounted_is_unmounted_at_the_next_start(self):
        self.step_down(FS)
        self.assert_master("beta", seconds=60)
        self.alpha.run(f"mkdir -p /run/zrepd/diff/1/copy /run/zrepd/diff/1/base; "
                       f"mount -t zfs -o zfsutil,ro {RESCUE} /run/zrepd/diff/1/copy")
        self.zrepd["alpha"].stop()
        self.zrepd["alpha"].start()
        self.zrepctl("rescue", "diff", RESCUE)
        self.assert_nothing_mounted()

    def test_of_a_volume_only_the_bytes_are_known(self):
        device = self.alpha.run("zfs create -V 32M tank/vol; for i in $(seq 50); do "
                                "ls /dev/zvol/tank/vol /dev/zd0 2>/dev/null && break; sleep 0.1; done").out.split()[0]
        self.zrepctl("init", "tank/vol", "beta", "backup/vol")
        self.alpha.run(f"dd if=/dev/urandom of={device} bs=1M count=4 status=none; sync; zpool sync")
        self.step_down("tank/vol")
        done = self.zrepctl("rescue", "diff", "tank/vol_diverged_2")
        self.assertRegex(done.out, r"0 changes since tank/vol@zrep_000000, 4\.\d+ MiB\n$")
        self.assertIn("a volume", done.err)


if __name__ == "__main__":
    unittest.main()
