# SPDX-License-Identifier: BSD-2-Clause
"""zrepd as systemd's service: readiness, watchdog, sockets that outlive it, restarts at bad moments, the package's
scripts, and that what the unit forbids is in nobody's way."""
import json
import os
import re
import subprocess
import time
import unittest

from roles import COPY, FS
from services import MAKE_FOLDERS, NEW, ServiceCase
from support import ROOT, wait_for

PASSWORD = "correct-horse"
HASHED = "$6$zrepd$vkwgj5kC3xLng9Tu91CzEFS0zcATDU5Txmr3hC54/meXrvEqumN/M5eWTrhbEwG1C/RbJ3LMdO9dqXwU3Zhhj/"

# A hook that does what hooks do: an address, a file of somebody else's, a program as another user.
HOOK = """#!/bin/sh
set -e
ip addr add 192.0.2.10/32 dev lo
touch /run/hook-file && chown nobody /run/hook-file
runuser -u nobody -- id -un > /run/hook-user
su nobody -s /bin/sh -c "id -un" >> /run/hook-user
"""
# Clients one after the other while zrepd is started anew three times; what failed.
CLIENTS = """
systemctl start zrepd
(for i in 1 2 3; do systemctl restart zrepd; done; touch /run/enough) &
n=0
until [ -e /run/enough ]; do zrepctl version >/run/said 2>&1 || cat /run/said; n=$((n + 1)); done
rm /run/enough; wait
[ $n -ge 3 ] || echo only $n clients
"""


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
                                              "/run/zrepd/peer.sock 660 root:zrepd", "/run/zrepd/zrepd-ro.sock 666 root:zrepd",
                                              "/run/zrepd/zrepd.sock 660 root:zrepd"])
        said = self.alpha.run(f"grep -E '^(Seccomp|NoNewPrivs):' /proc/{zrepd.pid()}/status; "
                              f"readlink /proc/1/ns/mnt /proc/{zrepd.pid()}/ns/mnt").out.split()
        self.assertEqual(said[:4], ["NoNewPrivs:", "1", "Seccomp:", "2"])
        self.assertEqual(said[4], said[5], "it mounts for everyone")

    def test_a_loop_that_does_not_turn_is_started_anew(self):
        self.drop_in(self.alpha, "[Service]\\nWatchdogSec=2s\\n")
        self.alpha.run("systemctl restart zrepd")
        before = self.zrepd["alpha"].pid()
        self.alpha.run(f"kill -STOP {before}")
        wait_for("systemd starts another", 30, lambda: self.zrepd["alpha"].show("NRestarts") == "1", step=0.5)
        self.assert_serves("alpha")
        self.assertNotEqual(self.zrepd["alpha"].pid(), before)
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
        self.write(FS, "big", 8)
        self.zrepctl("set", FS, "limit=1M")
        client = self.alpha.spawn("zrepctl failover tank/fs")
        self.addCleanup(self.close, client)
        wait_for("the first part is sent", 60, self.running)
        # What is written meanwhile goes when the master is readonly, which is the middle.
        self.write(FS, "more", 8)
        wait_for("the master is readonly", 60, lambda: self.get(self.alpha, "readonly", FS) == "on")
        began = time.monotonic()
        self.zrepd["alpha"].stop()
        self.assertLess(time.monotonic() - began, 10)
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
        found = self.beta.run("cat /run/hook-user; stat -c %U /run/hook-file; ip -o addr show dev lo to 192.0.2.10").out.split()
        self.assertEqual(found[:3], ["nobody"] * 3)
        self.assertIn("192.0.2.10/32", found)
        self.beta.run("ip addr del 192.0.2.10/32 dev lo; rm /run/hook-*")

    def test_clients_wait_for_a_restart_and_do_not_start_what_was_stopped(self):
        before = self.alpha.run("stat -c %i /run/zrepd/zrepd.sock").out
        self.assertEqual(self.alpha.run(["bash", "-c", CLIENTS], timeout=180).out, "")
        self.assertEqual(self.alpha.run("stat -c %i /run/zrepd/zrepd.sock").out, before, "the same socket all the time")
        self.zrepd["alpha"].stop()
        done = self.zrepctl("status", code=3)
        self.assertIn("systemctl start zrepd", done.err)
        self.assertFalse(self.zrepd["alpha"].alive())
        self.assertEqual(self.alpha.run("ls /run/zrepd").out.count(".sock"), 0)
        self.zrepd["alpha"].start()
        self.assert_serves("alpha")

    def test_clients_of_a_zrepd_that_cannot_start_are_told_so_in_time(self):
        self.alpha.run("echo 'streams = none' > /etc/zrepd/zrepd.conf; systemctl restart zrepd", check=False)
        began = time.monotonic()
        done = self.zrepctl("status", code=3)
        self.assertLess(time.monotonic() - began, 25)
        self.assertIn("systemctl", done.err)
        self.assertIn("streams", self.zrepd["alpha"].log())
        self.alpha.run("rm /etc/zrepd/zrepd.conf; systemctl reset-failed zrepd; systemctl start zrepd")
        self.assert_serves("alpha")


