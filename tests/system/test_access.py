# SPDX-License-Identifier: BSD-2-Clause
"""Members of the group zrepd operate pairs; they do not make, change or forget them (docs/operations.md, "Who
may do what")."""
import unittest

from support import Case

UID = 64321


class Access(Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.alpha.run, "groupdel zrepd")
        self.alpha.run("groupadd --system zrepd; zfs create tank/fs")
        # The socket gets the group that there is at the start.
        self.zrepd["alpha"].stop()
        self.zrepd["alpha"].start()
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")
        self.write("tank/fs", "second")

    def member(self, *words, groups="$(getent group zrepd | cut -d: -f3)", code=0):
        """zrepctl as a user without privileges."""
        done = self.alpha.run(f"setpriv --reuid={UID} --regid={UID} --groups={groups} zrepctl " + " ".join(words),
                              check=False)
        self.assertEqual(done.code, code, done)
        return done

    def test_member_operates(self):
        self.assertIn("sent tank/fs@zrep_000001", self.member("sync", "tank/fs").out)
        self.member("pause", "tank/fs")
        self.member("unpause", "tank/fs")
        self.member("expire", "tank/fs")
        self.assert_in_step("tank/fs", "backup/fs")
        log = self.zrepd["alpha"].log()
        for method in ("sync", "pause", "unpause", "expire"):
            self.assertRegex(log, rf"control_call method=pair\.{method} uid={UID} pid=\d+ .*tank/fs")

    def test_member_does_not_make_change_or_forget_pairs(self):
        refused = (("set", "tank/fs", "limit=1M"), ("init", "tank/new", "beta", "backup/new"), ("clear", "tank/fs"),
                   ("clear", "--dry-run", "tank/fs"))
        self.alpha.run("zfs create tank/new")
        with self.nothing_left():
            for words in refused:
                said = self.member(*words, code=5).err
                self.assertIn(f"pair.{words[0]} needs admin access, this connection has operate", said)
                self.assertIn("next: run it as root", said)
        self.assertNotRegex(self.zrepd["alpha"].log(), rf"control_call .*uid={UID}")

    def test_others_only_read(self):
        with self.nothing_left():
            said = self.member("sync", "tank/fs", groups=str(UID), code=5).err
        self.assertIn("this user may not use /run/zrepd/zrepd.sock", said)
        self.assertIn("the group", said)
        self.assertIn("tank/fs", self.member("status", groups=str(UID)).out)


if __name__ == "__main__":
    unittest.main()
