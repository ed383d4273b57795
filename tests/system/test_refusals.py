# SPDX-License-Identifier: BSD-2-Clause
"""Whatever stands in the way of a role change: said with what to do about it, exit status 5, and the master
goes on as before. The commands as printed clear the way."""
import unittest

from roles import COPY, FS, Roles
from support import wait_for


class Refused(Roles):
    def dry_run(self, *words, on="alpha"):
        """A call answers within 5 s; where a loaded machine does not, it says to run it again."""
        for _ in range(6):
            done = self.lab.host(on).run(["zrepctl", *words, "--dry-run"], check=False)
            if "did not answer" not in done.err and "took too long" not in done.err:
                break
        return done

    def refused(self, message, remedy, dataset=FS, copy=COPY, takeover=True):
        """What the dry run says, and failover, and takeover on the other side, with data that was never sent;
        the remedy. The master is one still, and takes writes."""
        place = self.get(self.alpha, "mountpoint", dataset)
        self.alpha.run(f"echo unsent > {place}/unsent")
        asked = [(["failover", "--dry-run", dataset], "alpha"), (["failover", dataset], "alpha")]
        for words, host in asked + ([(["takeover", copy], "beta")] if takeover else []):
            with self.subTest(words):
                dry = "--dry-run" in words
                done = self.dry_run("failover", dataset) if dry else self.zrepctl(*words, on=host, code=5)
                self.assertEqual(done.code, 5, done)
                said, found, advice = done.err.partition("\n  next: ")
                self.assertTrue(found, done.err)
                self.assertIn(message, said)
                self.assertIn(remedy, advice)
        self.assert_writable(dataset, copy)
        return advice

    def assert_writable(self, dataset=FS, copy=COPY):
        """alpha is master and takes writes that reach its disk; beta's side is no master and takes none."""
        here, there = self.role_of(self.alpha, dataset), self.role_of(self.beta, copy)
        self.assertEqual((here["zrep:master"], here["readonly"], here["mounted"]), ("yes", "off", "yes"))
        self.assertIn(here["zrep:inprogress"], ("-", ""))
        self.assertNotEqual(there["zrep:master"], "yes")
        place = self.get(self.alpha, "mountpoint", dataset)
        self.alpha.run(f"echo still > {place}/still && sync {place}/still && grep -q still {place}/still && "
                       f"echo more >> {place}/still")

    def assert_way_is_clear(self, dataset=FS, copy=COPY):
        """Nothing else was in the way, and nothing got lost."""
        self.zrepctl("failover", dataset)
        self.assertEqual(self.role_of(self.beta, copy)["zrep:master"], "yes")
        self.assertEqual(self.role_of(self.beta, copy)["readonly"], "off")
        place = self.get(self.beta, "mountpoint", copy)
        self.assertEqual(self.beta.run(f"cat {place}/still {place}/unsent").out, "still\nmore\nunsent\n")


class OfTheTarget(Refused):
    def test_paused_as_for_maintenance(self):
        self.zrepctl("set", COPY, "zrep:paused=yes", on="beta")
        self.refused("backup/fs on beta is paused, as for maintenance", "on beta: zrepctl unpause 'backup/fs'")
        self.zrepctl("unpause", COPY, on="beta")
        self.assert_way_is_clear()

    def test_a_foreign_snapshot(self):
        self.beta.run("zfs snapshot backup/fs@mine")
        remedy = self.refused("1 snapshot (0 B) that this side does not have: @mine",
                              "zfs destroy backup/fs@mine")
        self.assertIn("zrepctl sync tank/fs", remedy)
        self.assertEqual(self.snapshots(self.beta, COPY)[-1], "mine")
        self.beta.run("zfs destroy backup/fs@mine")
        self.assert_way_is_clear()

    def test_only_touched(self):
        """Somebody wrote to the copy: that is rolled back, so nothing is refused; the dry run says so."""
        self.beta.run("zfs set readonly=off backup/fs && zfs mount -o mountpoint=/mnt backup/fs 2>/dev/null || "
                      "{ zfs set mountpoint=/mnt/fs backup/fs; zfs mount backup/fs; }; "
                      "echo theirs > $(zfs get -Ho value mountpoint backup/fs)/theirs; zpool sync; "
                      "zfs unmount backup/fs; zfs set readonly=on backup/fs")
        self.alpha.run("echo unsent > /tank/fs/unsent")
        done = self.dry_run("failover", FS)
        self.assertEqual(done.code, 0, done)
        self.assertIn("would roll the target back", done.out)
        self.assert_writable()
        self.assert_way_is_clear()

    def test_epochs_that_disagree(self):
        self.beta.run("zfs set zrep:epoch=9 backup/fs")
        self.refused("role change that this one missed", "zfs set zrep:epoch=9 tank/fs")
        self.alpha.run("zfs set zrep:epoch=9 tank/fs")
        self.assert_way_is_clear()
        self.assert_master("beta")

    def test_a_pool_that_takes_no_writes(self):
        self.zrepd["beta"].stop()
        self.beta.run("zpool export backup && zpool import -o readonly=on backup")
        self.zrepd["beta"].start()
        self.refused("pool is read-only", "zpool export")
        self.zrepd["beta"].stop()
        self.beta.run("zpool export backup && zpool import backup")
        self.zrepd["beta"].start()
        self.assert_way_is_clear()

    def test_a_key_that_is_not_there(self):
        secret, copy = "tank/secret", "backup/secret"
        self.alpha.run("echo 'a good passphrase' > /run/key; zfs create -o encryption=on -o keyformat=passphrase "
                       f"-o keylocation=file:///run/key {secret}")
        self.zrepctl("init", secret, "beta", copy)
        self.beta.run(f"zfs unload-key {copy} 2>/dev/null; rm -f /run/key")
        remedy = self.refused("the key of backup/secret on beta cannot be loaded", "on beta: zfs load-key 'backup/secret'",
                              secret, copy)
        self.assertIn("zfs set keylocation=file:///PATH 'backup/secret'", remedy)
        self.beta.run(f"echo 'a good passphrase' > /run/key; zfs set keylocation=file:///run/key {copy}")
        self.assert_way_is_clear(secret, copy)

    def test_no_way_back(self):
        self.beta.run("mkdir -p /root/.ssh; mv /root/.ssh/known_hosts /root/.ssh/known_hosts.away 2>/dev/null; "
                      "sed -i.away 's/alpha/nobody/' /etc/hosts")
        try:
            self.refused("beta cannot reach alpha, to which it would replicate", "on beta: ", takeover=False)
        finally:
            self.beta.run("mv /root/.ssh/known_hosts.away /root/.ssh/known_hosts 2>/dev/null; "
                          "cp /etc/hosts.away /etc/hosts")


