# SPDX-License-Identifier: BSD-2-Clause
"""One host of a lab: a User-Mode Linux kernel, and commands on it over ssh."""
import os
import pathlib
import shlex
import subprocess
import sys
import time

import silent
from machine import LabError, kill_tree, run_here

HERE = pathlib.Path(__file__).resolve().parent
ADDRESSES = {"alpha": "10.77.0.1", "beta": "10.77.0.2", "gamma": "10.77.0.3"}
BOOT_SECONDS = 180
DEATH_SECONDS = 10
ANSWER_SECONDS = 30  # of a guest whose processor others keep busy


class Result:
    """What a command on a host printed and how it ended."""

    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    def __repr__(self):
        return f"{self.command!r} exited {self.code}\nstdout: {self.out}\nstderr: {self.err}"


class Host:
    """One guest."""

    def __init__(self, lab, name):
        self.lab, self.name, self.address = lab, name, ADDRESSES[name]
        self.pid_file = lab.state / f"{name}.pid"
        self.init_file = lab.state / f"{name}.init"
        self.control = lab.state / f"{name}.cm"
        # The guest and what is beside it, where this process started them. Python warns of a child that
        # it is told nothing more about; these may outlive us, and are waited for when they end before.
        self._children = []

    def alive(self):
        try:
            pid = int(self.pid_file.read_text())
            return "linux" in pathlib.Path(f"/proc/{pid}/cmdline").read_text()
        except (OSError, ValueError):
            return False

    def answers(self):
        """Whether a running guest still runs commands; its cable has to be in."""
        try:
            return self.run("true", check=False, timeout=ANSWER_SECONDS).code == 0
        except subprocess.TimeoutExpired:
            return False

    def why_silent(self):
        """What can be seen from outside of one that does not answer."""
        return silent.describe(int(self.pid_file.read_text()), self.lab.state / f"uml/{self.umid()}/mconsole",
                               self.lab.state / f"{self.name}.log")

    def init(self):
        """Who is PID 1 on it, at this boot and the next: "systemd", or "lab", which starts nothing."""
        return self.init_file.read_text() if self.init_file.exists() else "lab"

    def set_init(self, init):
        self.init_file.write_text(init)

    def umid(self):
        return f"zrepd-lab-{self.lab.name}-{self.name}"

    def start(self):
        namespace = self.lab.namespace
        links = run_here(["ip", "-n", namespace, "link"]).stdout
        if f"tap-{self.name}:" not in links:
            run_here(["ip", "-n", namespace, "tuntap", "add", f"tap-{self.name}", "mode", "tap"])
        run_here(["ip", "-n", namespace, "link", "set", f"tap-{self.name}", "mtu", "9000",
                  "master", "br0", "up"])
        disks = [f"ubd{letter}={self.lab.disk(f'{self.name}-{letter}.disk')}" for letter in "ab"]
        # One processor per guest: hand-overs between processors cost five times as much.
        cpus = sorted(os.sched_getaffinity(0))
        # Another lab's busiest guest is not put beside ours.
        first = sum(self.lab.name.encode()) % len(cpus)
        number = list(ADDRESSES).index(self.name)
        cpu = cpus[(first + number) % len(cpus)]
        peers = ",".join(f"{name}:{address}" for name, address in ADDRESSES.items())
        argv = ["ip", "netns", "exec", namespace, "taskset", "-c", str(cpu), str(self.lab.state / "linux"),
                f"mem={os.environ.get('ZREPD_LAB_MEMORY', '1536M')}", *disks, "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
                f"init={self.lab.stage}/guest-init",
                # Always the same hardware address: after a boot the others would send to the old one for a while.
                f"vec0:transport=tap,ifname=tap-{self.name},mtu=9000,depth=128,gro=1,mac=02:00:0a:4d:00:{number:02x}",
                "con=null", "con0=null,fd:1", f"umid={self.umid()}",
                f"uml_dir={self.lab.state}/uml", "quiet",
                f"lab.stage={self.lab.stage}", f"lab.host={self.name}", f"lab.addr={self.address}",
                f"lab.peers={peers}", f"lab.init={self.init()}"]
        self._reap()
        with open(self.lab.state / f"{self.name}.log", "ab") as log:
            guest = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     start_new_session=True, env={**os.environ, "TMPDIR": "/dev/shm"})
        self._children.append(guest)
        self.pid_file.write_text(str(guest.pid))
        self._children.append(subprocess.Popen(
            [sys.executable, str(HERE / "wake"), str(guest.pid)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))

    def _reap(self):
        """After the guest's end: `wake` ends with it."""
        for child in self._children:
            child.wait(DEATH_SECONDS)
        self._children.clear()

    def wait_ready(self):
        until = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < until:
            try:
                done = self.run("test -e /run/ready && cat /sys/module/zfs/version", check=False, timeout=8)
                if done.code == 0:
                    self.check_series(done.out.strip())
                    return
            except subprocess.TimeoutExpired:
                pass
            if not self.alive():
                break
            time.sleep(0.2)
        log = (self.lab.state / f"{self.name}.log").read_text(errors="replace")
        raise LabError(f"{self.name} did not come up; its console:\n{log[-2000:]}")

    def check_series(self, version):
        """A test on another OpenZFS than the one it was asked for proves nothing."""
        if not version.startswith(self.lab.zfs + "."):
            raise LabError(f"{self.name} runs OpenZFS {version}, not {self.lab.zfs}; "
                           f"ZREPD_LAB={self.lab.name} tests/lab/lab down, then again")

    def cut(self):
        """A power cut: the kernel is gone in this instant, its disks keep what was written."""
        try:
            kill_tree(int(self.pid_file.read_text()))
        except (OSError, ValueError):
            pass
        until = time.monotonic() + DEATH_SECONDS
        while self.alive() and time.monotonic() < until:
            time.sleep(0.02)
        self._reap()
        self.pid_file.unlink(missing_ok=True)
        run_here(["ssh", "-q", "-F", "none", "-o", f"ControlPath={self.control}", "-O", "exit", "x"], check=False, timeout=5)
        self.control.unlink(missing_ok=True)

    def boot(self):
        self.start()
        self.wait_ready()

    def argv(self, command):
        if not isinstance(command, str):
            command = shlex.join(command)
        # -F none: neither the configuration of whoever runs us, nor a new ~/.ssh of theirs.
        return ["ip", "netns", "exec", self.lab.namespace, "ssh", "-q", "-F", "none",
                "-i", str(self.lab.stage / "ssh/id_ed25519"), "-o", "ConnectTimeout=5",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "ControlMaster=auto", "-o", "ControlPersist=120",
                "-o", f"ControlPath={self.control}", f"root@{self.address}", command]

    def run(self, command, check=True, timeout=60, input=None):
        """Runs a shell line (str) or an argument vector (list) on the host."""
        done = subprocess.run(self.argv(command), capture_output=True, text=True, timeout=timeout,
                              errors="replace", **({"input": input} if input is not None
                                                   else {"stdin": subprocess.DEVNULL}))
        result = Result(command, done.returncode, done.stdout, done.stderr)
        if check and result.code != 0:
            raise LabError(f"on {self.name}: {result!r}")
        return result

    def spawn(self, command):
        """Starts a command on the host and returns at once; the caller waits or kills."""
        return subprocess.Popen(self.argv(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
