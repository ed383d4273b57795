# SPDX-License-Identifier: BSD-2-Clause
"""Verbs of a tree as one pair (docs/adr/0015): it is tried, goes back, and is adopted, all of it or none."""
import unittest

from trees import BELOW, TreeCase


class TreeVerbs(TreeCase):
    def test_a_drill_tries_all_of_it(self):
        self.make_tree()
        # One that is not mounted in its parent: there is no directory for it in the clone.
        self.alpha.run("zfs set mountpoint=/srv/a tank/fs/a && echo moved >/srv/a/name")
        self.zrepctl("sync", "tank/fs")
        before = self.everything("beta")
        self.beta.run("printf '#!/bin/sh\\ncat \"$1/name\" \"$2/name\" \"$3/name\"; test -b \"$4\"; "
                      "! touch \"$2/x\" 2>/dev/null && echo $# paths\\n' >/run/try && chmod +x /run/try")
        done = self.zrepctl("drill", "backup/fs", "--run", "/run/try", on="beta", timeout=120)
        self.assertIn("with its parts of the 3 below it", done.out)
        self.assertIn("4 paths", done.out)
        self.assertEqual(self.everything("beta"), before)
        self.assertNotIn("drill", self.beta.run("cat /proc/mounts; ls /run/zrepd/drill 2>/dev/null").out)
        done = self.zrepctl("drill", "backup/fs", "--run", "/bin/false", on="beta", code=5, timeout=120)
        self.assertEqual(self.everything("beta"), before)

    def test_its_target_goes_back_and_comes_forward(self):
        self.make_tree()
        old = self.sides(self.beta, "backup/fs")
        for _ in range(2):
            self.change()
            self.zrepctl("sync", "tank/fs")
        done = self.zrepctl("sync", "--yes", "tank/fs@zrep_000000", timeout=120)
        self.assertIn("with the 3 below it, is at @zrep_000000", done.out)
        now = self.sides(self.beta, "backup/fs")
        self.assertEqual({name: side[:3] for name, side in now.items()},
                         {name: side[:3] for name, side in old.items()})
        status = self.status("tank/fs")
        self.assertEqual((status["put_back"], status["paused"], status["health"]), ("tank/fs@zrep_000000", True, "ok"))
        self.zrepctl("unpause", "tank/fs")
        self.change()
        self.zrepctl("sync", "tank/fs")
        self.assert_tree_in_step()

    def test_what_syncoid_left_is_adopted(self):
        self.alpha.run("zfs create tank/fs && zfs create tank/fs/a && zfs create tank/fs/a/deep && zfs create -V 8M tank/fs/vol && "
                       "dd if=/dev/urandom of=/tank/fs/a/big bs=1M count=8 status=none && zfs snapshot -r tank/fs@syncoid_1")
        self.beta.run("zfs create backup/tree")
        for name in BELOW:
            self.alpha.run(f"zfs send tank/fs{name}@syncoid_1 | ssh beta zfs receive -u backup/fs{name}", timeout=60)
        self.beta.run("zfs set readonly=on backup/fs/a; zfs mount -a")
        self.change()
        dry = self.zrepctl("init", "--dry-run", "-r", "--adopt", "tank/fs", "beta", "backup/fs")
        self.assertIn("make backup/fs/a part of it, unmounted, from @syncoid_1 on", dry.out)
        done = self.zrepctl_json("init", "-r", "--adopt", "tank/fs", "beta", "backup/fs", timeout=120)
        result = done["runs"][0]["results"][0]
        self.assertLess(result["bytes"], 4 << 20, "the 8 MiB were there already")
        self.assert_tree_in_step()
        self.assertEqual(self.source(self.beta, "readonly", "backup/fs/a"), "inherited from backup/fs")
        self.assertEqual(self.beta.run("zfs get -rHo value mounted backup/fs -t filesystem").out.split(), ["no"] * 3)
        self.change()
        self.zrepctl("sync", "tank/fs")
        self.assert_tree_in_step()
        # As one: there and back.
        self.zrepctl("failover", "tank/fs", timeout=120)
        self.assertEqual(self.status("backup/fs", on="beta")["role"], "master")


if __name__ == "__main__":
    unittest.main()
