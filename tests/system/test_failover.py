# SPDX-License-Identifier: BSD-2-Clause
"""Planned role changes on real ZFS: failover, takeover, and back."""
import unittest

from roles import COPY, FS, Roles
from support import wait_for


class Failover(Roles):
    def test_there_and_back(self):
        self.write(FS, "second")
        done = self.zrepctl("failover", FS)
        self.assertIn("beta:backup/fs is the master now (epoch 2)", done.out)
        self.assert_master("beta")
        self.assertEqual(self.get(self.beta, "mounted", COPY), "yes")
        self.assertEqual(self.path(self.beta, COPY), "/tank/fs")
        self.assertEqual(self.get(self.alpha, "mounted", FS), "no")
        self.beta.run("test -s /tank/fs/first && test -s /tank/fs/second && echo third > /tank/fs/third")
        self.zrepctl("sync", COPY, on="beta")
        self.assertEqual(self.digest(self.alpha, FS), self.digest(self.beta, COPY))
        self.beta.run("echo fourth > /tank/fs/fourth")
        self.zrepctl("failover", COPY, on="beta")
        self.assert_master("alpha")
        self.assertEqual(self.alpha.run("cat /tank/fs/fourth").out, "fourth\n")
        self.assertEqual(self.get(self.alpha, "mounted", FS), "yes")
        self.assertEqual(self.get(self.beta, "mounted", COPY), "no")

    def test_takeover_asks_the_master(self):
        self.write(FS, "second")
        done = self.zrepctl("takeover", COPY, on="beta")
        self.assertIn("backup/fs is the master now (epoch 2)", done.out)
        self.assert_master("beta")
        self.beta.run("test -s /tank/fs/second")
        self.zrepctl("takeover", FS)
        self.assert_master("alpha")

    def test_a_dry_run_says_the_steps_and_changes_nothing(self):
        with self.nothing_left():
            done = self.zrepctl("failover", "--dry-run", FS)
            self.assertIn("make tank/fs the target of epoch 2", done.out)
            done = self.zrepctl("takeover", "--dry-run", COPY, on="beta")
            self.assertIn("make tank/fs the target of epoch 2", done.out)
            done = self.zrepctl("takeover", "-L", "--dry-run", COPY, on="beta")
            self.assertIn("the data is of ", done.out)

    def test_the_wrong_side_is_told_where_to_go(self):
        with self.nothing_left():
            done = self.zrepctl("failover", COPY, on="beta", code=5)
            self.assertIn("is the target here; its master is alpha:tank/fs", done.err)
            done = self.zrepctl("takeover", FS, code=5)
            self.assertIn("is the master here already", done.err)
            done = self.zrepctl("takeover", "-L", FS, code=5)
            self.assertIn("is the master here already", done.err)
            done = self.zrepctl("resolve", FS, code=2)
            self.assertIn("--keep", done.err)


class Drill(Roles):
    def test_a_copy_is_tried_and_nothing_is_left(self):
        self.beta.run("printf '#!/bin/sh\\ntest -s \"$1/first\" && ! touch \"$1/x\" 2>/dev/null\\n' > /run/try; "
                      "chmod +x /run/try")
        with self.nothing_left():
            done = self.zrepctl("drill", COPY, "--run", "/run/try", on="beta")
            self.assertIn("@zrep_000000 is usable", done.out)
            done = self.zrepctl("drill", COPY, "--run", "/bin/false", on="beta", code=5)
            self.assertIn("/bin/false ended with exit status 1", done.err)
        self.assertNotIn("drill", self.beta.run("cat /proc/mounts").out)


class Refusals(Roles):
    """Whatever stands in the way: said, exit status 5, and the master still writable."""

    def refused(self, *words):
        done = self.zrepctl("failover", FS, code=5)
        for word in words:
            self.assertIn(word, done.err)
        self.assert_master("alpha")
        self.alpha.run("echo still > /tank/fs/still")
        return done

    def test_paused_target(self):
        self.zrepctl("set", COPY, "zrep:paused=yes", on="beta")
        self.refused("paused", "zrepctl unpause")

    def test_occupied_mountpoint(self):
        self.beta.run("mkdir -p /tank/fs && touch /tank/fs/somebody")
        self.refused("/tank/fs", "a directory with files in it")

    def test_target_with_a_foreign_snapshot(self):
        self.beta.run("zfs snapshot backup/fs@mine")
        done = self.zrepctl("failover", FS, code=5)
        self.assertIn("@mine", done.err)
        self.assert_master("alpha")

    def test_master_made_readonly_by_somebody(self):
        self.alpha.run("zfs set readonly=on tank/fs")
        done = self.zrepctl("failover", FS, code=5)
        self.assertIn("is readonly here", done.err)

    def test_no_way_back(self):
        self.beta.run("mkdir -p /root/.ssh; mv /root/.ssh/known_hosts /root/.ssh/known_hosts.away 2>/dev/null; "
                      "sed -i.away 's/alpha/nobody/' /etc/hosts")
        try:
            self.refused("beta cannot reach alpha")
        finally:
            self.beta.run("mv /root/.ssh/known_hosts.away /root/.ssh/known_hosts 2>/dev/null; "
                          "cp /etc/hosts.away /etc/hosts")


if __name__ == "__main__":
    unittest.main()
