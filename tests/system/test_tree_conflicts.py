# SPDX-License-Identifier: BSD-2-Clause
"""Every kind of conflict of a tree (docs/adr/0015): status names it, and the commands as printed settle it."""
import unittest

from remedies import Remedies
from support import wait_for
from trees import TreeCase

TREE = ("", "/a", "/a/deep")


class TreeConflicts(Remedies, TreeCase):
    def setUp(self):
        super().setUp()
        self.alpha.run("zfs create tank/fs && zfs create tank/fs/a && zfs create tank/fs/a/deep && "
                       "for d in /tank/fs /tank/fs/a /tank/fs/a/deep; do echo $d >$d/name; done")
        self.zrepctl("init", "-r", "tank/fs", "beta", "backup/fs")

    def assert_settled(self, below=TREE):
        self.change()
        self.zrepctl("sync", "tank/fs")
        self.assertEqual(self.status("tank/fs")["health"], "ok")
        self.assert_tree_in_step(below)
        for name in below:
            self.assert_same_data("tank/fs" + name, "backup/fs" + name)

    def test_of_one_member(self):
        """The others wait for it, and nothing of theirs is destroyed for it."""
        with self.subTest("its copy has newer snapshots"):
            self.beta.run("zfs snapshot backup/fs/a@theirs")
            self.change()
            self.run_printed(self.conflict(), (self.beta, "zfs list -t snapshot backup/fs/a"),
                             (self.beta, "zfs destroy backup/fs/a@theirs"), (self.alpha, "zrepctl sync tank/fs"))
            self.assert_settled()
        with self.subTest("it was rolled back"):
            old, new = self.snapshots(self.alpha, "tank/fs/a")[-2:]
            self.alpha.run(f"zfs release zrep_base tank/fs/a@{new}; zfs destroy tank/fs/a#$(zfs list -Ho name -t bookmark "
                           f"tank/fs/a | tail -1 | cut -d'#' -f2); zfs rollback -r tank/fs/a@{old}")
            self.run_printed(self.conflict(), (self.beta, f"zfs release zrep_base backup/fs/a@{new}"),
                             (self.beta, f"zfs destroy backup/fs/a@{new}"), (self.alpha, "zrepctl sync tank/fs"))
            self.assert_settled()
        with self.subTest("they have nothing in common"):
            self.alpha.run("zfs list -Ho name -t snapshot tank/fs/a/deep | xargs -rn1 zfs release zrep_base 2>/dev/null; "
                           "zfs destroy tank/fs/a/deep@%; zfs list -Ho name -t bookmark tank/fs/a/deep | xargs -rn1 zfs destroy")
            before = self.guids(self.beta, "backup/fs/a/deep")
            self.run_printed(self.conflict(), (self.beta, "zfs rename 'backup/fs/a/deep' 'backup/fs/a/deep_old'"),
                             (self.alpha, "zrepctl sync 'tank/fs'"))
            self.assert_settled()
            self.assertEqual(self.guids(self.beta, "backup/fs/a/deep_old"), before)
        with self.subTest("its place is another pair's"):
            self.beta.run("zfs set zrep:src-fs=tank/other backup/fs/a")
            self.assertIn("part of something else", self.zrepctl("sync", "tank/fs", code=5).err)
            self.run_printed(self.conflict(), (self.beta, "zfs get all 'backup/fs/a'"),
                             (self.beta, "zfs rename 'backup/fs/a' 'backup/fs/a_old'"), (self.alpha, "zrepctl sync 'tank/fs'"))
            self.assert_settled()
        with self.subTest("half a stream of something else lies in its place"):
            self.alpha.run("zfs create tank/other && dd if=/dev/urandom of=/tank/other/big bs=1M count=8 status=none && "
                           "zfs snapshot tank/other@s && zfs create tank/fs/new && "
                           "zfs send tank/other@s | head -c 3000000 | ssh beta zfs receive -su backup/fs/new; "
                           "zfs destroy -r tank/other", timeout=60)
            self.run_printed(self.conflict(), (self.beta, "zfs receive -A 'backup/fs/new'"),
                             (self.alpha, "zrepctl sync 'tank/fs'"))
            self.assert_settled((*TREE, "/new"))
        with self.subTest("it is not encrypted and its parent is"):
            self.alpha.run("echo 12345678 >/run/key && zfs create -o encryption=on -o keyformat=passphrase "
                           "-o keylocation=file:///run/key tank/fs/secret && zfs create -o encryption=off tank/fs/secret/plain")
            self.run_printed(self.conflict(), (self.alpha, "zfs rename 'tank/fs/secret/plain' 'tank/plain'"),
                             (self.alpha, "zrepctl sync 'tank/fs'"))
            self.assert_settled((*TREE, "/new"))

    def test_of_its_root(self):
        with self.subTest("the epochs differ"):
            self.beta.run("zfs set zrep:epoch=7 backup/fs")
            self.change()
            self.run_printed(self.conflict(), (self.alpha, "zfs set zrep:epoch=7 tank/fs"))
            self.assert_settled()
        with self.subTest("both sides are master"):
            self.beta.run("zfs set readonly=off zrep:master=yes zrep:src-host=beta zrep:src-fs=backup/fs zrep:dest-host=alpha "
                          "zrep:dest-fs=tank/fs canmount=on mountpoint=/tank/fs backup/fs")
            self.run_printed(self.conflict("split_brain"), (self.alpha, "zrepctl resolve tank/fs --keep HERE"))
            # It keeps first what only it has, if anything.
            wait_for("the other side is the target again", 60, lambda: self.get(self.beta, "zrep:master", "backup/fs") != "yes" and
                     self.get(self.beta, "zrep:inprogress", "backup/fs") in ("-", ""))
            self.assert_settled()
        with self.subTest("they have nothing in common"):
            self.alpha.run("zfs list -rHo name -t snapshot tank/fs | xargs -rn1 zfs release zrep_base 2>/dev/null; "
                           "zfs destroy -r tank/fs@%; zfs list -rHo name -t bookmark tank/fs | xargs -rn1 zfs destroy")
            before = self.guids(self.beta, "backup/fs/a")
            self.run_printed(self.conflict(), (self.beta, "zrepctl clear backup/fs"),
                             (self.beta, "zfs rename backup/fs backup/fs_old"), (self.alpha, "zrepctl clear tank/fs"),
                             (self.alpha, "zrepctl init -r tank/fs beta backup/fs"))
            self.assert_settled()
            self.assertEqual(self.guids(self.beta, "backup/fs_old/a"), before)
        with self.subTest("the target is gone"):
            self.beta.run("zfs list -rHo name -t snapshot backup/fs | xargs -rn1 zfs release zrep_base 2>/dev/null; "
                          "zfs destroy -r backup/fs")
            self.run_printed(self.conflict(), (self.alpha, "zrepctl clear tank/fs"),
                             (self.alpha, "zrepctl init -r tank/fs beta backup/fs"))
            self.assert_settled()


if __name__ == "__main__":
    unittest.main()
