# SPDX-License-Identifier: BSD-2-Clause
"""zrepd as a process: how it stops, what it reads, and what it says when it cannot start."""
import configparser
import shutil
import subprocess
import unittest
import xml.etree.ElementTree

from streams import StreamCase
from support import ROOT, STOP_SECONDS, wait_for


class Daemon(StreamCase):
    def test_sigterm_ends_running_streams_and_the_next_start_resumes(self):
        self.make_pair()
        client = self.begin("sync", "tank/fs")
        self.assertLess(self.zrepd["alpha"].stop(), STOP_SECONDS)
        client.communicate(timeout=30)
        self.assertNotEqual(client.returncode, 0)
        self.assertIn("stopped", self.zrepd["alpha"].log())
        self.assert_nothing_survives()
        # The leases that it knows of stay for the next start; whether it had one yet depends on how long the stream took.
        left = set(self.alpha.run("ls -A /run/zrepd").out.split()) - {"leases"}
        self.assertEqual(left, {"ssh", "zrepd.lock"})
        self.restart("alpha")
        self.assert_resumes("sync", "tank/fs")

    def test_sigterm_of_the_receiving_side_ends_its_stream(self):
        self.make_pair()
        client = self.begin("sync", "tank/fs")
        self.assertLess(self.zrepd["beta"].stop(), STOP_SECONDS)
        error = self.ends(client, 1)
        self.assertIn("beta", error)
        self.restart("beta")
        self.assert_resumes("sync", "tank/fs")

    def test_sighup_ends_nothing(self):
        self.alpha.run("kill -HUP $(cat /run/zrepd.pid); kill -HUP $(cat /run/zrepd.pid)")
        wait_for("it says so", 10, lambda: "hangup_ignored" in self.zrepd["alpha"].log())
        self.assertTrue(self.zrepd["alpha"].alive())
        self.zrepctl("status")

    def test_second_daemon_is_refused(self):
        pid = self.zrepd["alpha"].pid()
        done = self.alpha.run("timeout 10 zrepd", check=False)
        self.assertEqual(done.code, 1)
        said = done.out + done.err
        self.assertIn(f"another zrepd is running (pid {pid}", said)
        self.assertIn("/run/zrepd/zrepd.lock", said)
        self.assertIn("systemctl stop zrepd", said)
        self.assertTrue(self.zrepd["alpha"].alive())
        self.zrepctl("status")

    def test_settings_file(self):
        self.alpha.run("mkdir -p /etc/zrepd; printf 'host-name = gamma\\nruntime-dir=/run/other # ours\\n"
                       "\\n# no more\\nstreams = 2\\n' > /etc/zrepd/zrepd.conf")
        done = self.alpha.run("zrepd --check-config")
        self.assertEqual(done.out, "settings are fine\n")
        self.alpha.run("zrepd --host-name delta.example >/run/other.log 2>&1 </dev/null & echo $! > /run/other.pid")
        try:
            wait_for("it listens where the file says, under the name of the command line", 10, lambda: "delta" in
                     self.alpha.run("zrepctl --socket /run/other/zrepd.sock version", check=False).out)
        finally:
            self.alpha.run("kill $(cat /run/other.pid); rm /etc/zrepd/zrepd.conf", check=False)

    def test_bad_settings_say_file_line_and_key(self):
        cases = {
            "log-level = info\nstreams = 9\n": ("/run/bad.conf:2: streams: ", "1 to 8"),
            "\n\nstall-timeout = 1s\n": ("/run/bad.conf:3: stall-timeout: ", "at least 5s"),
            "stall-timeout = soon\n": ("/run/bad.conf:1: stall-timeout: ", "soon"),
            "colour = red\n": ("/run/bad.conf:1: ", "colour"),
            "log-level\n": ("/run/bad.conf:1: ", "log-level"),
            "runtime-dir = run\n": ("/run/bad.conf:1: runtime-dir: ", "absolute"),
            "ssh-user = -x\n": ("/run/bad.conf:1: ssh-user: ", "not a user name"),
            "streams = 1\nstreams = 2\n": ("/run/bad.conf:2: streams: ", "twice"),
        }
        for text, words in cases.items():
            with self.subTest(text):
                self.alpha.run("cat > /run/bad.conf", input=text)
                for check in (["--check-config"], []):
                    done = self.alpha.run(["timeout", "10", "zrepd", "--config", "/run/bad.conf", *check], check=False)
                    self.assertEqual(done.code, 2, done)
                    self.assertTrue(all(word in done.err for word in words), done)
                    self.assertIn("next:", done.err)

    def test_bad_command_lines(self):
        for words, said in ((["--colour"], "colour"), (["start"], "start"), (["--streams=0"], "--streams: "),
                            (["--stall-timeout"], "stall-timeout"), (["--host-name=-x"], "--host-name: "),
                            (["--config", "/none", "--check-config"], "/none")):
            with self.subTest(words):
                done = self.alpha.run(["timeout", "10", "zrepd", *words], check=False)
                self.assertIn(done.code, (1, 2))
                self.assertIn(said, done.err)
                self.assertIn("next:", done.err)
        for words, said in ((["--help"], "--check-config"), (["--version"], "zrepd ")):
            self.assertIn(said, self.alpha.run(["zrepd", *words]).out)

    def test_without_permission_it_says_so(self):
        for options in ([], ["--runtime-dir", "/none/run"]):
            done = self.alpha.run(["setpriv", "--reuid=65534", "--clear-groups", "timeout", "10", "zrepd", *options],
                                  check=False)
            self.assertEqual(done.code, 1, done)
            self.assertIn("run zrepd as root", done.out + done.err)


class ServiceFiles(unittest.TestCase):
    def test_systemd_unit(self):
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str
        unit.read(ROOT / "systemd/zrepd.service")
        service = unit["Service"]
        self.assertEqual(service["ExecStart"].split()[0], "/usr/sbin/zrepd")
        self.assertEqual(service["Restart"], "on-failure")
        self.assertEqual((service["RuntimeDirectory"], service["RuntimeDirectoryMode"]), ("zrepd", "0755"))
        self.assertGreater(int(service["TimeoutStopSec"].rstrip("s")), STOP_SECONDS)
        self.assertEqual(unit["Install"]["WantedBy"], "multi-user.target")

    @unittest.skipIf(shutil.which("systemd-analyze") is None, "this machine has no systemd-analyze")
    def test_systemd_understands_the_unit(self):
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(ROOT / "systemd/zrepd.service")],
                              capture_output=True, text=True, timeout=60)
        complaints = [line for line in done.stderr.splitlines()
                      if "zrepd.service" in line and "is not executable" not in line]
        self.assertEqual(complaints, [])

    def test_smf_manifest(self):
        service = xml.etree.ElementTree.parse(ROOT / "smf/zrepd.xml").getroot().find("service")
        methods = {method.get("name"): method for method in service.findall("exec_method")}
        self.assertEqual(methods["stop"].get("exec"), ":kill")
        self.assertGreater(int(methods["stop"].get("timeout_seconds")), STOP_SECONDS)


if __name__ == "__main__":
    unittest.main()
