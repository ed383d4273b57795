# SPDX-License-Identifier: BSD-2-Clause
"""A pool that ZFS has suspended: its pairs say so, everybody else's go on, and it goes on when it is back."""
import json
import unittest

from support import Case, wait_for

BACK_SECONDS = 60


class SuspendedPool(Case):
    """A pool on a file that finds no more room below it, as on an overcommitted storage array."""

    def setUp(self):
        super().setUp()
        self.alpha.run("mkdir -p /run/thin; mount -t tmpfs -o size=160M tmpfs /run/thin; "
                       "truncate -s 1G /run/thin/disk; "
                       "zpool create -O compression=off -o failmode=wait thin /run/thin/disk; "
                       "zfs create tank/fs; zfs create thin/fs")
        self.addCleanup(self.alpha.run,
                        "mount -o remount,size=1200M /run/thin; zpool clear thin; wait; sleep 1; pkill -x dd; "
                        "sleep 1; zpool destroy -f thin; umount /run/thin", check=False, timeout=60)
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")
        self.zrepctl("init", "thin/fs", "beta", "backup/thin")

    def state(self):
        return self.alpha.run("cat /proc/spl/kstat/zfs/thin/state").out.strip()

    def suspend(self):
        self.alpha.run("(dd if=/dev/urandom of=/thin/fs/big bs=1M count=300 conv=fsync >/dev/null 2>&1 &)")
        wait_for("the pool is suspended", 60, lambda: self.state() == "SUSPENDED")

    def test_others_go_on_and_it_does_when_it_is_back(self):
        self.suspend()
        self.write("tank/fs", "more")
        said = self.zrepctl("sync", "thin/fs", "tank/fs", code=1)
        self.assertIn("tank/fs: sent tank/fs@zrep_000001", said.out)
        self.assertIn("thin/fs: pool thin is SUSPENDED; nothing was tried on it", said.err)
        self.assertIn("next: repair it: zpool status 'thin', then zpool clear 'thin'", said.err)
        # Everything is looked at again, but for what cannot be.
        self.alpha.run("zfs create tank/new")
        # Exit status 1: there may be more in the pool by now.
        listed = self.zrepctl("list", code=1).out
        self.assertIn("tank/fs", listed)
        self.assertIn("thin/fs", listed)
        pair = self.status("thin/fs")
        self.assertEqual((pair["health"], pair["last_error"]["kind"]), ("failing", "pool_unavailable"))
        for words in (("set", "thin/fs", "interval=1m"), ("init", "thin/new", "beta", "backup/new"),
                      ("expire", "thin/fs"), ("clear", "thin/fs")):
            with self.subTest(words=words):
                self.assertIn("pool thin is SUSPENDED", self.zrepctl(*words, code=1, timeout=30).err)
        self.come_back()
        self.zrepctl("sync", "thin/fs", "tank/fs")
        self.assert_in_step("thin/fs", "backup/thin")
        self.assertEqual(self.status("thin/fs")["health"], "ok")

    def test_a_daemon_that_starts_meanwhile_finds_it_afterwards(self):
        self.suspend()
        self.zrepd["alpha"].stop()
        self.zrepd["alpha"].start(until="zrepctl version")
        # Exit status 1: there may be pairs in the pool that cannot be read.
        wait_for("the other pair is known", 30, lambda: self.known() == ["tank/fs"])
        status = self.zrepctl_json("status", code=1)
        self.assertIn("thin", status["problem"]["message"])
        self.come_back()
        wait_for("the pair is known", BACK_SECONDS, lambda: "thin/fs" in self.zrepctl("status").out)
        self.zrepctl("sync", "thin/fs")
        self.assert_in_step("thin/fs", "backup/thin")

    def known(self):
        done = self.alpha.run("zrepctl status --json", check=False)
        return [pair["dataset"] for pair in json.loads(done.out)["pairs"]]

    def come_back(self):
        self.alpha.run("mount -o remount,size=1200M /run/thin; zpool clear thin", timeout=60)
        wait_for("the pool is back", 30, lambda: self.state() == "ONLINE")


class SuspendedTarget(Case):
    """A target's pool that is suspended in the middle of a stream: its `zfs receive` waits in the kernel."""

    daemon_options = ("--stall-timeout", "5s")

    def test_a_receive_that_no_kill_ends_is_abandoned_and_shown(self):
        self.beta.run("mkdir -p /run/thin; mount -t tmpfs -o size=120M tmpfs /run/thin; "
                      "truncate -s 1G /run/thin/disk; "
                      "zpool create -O compression=off -O zrep:accept=alpha -o failmode=wait thin /run/thin/disk")
        self.addCleanup(self.beta.run, "mount -o remount,size=1200M /run/thin; zpool clear thin; sleep 2; "
                        "zpool destroy -f thin; umount /run/thin", check=False, timeout=60)
        self.alpha.run("zfs create tank/fs")
        self.zrepctl("init", "tank/fs", "beta", "thin/fs")
        self.write("tank/fs", "big", 250)
        done = self.zrepctl("sync", "tank/fs", code=1, timeout=200)
        self.assertIn("next:", done.err)
        wait_for("the receive is given up", 60, lambda: "child_abandoned" in self.zrepd["beta"].log(), step=1)
        states = self.beta.run("ps -o stat=,args= -C zfs", check=False).out
        self.assertIn("zfs receive", states, "it is still there")
        # Who asks is answered all the same, on both sides.
        here = self.status("tank/fs")
        there = wait_for("the target's side knows", 30,
                         lambda: self.status("thin/fs", on="beta").get("last_error"), step=1)
        self.assertIn("did not end even when killed", there["message"])
        self.assertIn("zpool status", there["remedy"])
        for error in (here["last_error"], there):
            self.assertNotEqual("", error["message"])
            self.assertNotEqual("", error["remedy"])
            self.assertRegex(error["since"], "^2.*Z$")
        self.beta.run("mount -o remount,size=1200M /run/thin; zpool clear thin", timeout=60)
        wait_for("it goes on", 90, lambda: self.alpha.run("zrepctl sync tank/fs", check=False, timeout=120).code == 0,
                 step=2)
        self.assert_in_step("tank/fs", "thin/fs")


if __name__ == "__main__":
    unittest.main()
