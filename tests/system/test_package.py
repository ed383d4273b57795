# SPDX-License-Identifier: BSD-2-Clause
"""The Debian package on a host: installed, once more in the middle of a sync, removed and purged. Starting the new
zrepd is systemd's part, which does not run on these hosts."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from streams import StreamCase
from support import ROOT

BUILD = pathlib.Path(os.environ.get("ZREPD_BUILD", ROOT / "build/release"))
# The lab's hosts have OpenZFS's programs from the lab's own folder, and no systemd that runs.
DPKG = "DEBIAN_FRONTEND=noninteractive dpkg"


class Package(StreamCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.lab.stage / "package"
        subprocess.run(["cpack", "-G", "DEB", "-B", str(folder)], cwd=BUILD, check=True, timeout=300,
                       stdout=subprocess.DEVNULL)
        cls.package, = folder.glob("zrepd_*.deb")
        cls.symbols, = folder.glob("zrepd-dbgsym_*deb")

    def setUp(self):
        super().setUp()
        self.install("alpha")

    def tearDown(self):
        super().tearDown()
        self.alpha.run(f"{DPKG} --purge zrepd", check=False, timeout=120)

    def install(self, name):
        # The root of a lab's host is an overlay, in which a new folder cannot be renamed, as dpkg does.
        self.lab.host(name).run(f"dpkg-deb -c /lab/package/{self.package.name} | sed -n 's|^d.* \\./|/|p' | xargs mkdir -p")
        return self.lab.host(name).run(f"{DPKG} -i /lab/package/{self.package.name} 2>&1", timeout=120)

    def state(self):
        return self.alpha.run("dpkg-query -W -f '${db:Status-Abbrev}' zrepd 2>/dev/null", check=False).out.strip()

    @unittest.skipUnless(shutil.which("lintian"), "lintian is not installed")
    def test_debian_finds_no_fault_with_it(self):
        done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error", str(self.package), str(self.symbols)],
                              capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def test_installs_what_an_administrator_needs(self):
        self.assertEqual(self.state(), "ii")
        files = self.alpha.run("dpkg -L zrepd").out.split()
        for name in ("/usr/sbin/zrepd", "/usr/bin/zrepctl", "/usr/share/man/man8/zrepctl.8.gz", "/usr/share/man/man8/zrepd.8.gz",
                     "/usr/share/man/man5/zrepd.conf.5.gz", "/usr/share/man/man7/zrepd-failover.7.gz",
                     "/usr/lib/systemd/system/zrepd.service", "/usr/share/doc/zrepd/operations.md"):
            self.assertIn(name, files)
        self.alpha.run("getent group zrepd")
        self.assertRegex(self.alpha.run("getent passwd zrep; getent shadow zrep").out,
                         r"^zrep:.*:/var/lib/zrep:/bin/sh\nzrep:\*:")
        self.assertIn("ExecStart=/usr/sbin/zrepd\n", self.alpha.run("cat /usr/lib/systemd/system/zrepd.service").out)
        # Debian's own check of the files against what the package says of them.
        self.assertEqual(self.alpha.run("dpkg --verify zrepd").out, "")
        self.alpha.run("zrepctl status")

    def test_its_symbols_are_those_of_its_programs(self):
        def words(*argv):
            return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
        self.assertEqual(words("dpkg-deb", "-f", self.symbols, "Depends"),
                         f"zrepd (= {words('dpkg-deb', '-f', self.package, 'Version').strip()})\n")
        with tempfile.TemporaryDirectory() as folder:
            for package in (self.package, self.symbols):
                words("dpkg-deb", "-x", package, folder)
            for program in ("usr/sbin/zrepd", "usr/bin/zrepctl"):
                build, = re.findall(r"Build ID: ([0-9a-f]+)", words("readelf", "-n", f"{folder}/{program}"))
                symbols = f"{folder}/usr/lib/debug/.build-id/{build[:2]}/{build[2:]}.debug"
                self.assertIn(".debug_info", words("readelf", "-S", "-W", symbols))
                self.assertNotIn(".debug_info", words("readelf", "-S", "-W", f"{folder}/{program}"))

    def test_its_documents_lead_nowhere_else(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["dpkg-deb", "-x", self.package, folder], check=True, timeout=60)
            docs = pathlib.Path(folder, "usr/share/doc/zrepd")
            links = [(page, link) for page in docs.rglob("*.md")
                     for link in re.findall(r"\]\(([^)#\s:]+)(?:#[^)]*)?\)", page.read_text())]
            self.assertGreater(len(links), 50)
            self.assertEqual([f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()], [])
            for name in ("monitoring/alerts.yml", "monitoring/dashboard.json", "status.schema.json", "examples/hooks"):
                self.assertTrue((docs / name).exists(), name)

    def test_installed_again_in_the_middle_of_a_sync_it_disturbs_nothing(self):
        self.make_pair()
        # A guest takes its time for a package.
        client = self.begin("sync", "tank/fs", write=lambda dataset, name, _: self.write(dataset, name, 90))
        self.install("alpha")
        # The old one goes on until the new one takes its place, which is systemd's part.
        self.assertTrue(self.zrepd["alpha"].alive())
        self.assertIsNone(client.poll(), "the sync goes on")
        self.zrepd["alpha"].stop()
        client.communicate(timeout=30)
        self.zrepd["alpha"].start()
        self.zrepctl("set", "tank/fs", "limit=")
        self.assertIn("resumed", self.zrepctl("sync", "tank/fs").out)
        self.assert_in_step("tank/fs", "backup/fs")

    def test_remove_and_purge_leave_the_pairs(self):
        self.make_pair()
        self.alpha.run("mkdir -p /etc/zrepd/hooks.d; echo 'streams = 2' > /etc/zrepd/zrepd.conf")
        self.zrepd["alpha"].stop()
        self.alpha.run(f"{DPKG} --remove zrepd", timeout=120)
        self.alpha.run("test ! -e /usr/sbin/zrepd && test ! -e /usr/bin/zrepctl && test -s /etc/zrepd/zrepd.conf")
        # What a killed zrepd left mounted for a drill, and somebody made writable.
        self.alpha.run("mkdir -p /run/zrepd/drill/1; zfs create -o mountpoint=/run/zrepd/drill/1 tank/left; "
                       "echo data > /run/zrepd/drill/1/file")
        self.alpha.run(f"{DPKG} --purge zrepd", timeout=120)
        self.assertEqual(self.state(), "")
        self.assertEqual(self.alpha.run("cat /run/zrepd/drill/1/file").out, "data\n")
        self.alpha.run("zfs destroy tank/left; rm -r /run/zrepd")
        # Somebody wrote that file; what is empty and ours is gone.
        self.alpha.run("test -s /etc/zrepd/zrepd.conf && test ! -e /etc/zrepd/hooks.d")
        self.alpha.run("rm -r /etc/zrepd")
        self.assertEqual(self.get(self.alpha, "zrep:dest-host", "tank/fs"), "beta")
        self.install("alpha")
        self.zrepd["alpha"].start()
        self.alpha.run("echo more > /tank/fs/more")
        self.zrepctl("sync", "tank/fs")
        self.assert_in_step("tank/fs", "backup/fs")


if __name__ == "__main__":
    unittest.main()