class Package(ServiceCase):
    def test_upgraded_in_the_middle_of_a_sync_it_resumes(self):
        self.make_pair()
        client = self.begin("sync", "tank/fs", write=lambda dataset, name, _: self.write(dataset, name, 40))
        before = self.zrepd["alpha"].pid()
        self.dpkg(self.alpha, "-i /lab/package/" + self.new)
        self.assertEqual(self.version(self.alpha), NEW)
        client.communicate(timeout=60)
        self.assert_serves("alpha")
        self.assertNotEqual(self.zrepd["alpha"].pid(), before, "the new one runs")
        self.zrepctl("set", "tank/fs", "limit=")
        self.assertIn("resumed", self.zrepctl("sync", "tank/fs").out)
        self.assert_in_step("tank/fs", "backup/fs")
        self.assert_same_data("tank/fs", "backup/fs")

    def test_removed_it_stops_and_purged_it_leaves_the_pairs_alone(self):
        self.make_pair()
        self.dpkg(self.alpha, "--remove zrepd")
        self.assertEqual(self.alpha.run("pgrep -x zrepd; ls /run/zrepd/*.sock 2>/dev/null", check=False).out, "")
        self.assertEqual(self.alpha.run("systemctl is-active zrepd zrepd.socket", check=False).out.split(), ["inactive"] * 2)
        self.dpkg(self.alpha, "--purge zrepd")
        self.alpha.run("test ! -e /etc/zrepd && test ! -e /run/zrepd")
        self.assertEqual(self.alpha.run("ls /etc/systemd/system /etc/systemd/system/*.wants | grep zrepd", check=False).out, "")
        self.assertEqual(self.get(self.alpha, "zrep:dest-host", "tank/fs"), "beta")
        self.alpha.run(MAKE_FOLDERS.format("/lab/package/" + self.old))
        self.dpkg(self.alpha, "-i /lab/package/" + self.old)
        self.alpha.run("echo more > /tank/fs/more")
        self.zrepctl("sync", "tank/fs")
        self.assert_in_step("tank/fs", "backup/fs")


class FirstCopy(ServiceCase):
    """What the README promises to somebody who has two hosts, a pool on each, and nothing else."""

    accepts = False

    def prepare(self, name):
        """Without the package and without a key: the lab's own way in stays, beta's root has a password."""
        host = self.lab.host(name)
        self.remove(host)
        # The machine's lists of packages are long, and the hosts have no network to use them.
        host.run("cp -a /root/.ssh /run/ssh-of-the-lab; rm -f /root/zrepd_*; cp /lab/package/" + self.old + " /root/; rm -f /root/.ssh/id_* /root/.ssh/known_hosts; "
                 "mount -t tmpfs lists /var/lib/apt/lists; "
                 f"usermod -p '{HASHED}' root")
        self.addCleanup(host.run, "rm -f /root/.ssh/*; cp -a /run/ssh-of-the-lab/. /root/.ssh/; rm -r /run/ssh-of-the-lab; umount /var/lib/apt/lists")

    def commands(self):
        """(host, command) of the README's section."""
        section = (ROOT / "README.md").read_text().split("\n## A first copy\n", 1)[1].split("\n## ", 1)[0]
        return re.findall(r"(?m)^    (alpha|beta)# +(.+?)(?:  +#.*)?$", section)

    def type(self, name, command):
        """At a terminal, with the answers to what ssh asks there."""
        argv = self.lab.host(name).argv("cd /root && " + command)
        argv.insert(argv.index("ssh") + 1, "-tt")
        answers = [("(yes/no", "yes\n"), ("password:", PASSWORD + "\n")]
        said = ""
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
            self.addCleanup(client.kill)
            while more := os.read(client.stdout.fileno(), 4096):
                said += more.decode(errors="replace")
                if answers and answers[0][0] in said:
                    client.stdin.write(answers.pop(0)[1].encode())
                    client.stdin.flush()
        self.assertEqual(client.returncode, 0, f"{name}# {command}\n{said}")

    def test_the_readme_s_commands_make_it(self):
        self.alpha.run("zfs create tank/fs; echo data > /tank/fs/file")
        typed = self.commands()
        self.assertLessEqual(len(typed), 6, typed)
        self.assertEqual([name for name, command in typed if command == "apt install ./zrepd_*.deb"], ["alpha", "beta"])
        for name, command in typed:
            self.type(name, command)
        self.assert_same_data("tank/fs", "backup/fs")
        self.assertRegex(self.zrepctl("status").out, r"(?m)^tank/fs +master +beta:backup/fs .* ok ")


if __name__ == "__main__":
    unittest.main()