class OfTheMountpoint(Refused):
    def test_files_in_the_directory(self):
        self.beta.run("mkdir -p /tank/fs && touch /tank/fs/somebody")
        self.addCleanup(self.beta.run, "rm -f /tank/fs/somebody /tank/somebody")
        self.refused("/tank/fs, where backup/fs would be mounted, is a directory with files in it", "move them away")
        self.beta.run("mv /tank/fs/somebody /tank/")
        self.assert_way_is_clear()

    def test_another_filesystem(self):
        self.beta.run("zfs create -o mountpoint=/tank/fs backup/other")
        self.refused("/tank/fs, where backup/fs would be mounted, is the mount point of 'backup/other'",
                     "zfs set mountpoint=/PATH 'backup/fs'")
        self.beta.run("zfs set mountpoint=/tank/elsewhere backup/fs")
        self.assert_way_is_clear()


class OfTheMaster(Refused):
    def test_made_readonly_by_somebody(self):
        self.alpha.run("zfs set readonly=on tank/fs")
        for words, host, where in ((["failover", FS], "alpha", ""), (["takeover", COPY], "beta", "on alpha: ")):
            for dry in ([], ["--dry-run"]):
                done = self.zrepctl(*words, *dry, on=host, code=5)
                self.assertIn("tank/fs is readonly here: somebody else made it so", done.err)
                self.assertIn(f"\n  next: {where}zfs inherit readonly 'tank/fs'", done.err)
        self.alpha.run("zfs inherit readonly tank/fs; echo unsent > /tank/fs/unsent")
        self.assert_writable()
        self.assert_way_is_clear()


class OfAnotherRoleChange(Refused):
    def test_one_under_way(self):
        self.beta.run("mkdir -p /etc/zrepd/hooks.d/pre-promote.d; "
                      "printf '#!/bin/sh\\nsleep 8\\n' > /etc/zrepd/hooks.d/pre-promote.d/10-slow; "
                      "chmod +x /etc/zrepd/hooks.d/pre-promote.d/10-slow")
        self.addCleanup(self.beta.run, "rm -f /etc/zrepd/hooks.d/pre-promote.d/10-slow")
        self.alpha.run("echo unsent > /tank/fs/unsent; setsid zrepctl failover tank/fs </dev/null >/run/first 2>&1 &")
        wait_for("the first one is under way", 10, lambda: self.status(FS).get("running"))
        for words in (["failover", "-L", FS], ["failover", FS + "@zrep_000000"], ["resolve", FS, "--keep", "HERE"]):
            with self.subTest(words):
                done = self.zrepctl(*words, code=5)
                self.assertIn("failover of tank/fs is under way", done.err)
                self.assertIn("\n  next: ", done.err)
                self.assertIn("zrepctl status 'tank/fs'", done.err)
        self.assert_writable()
        self.assert_master("beta", 90)
        self.assertEqual(self.beta.run("cat /tank/fs/still /tank/fs/unsent").out, "still\nmore\nunsent\n")

    def test_one_of_the_target_that_is_not_finished(self):
        self.zrepd["beta"].stop()
        self.beta.run("zfs set zrep:inprogress='rejoining base=1' backup/fs")
        self.zrepd["beta"].start()
        done = self.zrepctl("failover", FS, code=5)
        self.assertIn("\n  next: ", done.err)
        self.alpha.run("echo unsent > /tank/fs/unsent")
        self.assert_writable()


if __name__ == "__main__":
    unittest.main()
