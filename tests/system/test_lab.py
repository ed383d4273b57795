# SPDX-License-Identifier: BSD-2-Clause
"""The lab does what the other tests take for granted: faults are real, and what should last lasts."""
import contextlib
import gc
import io
import os
import pathlib
import signal
import tempfile
import unittest
import unittest.mock
import warnings

from support import Case, lab_module, q

DELAY_SECONDS = 0.7
# Seconds that a connection to beta's sshd takes; its traceback, when there is none.
CONNECT = """
import socket, time
begin = time.monotonic()
socket.create_connection(("beta", 22), 4).recv(1)
print(time.monotonic() - begin)
"""


class Lab(Case):
    def setUp(self):
        for host in (self.alpha, self.beta):
            if not host.alive():
                host.boot()
            self.lab.link(host.name, "up")

    def connect(self):
        done = self.alpha.run(["python3", "-c", CONNECT], check=False)
        return float(done.out) if done.code == 0 else None

    def test_copy_there_and_back(self):
        data = os.urandom(1 << 20)
        with tempfile.TemporaryDirectory() as folder:
            there, back = pathlib.Path(folder, "there"), pathlib.Path(folder, "back")
            there.write_bytes(data)
            lab_module.copy(self.lab, str(there), "alpha:/run/a file")
            self.assertEqual(int(self.alpha.run("stat -c %s '/run/a file'; rm -f /run/b; cp '/run/a file' /run/b").out),
                             len(data))
            lab_module.copy(self.lab, "alpha:/run/b", str(back))
            self.assertEqual(back.read_bytes(), data)

    def test_a_kernel_that_hangs_costs_a_second_run_of_one_test(self):
        lab, beta, runs = self.lab, self.beta, []
        self.enterContext(unittest.mock.patch("host.ANSWER_SECONDS", 4))

        class Hangs(Case):
            setUpClass = classmethod(lambda cls: None)
            setUp = tearDown = lambda self: None

            def test(self):
                runs.append(0)
                if len(runs) == 1:
                    os.kill(int(beta.pid_file.read_text()), signal.SIGSTOP)
                    self.fail("as what waits for it would")

            def test_that_fails_for_another_reason(self):
                runs.append(0)
                self.fail("of its own")

        Hangs.lab = lab
        before = beta.pid_file.read_text()
        with contextlib.redirect_stderr(io.StringIO()) as said:
            found = unittest.TestSuite([Hangs("test")]).run(unittest.TestResult())
        self.assertEqual((len(runs), found.testsRun, found.wasSuccessful()), (2, 1, True), found)
        self.assertNotEqual(beta.pid_file.read_text(), before)
        self.assertTrue(beta.answers())
        self.assertRegex(said.getvalue(), "beta runs and does not answer.*(?s:.)*its process:\n0 ticks")
        found = Hangs("test_that_fails_for_another_reason").run(unittest.TestResult())
        self.assertEqual((len(runs), len(found.failures)), (3, 1))

    def test_delay(self):
        self.lab.link("alpha", "netem", "delay", f"{DELAY_SECONDS}s")
        self.addCleanup(self.alpha.run, "tc qdisc del dev vec0 root")
        # The handshake, and the greeting after it.
        self.assertGreater(self.connect(), DELAY_SECONDS)
        self.lab.link("alpha", "netem", "delay", "0ms")
        self.assertLess(min(self.connect() for _ in range(5)), DELAY_SECONDS)

    def test_cut_cable(self):
        self.assertIsNotNone(self.connect())
        self.lab.link("beta", "down")
        self.assertIsNone(self.connect())
        self.assertTrue(self.beta.alive())
        self.lab.link("beta", "up")
        self.assertIsNotNone(self.connect())
        # Whoever comes next finds it as it should be.
        self.lab.link("beta", "down")
        self.lab.up(self.hosts)
        self.assertIsNotNone(self.connect())

    def test_one_direction_alone(self):
        """What alpha sends to beta is lost; what beta sends to alpha arrives."""
        hear = ("import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 7777)); "
                "s.settimeout(5); print(s.recv(9))")
        send = ("import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                "[s.sendto(b'x', (sys.argv[1], 7777)) for _ in range(3)]")
        addresses = {"alpha": "10.77.0.1", "beta": "10.77.0.2"}

        def arrives(sender, receiver):
            receiver.run(f"{q('timeout', '10', 'python3', '-c', hear)} >/run/heard 2>&1 & echo $! >/run/hears; "
                         "for i in $(seq 50); do ss -uln | grep -q ':7777 ' && break; sleep 0.1; done")
            sender.run(["python3", "-c", send, addresses[receiver.name]])
            receiver.run('for i in $(seq 80); do kill -0 "$(cat /run/hears)" 2>/dev/null || break; sleep 0.1; done')
            return "b'x'" in receiver.run("cat /run/heard").out

        self.lab.link("alpha", "mute", "beta")
        self.addCleanup(self.lab.link, "alpha", "unmute", "beta")
        self.assertFalse(arrives(self.alpha, self.beta))
        self.assertTrue(arrives(self.beta, self.alpha))
        self.assertIsNone(self.connect())
        self.lab.link("alpha", "unmute", "beta")
        self.assertTrue(arrives(self.alpha, self.beta))

    def test_power_cut(self):
        self.beta.run("for p in $(zpool list -Ho name); do zpool destroy -f $p; done; "
                      "zpool create -f backup /dev/ubda; dd if=/dev/urandom of=/backup/file bs=1M count=8 status=none; "
                      "zpool sync backup; echo lost > /run/lost")
        before = self.beta.run("sha256sum /backup/file; cat /proc/sys/kernel/random/boot_id").out.splitlines()
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always", ResourceWarning)
            self.beta.cut()
            self.assertFalse(self.beta.alive())
            self.assertIsNone(self.connect())
            self.beta.boot()
            gc.collect()
        self.assertEqual([str(warning.message) for warning in seen], [])
        after = self.beta.run("sha256sum /backup/file; cat /proc/sys/kernel/random/boot_id").out.splitlines()
        self.assertEqual(after[0], before[0])
        self.assertNotEqual(after[1], before[1])
        self.assertNotEqual(self.beta.run("test -e /run/lost", check=False).code, 0)
        self.assertIsNotNone(self.connect())

    def test_runs_the_openzfs_that_was_asked_for(self):
        host = lab_module.Lab(self.lab.name, zfs="9.9").host("alpha")
        with self.assertRaisesRegex(lab_module.LabError, rf"alpha runs OpenZFS {self.lab.zfs}\S*, not 9\.9"):
            host.wait_ready()


if __name__ == "__main__":
    unittest.main()
