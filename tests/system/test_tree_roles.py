# SPDX-License-Identifier: BSD-2-Clause
"""Role changes of a recursive pair on real ZFS (docs/adr/0015): the tree goes as one."""
import unittest

from roles import COPY, FS, Roles
from support import wait_for

BELOW = ("", "/a", "/a/deep", "/own")


class TreeRoles(Roles):
    def setUp(self):
        super(Roles, self).setUp()
        self.alpha.run("zfs create tank/fs && zfs create tank/fs/a && zfs create tank/fs/a/deep && "
                       "zfs create -o mountpoint=/srv/own tank/fs/own && zfs create -V 8M tank/fs/vol && "
                       "for d in /tank/fs /tank/fs/a /tank/fs/a/deep /srv/own; do echo first >$d/first; done")
        self.zrepctl("init", "-r", FS, "beta", COPY)

    def write(self, host, name):
        """One file in every filesystem of the tree, where it is mounted as the master's."""
        host.run(f"for d in /tank/fs /tank/fs/a /tank/fs/a/deep /srv/own; do echo {name} >$d/{name} || exit 1; done")

    def table(self, host, root):
        out = host.run(["zfs", "list", "-rHpo", "name,mounted,readonly,canmount,volmode,mountpoint,zrep:serve",
                        "-t", "filesystem,volume", root]).out
        rows = [line.split("\t") for line in out.splitlines()]
        return {row[0][len(root):]: row[1:] for row in rows if "_diverged_" not in row[0]}

    def assert_served(self, host, root):
        for name, (mounted, readonly, canmount, volmode, place, serve) in self.table(host, root).items():
            if name == "/vol":
                self.assertEqual((readonly, volmode), ("off", "default"), name)
                continue
            self.assertEqual((mounted, readonly, canmount), ("yes", "off", "on"), name)
            self.assertEqual(place, "/srv/own" if name == "/own" else "/tank/fs" + name, name)
            self.assertIn(serve if name else "", ("", "-"), name)

    def assert_hidden(self, host, root):
        for name, (mounted, readonly, canmount, volmode, _, _) in self.table(host, root).items():
            self.assertEqual(readonly, "on", name)
            if name == "/vol":
                self.assertEqual(volmode, "none")
            else:
                self.assertEqual((mounted, canmount), ("no", "noauto"), name)

    def assert_equal_data(self):
        for name in BELOW:
            self.assertEqual(self.digest(self.alpha, FS + name), self.digest(self.beta, COPY + name), name)

    def test_there_and_back(self):
        self.write(self.alpha, "second")
        self.zrepctl("sync", FS)
        self.alpha.run("zfs snapshot tank/fs/a@hourly")
        done = self.zrepctl("failover", "--dry-run", FS)
        self.assertIn("make tank/fs and the 4 below it the target of epoch 2", done.out)
        done = self.zrepctl("failover", FS)
        self.assertIn("beta:backup/fs is the master now (epoch 2)", done.out)
        self.assert_master("beta")
        self.assert_served(self.beta, COPY)
        self.assert_hidden(self.alpha, FS)
        self.beta.run("test -s /tank/fs/a/deep/second && test -s /srv/own/second")
        self.write(self.beta, "third")
        self.zrepctl("sync", COPY, on="beta")
        self.assert_equal_data()
        self.write(self.beta, "fourth")
        self.zrepctl("takeover", FS)
        self.assert_master("alpha")
        self.assert_served(self.alpha, FS)
        self.assert_hidden(self.beta, COPY)
        self.alpha.run("test -s /tank/fs/a/deep/fourth && test -s /srv/own/fourth")
        self.assertEqual(self.status(FS)["health"], "ok")
        self.write(self.alpha, "fifth")
        self.zrepctl("sync", FS)
        self.assert_equal_data()

    def test_a_reboot_shows_the_copy_to_nobody_and_the_master_to_all(self):
        self.zrepctl("failover", FS)
        for host in (self.alpha, self.beta):
            host.cut()
        for name in ("alpha", "beta"):
            self.lab.host(name).boot()
            self.zrepd[name].start()
        self.assert_master("beta", 60)
        self.assert_served(self.beta, COPY)
        self.assert_hidden(self.alpha, FS)

    def test_a_boot_in_the_middle_leaves_no_member_readonly(self):
        """A member that was mounted while its root was readonly stays so when the root alone is set."""
        self.zrepd["alpha"].kill()
        self.alpha.run("zfs set readonly=on zrep:inprogress=freezing tank/fs && zpool sync tank")
        self.alpha.cut()
        self.alpha.boot()
        self.assertNotEqual(self.alpha.run("touch /tank/fs/a/x", check=False).code, 0)
        self.zrepd["alpha"].start()
        self.assert_master("alpha", 60)
        wait_for("all of it takes writes", 30, lambda: self.alpha.run(
            "touch /tank/fs/x /tank/fs/a/x /tank/fs/a/deep/x /srv/own/x", check=False).code == 0)

    def test_the_master_is_lost_in_the_middle_of_a_sync_and_returns(self):
        """What part of the tree had got is of no moment: the new master begins where all of it was whole."""
        self.write(self.alpha, "second")
        self.zrepctl("sync", FS)
        self.write(self.alpha, "third")
        # The root's stream and one member's arrive; then the power is gone.
        self.alpha.run("dd if=/dev/urandom of=/tank/fs/a/deep/big bs=1M count=40 2>/dev/null; sync")
        self.lab.link("beta", "netem", "rate", "40mbit")
        syncing = self.alpha.spawn("zrepctl sync tank/fs")
        whole = self.snapshots(self.beta, COPY)
        wait_for("part of it has arrived", 60, lambda: len(self.snapshots(self.beta, COPY + "/a")) > len(whole))
        self.alpha.cut()
        syncing.communicate(timeout=60)
        self.beta.run("tc qdisc del dev vec0 root")
        done = self.zrepctl("takeover", "-L", COPY, on="beta")
        self.assertIn("backup/fs is the master now (epoch 2)", done.out)
        self.assert_served(self.beta, COPY)
        self.beta.run("test -s /tank/fs/second && test -s /tank/fs/a/second && ! test -e /tank/fs/third && "
                      "! test -e /tank/fs/a/third && ! test -e /tank/fs/a/deep/third")
        rescues = {one["dataset"]: one["of"] for one in self.zrepctl_json("rescue", "list", on="beta")["rescues"]}
        self.assertIn("backup/fs/a", rescues.values())
        self.write(self.beta, "fourth")
        self.alpha.boot()
        self.zrepd["alpha"].start()
        self.assert_master("beta", 120)
        self.assert_hidden(self.alpha, FS)
        rescues = {one["of"]: one["dataset"] for one in self.zrepctl_json("rescue", "list")["rescues"]}
        self.assertIn("tank/fs/a/deep", rescues)
        # What was never acknowledged is beside it, byte for byte.
        copy = rescues["tank/fs/a/deep"]
        self.alpha.run(f"mkdir /run/look && mount -t zfs -o ro,zfsutil {copy} /run/look && test -s /run/look/third && "
                       "test $(stat -c %s /run/look/big) = 41943040; code=$?; umount /run/look; exit $code")
        done = self.zrepctl("sync", COPY, on="beta")
        self.assert_equal_data()
        self.zrepctl("failover", COPY, on="beta")
        self.assert_master("alpha")
        self.assert_served(self.alpha, FS)
        self.alpha.run("test -s /srv/own/fourth")

    def test_a_member_in_use_stays_mounted_and_readonly(self):
        user = self.alpha.spawn("exec sh -c 'cd /tank/fs/a/deep && echo in && exec sleep 600'")
        # A pool in use is not destroyed: the next test would have it.
        self.addCleanup(self.alpha.run, "pkill -x sleep", check=False)
        wait_for("it is in use", 20, lambda: "/tank/fs/a/deep" in self.alpha.run("ls -l /proc/[0-9]*/cwd", check=False).out)
        done = self.zrepctl("failover", FS)
        self.assertIn("zfs unmount 'tank/fs/a/deep'; zfs unmount 'tank/fs'", done.out + done.err)
        self.assertNotIn("zfs unmount 'tank/fs/a'", done.out + done.err)
        self.assert_master("beta")
        self.assertNotEqual(self.alpha.run("touch /tank/fs/a/deep/x", check=False).code, 0)
        self.assert_served(self.beta, COPY)
        self.alpha.run("pkill -x sleep", check=False)
        user.communicate(timeout=30)
        self.alpha.run("zfs unmount tank/fs/a/deep; zfs unmount tank/fs")
        self.assert_hidden(self.alpha, FS)

    def test_killed_in_the_middle_it_goes_on_by_itself(self):
        for number, name in enumerate(("alpha", "beta", "alpha", "beta")):
            self.write(self.alpha, f"round{number}")
            asking = self.alpha.spawn("zrepctl failover tank/fs")
            wait_for("it has begun", 90, lambda: self.get(self.alpha, "readonly", FS) == "on" or asking.poll() is not None,
                     step=0.05)
            self.zrepd[name].kill()
            self.zrepd[name].start()
            asking.communicate(timeout=120)
            wait_for("one master", 60, lambda: self.settled("alpha") or self.settled("beta"))
            if self.settled("beta"):
                self.assert_served_soon(self.beta, COPY)
                self.zrepctl("failover", COPY, on="beta")
            self.assert_master("alpha", 60)
            self.assert_served_soon(self.alpha, FS)
            self.alpha.run(f"test -s /srv/own/round{number} && test -s /tank/fs/a/deep/round{number}")

    def assert_served_soon(self, host, root):
        wait_for("all of it is mounted", 30, lambda: "no" not in [row[0] for row in self.table(host, root).values()])
        self.assert_served(host, root)


if __name__ == "__main__":
    unittest.main()
