# SPDX-License-Identifier: BSD-2-Clause
"""The package on hosts with systemd: what the README promises to somebody who has nothing else, an upgrade in the middle of
a sync, and its end."""
import os
import re
import select
import subprocess
import time
import unittest

from services import MAKE_FOLDERS, NEW, OLD, ServiceCase, unpacked
from support import ROOT

KEY = r"ssh-ed25519 [A-Za-z0-9+/=]{60,} root@alpha"
TYPED_SECONDS = 180  # for one command; a guest takes its time for a package


class Package(ServiceCase):
    def test_upgraded_in_the_middle_of_a_sync_it_resumes(self):
        new = self.package(NEW)
        self.make_pair()
        # As long as dpkg may take.
        client = self.begin("sync", "tank/fs", write=lambda dataset, name, _: self.write(dataset, name, 90), limit="512K")
        before, old = self.zrepd["alpha"].pid(), self.programs("alpha")
        self.assertEqual(old, self.programs("beta"))
        self.dpkg(self.alpha, "-i /lab/package/" + new)
        self.assertEqual(self.version(self.alpha), NEW)
        client.communicate(timeout=60)
        self.assert_serves("alpha")
        self.assertNotEqual(self.zrepd["alpha"].pid(), before, "the new one runs")
        self.assertTrue(set(self.programs("alpha")).isdisjoint(old), "both programs are new")
        self.zrepctl("set", "tank/fs", "limit=")
        self.assertIn("resumed", self.zrepctl("sync", "tank/fs").out)
        self.assert_in_step("tank/fs", "backup/fs")
        self.assert_same_data("tank/fs", "backup/fs")

    def without_sockets(self):
        """The old version as packages once were: no sockets of systemd's, no mounts of zrepd's own."""
        folder = self.lab.stage / "package"
        name = f"zrepd_{OLD}~sockets_amd64.deb"
        with unpacked(folder / self.old, folder / name) as root:
            units = root / "usr/lib/systemd/system"
            for socket in units.glob("zrepd*.socket"):
                socket.unlink()
            service = units / "zrepd.service"
            kept = re.sub(r"(?m)^(ExecStartPre|FileDescriptorStoreMax|Sockets|NotifyAccess|P\w+|Device\w+)=.*\n", "", service.read_text())
            service.write_text(kept.replace(" zrepd.socket zrepd-ro.socket", ""))
            control = root / "DEBIAN/control"
            control.write_text(control.read_text().replace(f"Version: {OLD}\n", f"Version: {OLD}~sockets\n"))
        return name

    def test_upgraded_from_one_that_made_its_own_sockets(self):
        self.make_pair()
        self.remove(self.alpha)
        self.dpkg(self.alpha, "-i /lab/package/" + self.without_sockets())
        self.assert_serves("alpha")
        self.assertEqual(self.zrepd["alpha"].show("ActiveState", "zrepd.socket"), "inactive")
        client = self.begin("sync", "tank/fs", write=lambda dataset, name, _: self.write(dataset, name, 90), limit="512K")
        self.dpkg(self.alpha, "-i /lab/package/" + self.package(NEW))
        client.communicate(timeout=60)
        self.assert_serves("alpha")
        self.assertEqual([self.zrepd["alpha"].show("ActiveState", f"{name}.socket") for name in ("zrepd", "zrepd-ro")], ["active"] * 2)
        self.assertNotEqual(*self.alpha.run(f"readlink /proc/1/ns/mnt /proc/{self.zrepd['alpha'].pid()}/ns/mnt").out.split())
        self.assertNotIn("mounts_apart", self.zrepd["alpha"].log())
        self.zrepctl("set", "tank/fs", "limit=")
        self.assertIn("resumed", self.zrepctl("sync", "tank/fs").out)
        self.assert_same_data("tank/fs", "backup/fs")

    def test_removed_it_stops_and_purged_it_leaves_the_pairs_alone(self):
        self.make_pair()
        self.dpkg(self.alpha, "--remove zrepd")
        self.assertEqual(self.alpha.run("pgrep -x zrepd; ls /run/zrepd/*.sock 2>/dev/null", check=False).out, "")
        self.assertEqual(self.alpha.run("systemctl is-active zrepd zrepd.socket", check=False).out.split(), ["inactive"] * 2)
        self.dpkg(self.alpha, "--purge zrepd")
        self.alpha.run("test ! -e /etc/zrepd && test ! -e /run/zrepd")
        left = self.alpha.run("ls /etc/systemd/system /etc/systemd/system/*.wants | grep zrepd", check=False).out
        self.assertEqual(left, "")
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
        """Without the package and without a key of root's; the lab's own way in stays."""
        host = self.lab.host(name)
        self.remove(host)
        # The machine's lists of packages are long, and the hosts have no network to use them.
        host.run("cp -a /root/.ssh /run/ssh-of-the-lab; rm -f /root/.ssh/id_* /root/.ssh/known_hosts /root/zrepd_*; "
                 f"cp /lab/package/{self.old} /root/; mount -t tmpfs lists /var/lib/apt/lists")
        self.addCleanup(host.run, "rm -f /root/.ssh/*; cp -a /run/ssh-of-the-lab/. /root/.ssh/; rm -r /run/ssh-of-the-lab; umount /var/lib/apt/lists")

    def commands(self):
        """(host, command) of the README's section."""
        section = (ROOT / "README.md").read_text().split("\n## A first copy\n", 1)[1].split("\n## ", 1)[0]
        return re.findall(r"(?m)^    (alpha|beta)# +(.+?)(?:  +#.*)?$", section)

    def type(self, name, command):
        """At a terminal, with the answer to what ssh asks there; what was said."""
        argv = self.lab.host(name).argv("cd /root && " + command)
        argv.insert(argv.index("ssh") + 1, "-tt")
        answers = [("(yes/no", "yes\n")]
        said, until = "", time.monotonic() + TYPED_SECONDS
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
            self.addCleanup(client.kill)
            while True:
                if not select.select([client.stdout], [], [], max(0, until - time.monotonic()))[0]:
                    client.kill()
                    self.fail(f"{name}# {command}\nhas no end after {TYPED_SECONDS} s:\n{said}")
                more = os.read(client.stdout.fileno(), 4096)
                if not more:
                    break
                said += more.decode(errors="replace")
                if answers and answers[0][0] in said:
                    client.stdin.write(answers.pop(0)[1].encode())
                    client.stdin.flush()
        self.assertEqual(client.returncode, 0, f"{name}# {command}\n{said}")
        return said

    def test_the_readme_s_commands_make_it(self):
        self.alpha.run("zfs create tank/fs; echo data > /tank/fs/file")
        typed = self.commands()
        self.assertLessEqual(len(typed), 6, typed)
        self.assertEqual([name for name, command in typed if command == "apt install ./zrepd_*.deb"], ["alpha", "beta"])
        said = ""
        for name, command in typed:
            if "…" in command:
                # What the reader copies from the line before, a key and all.
                copied, = re.findall(r"(?m)^on beta, as root: (.+?)\r?$", said)
                self.assertEqual(command, re.sub(KEY, "ssh-ed25519 AAAA… root@alpha", copied))
                command = copied
            said = self.type(name, command)
        self.assert_same_data("tank/fs", "backup/fs")
        self.assertRegex(self.zrepctl("status").out, r"(?m)^tank/fs +master +beta:backup/fs .* ok ")
        self.assertIn("Permission denied", self.alpha.run("ssh -o BatchMode=yes beta true", check=False).err, "root is let in nowhere")


if __name__ == "__main__":
    unittest.main()
