# SPDX-License-Identifier: BSD-2-Clause
"""zrepd as systemd's service: readiness, watchdog, sockets that outlive it, restarts at bad moments, and
that what the unit forbids is in nobody's way."""
import json
import unittest

from roles import COPY, FS
from services import ServiceCase
from support import wait_for

# A hook that does what hooks do: an address, a file of somebody else's, a program as another user.
HOOK = """#!/bin/sh
set -e
ip addr add 192.0.2.10/32 dev lo
touch /run/hook-file && chown nobody /run/hook-file
runuser -u nobody -- id -un > /run/hook-user
su nobody -s /bin/sh -c "id -un" >> /run/hook-user
readlink /proc/self/ns/mnt > /run/hook-mounts
if (: > /dev/kmsg) 2>/dev/null; then touch /run/hook-has-devices; fi
"""
# A restart that lasts until somebody says so.
HELD_BACK = "[Service]\\nExecStartPre=/bin/sh -c 'until [ -e /run/go ]; do sleep 0.1; done'\\n"
# How many have connected to the control socket and were not taken yet.
WAITING = "grep -c ' 02 .* /run/zrepd/zrepd.sock$' /proc/net/unix"


class Systemd(ServiceCase):
    def test_says_that_it_serves_and_how_it_is_to_the_manager_and_the_journal(self):
        self.make_pair()
        zrepd = self.zrepd["alpha"]
        self.assertEqual(zrepd.show("ActiveState"), "active")
        wait_for("its status line counts the pair", 30, lambda: zrepd.show("StatusText") == "1 pair, 0 running", step=1)
        self.assertIn("1 pair, 0 running", self.alpha.run("systemctl status zrepd").out)
        lines = [json.loads(line) for line in
                 self.alpha.run(f"journalctl -u zrepd -o json --no-pager _PID={zrepd.pid()}").out.splitlines()]
        started = [line for line in lines if line["MESSAGE"].startswith("started ")]
        self.assertEqual([line["PRIORITY"] for line in started], ["6"])
        self.assertTrue(any(line["MESSAGE"].startswith("control_call ") for line in lines))
        found = self.alpha.run("stat -c '%n %a %U:%G' /etc/zrepd /run/zrepd /run/zrepd/*.sock").out
        self.assertEqual(found.splitlines(), ["/etc/zrepd 755 root:root", "/run/zrepd 755 root:root",
                                              "/run/zrepd/peer.sock 660 zrep:zrepd", "/run/zrepd/zrepd-ro.sock 666 root:zrepd",
                                              "/run/zrepd/zrepd.sock 660 root:zrepd"])
        said = self.alpha.run(f"grep -E '^(Seccomp|NoNewPrivs):' /proc/{zrepd.pid()}/status; "
                              f"readlink /proc/1/ns/mnt /proc/{zrepd.pid()}/ns/mnt").out.split()
        self.assertEqual(said[:4], ["NoNewPrivs:", "1", "Seccomp:", "2"])
        self.assertNotEqual(said[4], said[5], "its mounts are its own")
        self.assertFalse([line for line in lines if "mounts_apart" in line["MESSAGE"]])
        tried = self.alpha.run(f"nsenter -t {zrepd.pid()} -m touch /etc/x /usr/x /home/x /proc/sys/kernel/hostname", check=False)
        self.assertEqual(tried.err.count("Read-only file system"), 4, tried.err)
        # Nothing is left with systemd, for a zrepd that ends in a moment from now.
        self.assertEqual(zrepd.show("NFileDescriptorStore"), "0")

    def test_what_is_mounted_comes_and_goes_for_everyone(self):
        """Below /home, which zrepd's own mounts have readonly, and mounted when it starts."""
        self.make_pair()
        self.alpha.run(f"mkdir -p /home; zfs set mountpoint=/home/fs {FS}; systemctl restart zrepd")
        self.assert_serves("alpha")
        seen = f"for p in 1 {self.zrepd['alpha'].pid()}; do grep -o -m 1 ' /home/fs zfs ' /proc/$p/mounts; done | wc -l"
        self.assertEqual(self.alpha.run(seen).out, "2\n")
        self.zrepctl("failover", "tank/fs")
        self.assertEqual(self.alpha.run(seen, check=False).out, "0\n")
        self.assertEqual(self.get(self.alpha, "zrep:master", FS), "no")
        self.zrepctl("failover", "backup/fs", on="beta")
        self.assertEqual(self.alpha.run(seen).out, "2\n")
        self.alpha.run("touch /home/fs/written")
        # Nothing of zrepd's keeps it: who unmounts or destroys it outside meets no "busy".
        self.alpha.run(f"zfs unmount {FS}; rmdir /home/fs; zfs mount {FS}; zfs rename -u {FS} {FS}-2; zfs rename -u {FS}-2 {FS}; "
                       f"zfs unmount {FS}; zfs snapshot {FS}@mine; zfs clone -o mountpoint=/home/fs-2 {FS}@mine tank/mine; zfs destroy tank/mine")

    def test_one_whose_mounts_nobody_would_see_says_so(self):
        self.drop_in(self.alpha, "[Service]\nExecStartPre=\n")
        self.alpha.run("systemctl restart zrepd")
        wait_for("it warns", 30, lambda: "mounts_apart" in self.zrepd["alpha"].log())
        self.assertIn("--hand-over-mounts", self.zrepd["alpha"].log())

    def test_a_loop_that_does_not_turn_is_started_anew(self):
        self.drop_in(self.alpha, "[Service]\\nWatchdogSec=8s\\n")
        self.alpha.run("systemctl restart zrepd")
        before = self.zrepd["alpha"].pid()
        self.alpha.run(f"kill -STOP {before}")
        wait_for("systemd kills it", 90, lambda: self.zrepd["alpha"].pid() != before, step=0.5)
        # A busy guest's next one may be slow, too.
        self.alpha.run("rm -r /etc/systemd/system/zrepd.service.d; systemctl daemon-reload")
        wait_for("systemd starts another", 90, lambda: int(self.zrepd["alpha"].show("NRestarts")) >= 1, step=0.5)
        self.assert_serves("alpha")
        self.assertNotIn(self.zrepd["alpha"].pid(), (0, before))
        self.assertIn("Watchdog timeout", self.alpha.run("dmesg").out)

    def test_restarted_in_the_middle_of_a_sync_it_resumes(self):
        self.make_pair()
        client = self.begin("sync", "tank/fs")
        self.alpha.run("systemctl restart zrepd", timeout=60)
        self.assertIn("went away", self.ends(client, 3))
        self.assert_serves("alpha")
        self.assert_resumes("sync", "tank/fs")

    def test_stopped_in_the_middle_of_a_failover_it_recovers_at_the_next_start(self):
        self.make_pair()
        hooks = "/etc/zrepd/hooks.d/post-promote.d"
        self.beta.run(f"mkdir -p {hooks}; cat > {hooks}/50-test; chmod 755 {hooks}/50-test", input=HOOK)
        self.write(FS, "big", 12)
        self.zrepctl("set", FS, "limit=1M")
        client = self.alpha.spawn("zrepctl failover tank/fs")
        self.addCleanup(self.close, client)
        wait_for("the first part has its snapshot", 60, lambda: len(self.snapshots(self.alpha, FS)) > 1)
        # What is written meanwhile goes when the master is readonly, which is the middle.
        self.write(FS, "more", 30)
        wait_for("the master is readonly", 60, lambda: self.get(self.alpha, "readonly", FS) == "on")
        self.zrepd["alpha"].stop()
        # Neither systemd nor its own limit had to end it.
        self.assertEqual(self.zrepd["alpha"].show("Result"), "success")
        self.ends(client, 3)
        self.assertEqual(self.alpha.run("cat /sys/fs/cgroup/system.slice/zrepd.service/cgroup.procs", check=False).out, "",
                         "nothing survives")
        self.assertNotEqual(self.get(self.alpha, "zrep:inprogress", FS), "-")
        self.zrepd["alpha"].start()
        wait_for("the master is writable again", 30, lambda: self.get(self.alpha, "readonly", FS) == "off" and
                 self.get(self.alpha, "zrep:inprogress", FS) in ("-", ""))
        self.assertEqual(self.get(self.alpha, "zrep:master", FS), "yes")
        self.zrepctl("set", "tank/fs", "limit=")
        self.zrepctl("failover", "tank/fs")
        # For everyone, not for zrepd alone; and the hook did all it had to.
        place = self.get(self.beta, "mountpoint", COPY)
        self.assertIn(f" {place} zfs rw", self.beta.run("cat /proc/mounts").out)
        self.beta.run(f"test -s {place}/more")
        found = self.beta.run("cat /run/hook-user; stat -c %U /run/hook-file; "
                              "ip -o addr show dev lo to 192.0.2.10").out.split()
        self.assertEqual(found[:3], ["nobody"] * 3)
        self.assertIn("192.0.2.10/32", found)
        self.assertEqual(*self.beta.run("cat /run/hook-mounts; readlink /proc/1/ns/mnt").out.split())
        self.assertEqual(self.beta.run("ls /run/hook-has-devices; test -w /dev/kmsg", check=False).out, "")
        self.beta.run("ip addr del 192.0.2.10/32 dev lo; rm /run/hook-*")

    def test_clients_wait_for_a_restart_and_do_not_start_what_was_stopped(self):
        before = self.alpha.run("stat -c %i /run/zrepd/zrepd.sock").out
        self.addCleanup(self.alpha.run, "rm -f /run/go")
        self.drop_in(self.alpha, HELD_BACK)
        self.alpha.run("systemctl restart --no-block zrepd")
        wait_for("the restart is in its middle", 60, lambda: self.zrepd["alpha"].show("SubState") == "start-pre")
        client = self.alpha.spawn("zrepctl version")
        self.addCleanup(self.close, client)
        wait_for("a client waits", 15, lambda: self.alpha.run(WAITING, check=False).out.strip() == "1")
        self.alpha.run("touch /run/go")
        self.ends(client, 0)
        self.assertEqual(self.alpha.run("stat -c %i /run/zrepd/zrepd.sock").out, before, "the same socket all the time")
        self.assert_serves("alpha")
        self.zrepd["alpha"].stop()
        done = self.zrepctl("status", code=3)
        self.assertIn("systemctl start zrepd", done.err)
        self.assertFalse(self.zrepd["alpha"].alive())
        self.assertEqual(self.alpha.run("ls /run/zrepd").out.count(".sock"), 0)
        self.zrepd["alpha"].start()
        self.assert_serves("alpha")

    def test_clients_of_a_zrepd_that_cannot_start_are_told_so(self):
        self.alpha.run("echo 'streams = none' > /etc/zrepd/zrepd.conf; systemctl restart zrepd", check=False)
        done = self.zrepctl("status", code=3)
        self.assertIn("systemctl", done.err)
        self.assertIn("streams", self.zrepd["alpha"].log())
        self.alpha.run("rm /etc/zrepd/zrepd.conf; systemctl reset-failed zrepd; systemctl start zrepd")
        self.assert_serves("alpha")


if __name__ == "__main__":
    unittest.main()
