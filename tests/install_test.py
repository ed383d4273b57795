# SPDX-License-Identifier: BSD-2-Clause
"""usage: install_test.py CMAKE BUILD: what `cmake --install` of a build puts where."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

CMAKE, BUILD = sys.argv[1], pathlib.Path(sys.argv[2])


def cached(name):
    """A variable of the build's configuration."""
    return re.search(rf"(?m)^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text())[1]


class Install(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root, self.prefix = pathlib.Path(folder.name), pathlib.Path(cached("CMAKE_INSTALL_PREFIX"))
        subprocess.run([CMAKE, "--install", str(BUILD)], check=True, stdout=subprocess.DEVNULL, timeout=60,
                       env={**os.environ, "DESTDIR": folder.name})

    def installed(self, *parts):
        return self.root / self.prefix.joinpath(*parts).relative_to("/")

    def test_everything_is_in_its_place_and_nothing_else(self):
        files = {path for path in self.root.rglob("*") if path.is_file()}
        self.assertEqual(files, {self.agent()} | {self.installed(name) for name in (
            "bin/zrepctl", "lib/systemd/system/zrepd.service", "lib/systemd/system/zrepd.socket",
            "lib/systemd/system/zrepd-ro.socket", "lib/sysusers.d/zrepd.conf", "lib/tmpfiles.d/zrepd.conf", "sbin/zrepd",
            "share/man/man5/zrepd.conf.5", "share/man/man7/zrep-properties.7", "share/man/man7/zrepd-failover.7",
            "share/man/man8/zrepctl.8", "share/man/man8/zrepd.8", "share/bash-completion/completions/zrepctl", "share/zsh/vendor-completions/_zrepctl",
            "share/fish/vendor_completions.d/zrepctl.fish")})

    def agent(self):
        return self.root / cached("ZREPD_OCF_FOLDER").lstrip("/") / "zrepd/filesystem"

    def test_programs_run(self):
        for program in ("sbin/zrepd", "bin/zrepctl"):
            done = subprocess.run([self.installed(program), "--version"], capture_output=True, text=True, timeout=30,
                                  check=True)
            self.assertRegex(done.stdout, rf"^{program.split('/')[1]} \d+\.\d+\.\d+\b")

    def test_resource_agent_runs_the_client_that_was_installed(self):
        client = re.search(r'(?m)^: "\$\{ZREPCTL:=(\S+)\}"', self.agent().read_text())[1]
        self.assertEqual(client, str(self.prefix / "bin/zrepctl"))
        self.assertTrue(os.access(self.agent(), os.X_OK))

    def test_names_the_programs_of_the_prefix_that_it_was_given(self):
        subprocess.run([CMAKE, "--install", str(BUILD), "--prefix", "/opt/zrepd"], check=True, stdout=subprocess.DEVNULL,
                       timeout=60, env={**os.environ, "DESTDIR": str(self.root)})
        unit = (self.root / "opt/zrepd/lib/systemd/system/zrepd.service").read_text()
        self.assertIn("ExecStart=/opt/zrepd/sbin/zrepd\n", unit)

    def test_service_starts_the_program_that_was_installed(self):
        unit = self.installed("lib/systemd/system/zrepd.service").read_text()
        program = re.search(r"(?m)^ExecStart=(\S+)", unit)[1]
        self.assertEqual(program, str(self.prefix / "sbin/zrepd"))
        self.assertTrue(os.access(self.root / program.lstrip("/"), os.X_OK))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
