# SPDX-License-Identifier: BSD-2-Clause
"""tests/run and tests/demo are interrupted: all that they started is gone, and the exit status says so. What
they do not take away, they tell. The last lab takes away what the first one made of /run/netns."""
import os
import pathlib
import signal
import subprocess
import sys
import unittest

from support import ROOT, lab_module, wait_for

LAB = "interrupted"
STATE = pathlib.Path(f"/tmp/zrepd-lab-{LAB}")
SCRIPT = ROOT / "tests/system/interrupted"
SECONDS = 60
# Two labs come and go, on a /run of their own; what is in it and mounted there after each step.
TWO_LABS = """
import os, sys
sys.path.insert(0, sys.argv[1])
import machine
for was_there in ("nothing", "a folder", "a mount"):
    if was_there != "nothing":
        os.mkdir("/run/netns")
    if was_there == "a mount":
        machine.run_here(["mount", "--bind", "/run/netns", "/run/netns"])
    for step, name in ((machine.add_namespace, "a"), (machine.add_namespace, "b"), (machine.delete_namespace, "a"),
                       (machine.delete_namespace, "b"), (machine.delete_namespace, "b")):
        step("zrepd-lab-" + name)
        there = sorted(machine.namespaces()) if os.path.isdir("/run/netns") else None
        print(was_there, there, machine.is_mount_point("/run/netns"), os.listdir("/run/lock"))
    if was_there == "a folder":
        os.rmdir("/run/netns")
"""


def default_signals():
    """As in a terminal: a shell that inherits an ignored signal cannot catch it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class Interrupt(unittest.TestCase):
    def setUp(self):
        self.lock = f"/run/lock/zrepd-tests-{LAB}-{os.getpid()}"
        self.script = subprocess.Popen([SCRIPT], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True, preexec_fn=default_signals,
                                       start_new_session=True, env={**os.environ, "ZREPD_TESTS_LOCK": self.lock})
        self.addCleanup(self.end)

    def end(self):
        if self.script.poll() is None:
            os.killpg(self.script.pid, signal.SIGKILL)
        self.script.communicate()
        lab_module.Lab(LAB).down()

    def traces(self):
        """What is there of it: processes, namespace, folders, mounts, locks."""
        found = subprocess.run(["pgrep", "-af", f"zrepd-lab-{LAB}|tests/system/{LAB}"], capture_output=True,
                               text=True, check=False).stdout.splitlines()
        found += [path for path in (STATE, f"/run/netns/{STATE.name}", self.lock) if os.path.exists(path)]
        mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
        found += [line.split()[4] for line in mounts if STATE.name in line]
        # Other labs may be there and keep /run/netns; an empty one is nobody's.
        if os.path.isdir("/run/netns") and not os.listdir("/run/netns"):
            found.append("/run/netns")
        return found

    def booting(self):
        """From now on there is a kernel, which is not ready yet."""
        wait_for("the host boots", SECONDS, (STATE / "alpha.pid").exists, step=0.01)

    def ends(self, code):
        out, err = self.script.communicate(timeout=SECONDS)
        self.assertEqual(self.script.returncode, code, out + err)
        self.assertRegex(out, r"(?m)^ +\d+ s  a host$")
        self.assertEqual(self.traces(), [])
        return err

    def test_interrupted_while_a_host_boots(self):
        self.booting()
        self.assertNotEqual(self.traces(), [])
        self.script.send_signal(signal.SIGINT)
        self.ends(130)

    def test_terminated_before_a_host_boots(self):
        wait_for("the namespace", SECONDS, lambda: os.path.exists(f"/run/netns/{STATE.name}"), step=0.01)
        self.script.send_signal(signal.SIGTERM)
        self.ends(143)

    def test_terminated_once_it_is_up(self):
        self.booting()
        wait_for("the host is up", SECONDS,
                 lambda: subprocess.run(["pgrep", "-P", str(self.script.pid), "-x", "sleep"],
                                        capture_output=True, check=False).returncode == 0, step=0.1)
        self.script.send_signal(signal.SIGTERM)
        self.ends(143)

    def test_what_is_left_over_is_told(self):
        """A process that escapes the teardown fails the command, whatever else happened."""
        self.booting()
        escaped = subprocess.Popen(["bash", "-c", f"exec -a /tmp/zrepd-lab-{LAB}/escaped sleep 100"])
        self.addCleanup(escaped.wait)
        self.addCleanup(escaped.kill)
        self.script.send_signal(signal.SIGINT)
        _, err = self.script.communicate(timeout=SECONDS)
        self.assertEqual(self.script.returncode, 1, err)
        self.assertRegex(err, rf"interrupted: left behind:\nprocess {escaped.pid}: /tmp/zrepd-lab-{LAB}/escaped")


class SecondOne(unittest.TestCase):
    def test_only_one_at_a_time(self):
        lock = f"/run/lock/zrepd-tests-{LAB}-{os.getpid()}"
        with lab_module.lock_file(pathlib.Path(lock)):
            done = subprocess.run([SCRIPT], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
                                  timeout=SECONDS, env={**os.environ, "ZREPD_TESTS_LOCK": lock})
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("runs already on this machine", done.stderr)
            self.assertTrue(os.path.exists(lock))
            os.unlink(lock)


class Namespaces(unittest.TestCase):
    def test_two_labs_leave_what_they_found(self):
        script = ("umount -R /run/netns 2>/dev/null; mount -t tmpfs run /run && "
                  f"exec {sys.executable} - {ROOT}/tests/lab")
        done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script], input=TWO_LABS,
                              capture_output=True, text=True, timeout=SECONDS, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        expected = []
        for was_there in ("nothing", "a folder", "a mount"):
            for left in (["zrepd-lab-a"], ["zrepd-lab-a", "zrepd-lab-b"], ["zrepd-lab-b"]):
                expected.append(f"{was_there} {left} True ['zrepd-lab.netns']")
            end = "None False" if was_there == "nothing" else f"[] {was_there == 'a mount'}"
            expected += [f"{was_there} {end} []"] * 2
        self.assertEqual(done.stdout.splitlines(), expected)


if __name__ == "__main__":
    unittest.main()
