#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Real OpenZFS on two hosts, on any machine: User-Mode Linux kernels in a network namespace.

Everything that has to be torn down again is written to the state folder before it is made, so that
teardown works after Ctrl-C, after kill -9, and from another process."""
import fcntl
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ADDRESSES = {"alpha": "10.77.0.1", "beta": "10.77.0.2", "gamma": "10.77.0.3"}
BOOT_SECONDS = 60
DISK_BYTES = 4 << 30


class LabError(Exception):
    """Something of the lab itself failed; a test that sees it proves nothing."""


class Result:
    """What a command on a host printed and how it ended."""

    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    def __repr__(self):
        return f"{self.command!r} exited {self.code}\nstdout: {self.out}\nstderr: {self.err}"


def run_here(argv, check=True, timeout=60, **options):
    """Runs a command on the outer machine."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, errors="replace", **options)
    if check and done.returncode != 0:
        raise LabError(f"{shlex.join(map(str, argv))} exited {done.returncode}: {done.stderr.strip()}")
    return done


def kill_tree(pid):
    """Ends a process and all below it: a guest's processes are children of its kernel."""
    try:
        os.kill(pid, signal.SIGSTOP)  # so that it starts nothing while we look
    except ProcessLookupError:
        return
    children = run_here(["pgrep", "-P", str(pid)], check=False).stdout.split()
    for child in children:
        kill_tree(int(child))
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Lab:
    """One instance; several may run side by side under different names."""

    def __init__(self, name=None, zfs=None):
        self.name = name or os.environ.get("ZREPD_LAB", "main")
        self.zfs = zfs or os.environ.get("ZREPD_LAB_ZFS", "2.3")
        self.state = pathlib.Path("/tmp") / f"zrepd-lab-{self.name}"
        self.namespace = f"zrepd-lab-{self.name}"
        self.stage = self.state / "stage"
        self._hosts = {}

    def host(self, name):
        if name not in ADDRESSES:
            raise LabError(f"no host {name!r}; there are {', '.join(ADDRESSES)}")
        if name not in self._hosts:
            self._hosts[name] = Host(self, name)
        return self._hosts[name]

    def up(self, names, build_dir=None):
        """Boots these hosts, those that run already excepted."""
        self._prepare(build_dir)
        hosts = [self.host(name) for name in names]
        for host in hosts:
            if not host.alive():
                host.start()
        for host in hosts:
            host.wait_ready()
        return hosts

    def down(self):
        """Ends everything this instance made; does nothing where there is nothing."""
        for file in self.state.glob("*.pid"):
            self.host(file.stem).cut()
        for file in self.state.glob("*.cm"):
            run_here(["ssh", "-q", "-F", "none", "-o", f"ControlPath={file}", "-O", "exit", "x"], check=False, timeout=5)
        if self._namespace_exists():
            pids = run_here(["ip", "netns", "pids", self.namespace], check=False).stdout.split()
            for pid in pids:
                kill_tree(int(pid))
            run_here(["ip", "netns", "del", self.namespace], check=False)
        for disk in self.state.glob("*.disk"):
            disk.resolve().unlink(missing_ok=True)  # perhaps in another folder
        shutil.rmtree(self.state, ignore_errors=True)

    def disk(self, name):
        """A sparse disk; made when it is not there. In ZREPD_LAB_DISKS, where that is set."""
        disk = self.state / name
        if not disk.exists():
            folder = os.environ.get("ZREPD_LAB_DISKS")
            if folder:
                disk.symlink_to(pathlib.Path(folder) / f"{self.namespace}-{name}")
            disk.touch()
            os.truncate(disk, DISK_BYTES)
        return disk

    def link(self, name, what, *arguments):
        """up, down (a cut cable: silent), or netem and its arguments."""
        if what in ("up", "down"):
            # Not the tap itself: writes to one that is down fail, and the guest's driver, which
            # tries a full queue again at once, then never gets to do anything else.
            place = ["nomaster"] if what == "down" else ["master", "br0"]
            run_here(["ip", "-n", self.namespace, "link", "set", f"tap-{name}", *place])
        elif what == "netem":
            self.host(name).run("tc qdisc replace dev vec0 root netem " + shlex.join(arguments))
        else:
            raise LabError(f"link {what!r}: up, down or netem")

    def deploy(self, build_dir):
        """Puts a build's programs where guests find them; running guests get them at once."""
        target = self.stage / "bin"
        target.mkdir(parents=True, exist_ok=True)
        for program, folder in (("zrepd", "daemon"), ("zrepctl", "ctl")):
            source = pathlib.Path(build_dir) / folder / program
            if source.exists():
                run_here(["strip", "-o", str(target / (program + ".new")), str(source)])
                os.replace(target / (program + ".new"), target / program)

    def _namespace_exists(self):
        names = run_here(["ip", "netns", "list"]).stdout
        return any(line.split()[0] == self.namespace for line in names.splitlines() if line)

    def _prepare(self, build_dir):
        self.state.mkdir(mode=0o755, parents=True, exist_ok=True)
        with open(self.state / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._namespace_exists():
                ip = ["ip", "-n", self.namespace]
                run_here(["ip", "netns", "add", self.namespace])
                run_here(ip + ["link", "add", "br0", "mtu", "9000", "type", "bridge"])
                run_here(ip + ["link", "set", "br0", "up"])
                run_here(ip + ["addr", "add", "10.77.0.254/24", "dev", "br0"])
            self._fill_stage()
        build_dir = build_dir or os.environ.get("ZREPD_BUILD")
        if build_dir:
            self.deploy(build_dir)

    def _fill_stage(self):
        ssh = self.stage / "ssh"
        if (self.stage / "guest-main").exists():
            return
        kernel = build_kernel(self.zfs)
        ssh.mkdir(parents=True, exist_ok=True)
        for key in ("id_ed25519", "host_ed25519"):
            run_here(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(ssh / key)])
        shutil.copytree(kernel / "userland", self.stage / "userland", symlinks=True)
        shutil.copy(kernel / "linux", self.state / "linux")
        shutil.copy(HERE / "guest-init", self.stage / "guest-init")
        shutil.copy(HERE / "guest-main", self.stage / "guest-main")


class Host:
    """One guest."""

    def __init__(self, lab, name):
        self.lab, self.name, self.address = lab, name, ADDRESSES[name]
        self.pid_file = lab.state / f"{name}.pid"
        self.control = lab.state / f"{name}.cm"

    def alive(self):
        try:
            pid = int(self.pid_file.read_text())
            return "linux" in pathlib.Path(f"/proc/{pid}/cmdline").read_text()
        except (OSError, ValueError):
            return False

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
        cpu = cpus[(first + list(ADDRESSES).index(self.name)) % len(cpus)]
        peers = ",".join(f"{name}:{address}" for name, address in ADDRESSES.items())
        argv = ["ip", "netns", "exec", namespace, "taskset", "-c", str(cpu), str(self.lab.state / "linux"),
                f"mem={os.environ.get('ZREPD_LAB_MEMORY', '1536M')}", *disks, "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
                f"init={self.lab.stage}/guest-init",
                f"vec0:transport=tap,ifname=tap-{self.name},mtu=9000,depth=128,gro=1",
                "con=null", "con0=null,fd:1", f"umid=zrepd-lab-{self.lab.name}-{self.name}",
                f"uml_dir={self.lab.state}/uml", "quiet",
                f"lab.stage={self.lab.stage}", f"lab.host={self.name}", f"lab.addr={self.address}",
                f"lab.peers={peers}"]
        with open(self.lab.state / f"{self.name}.log", "ab") as log:
            guest = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     start_new_session=True, env={**os.environ, "TMPDIR": "/dev/shm"})
        self.pid_file.write_text(str(guest.pid))

    def wait_ready(self):
        until = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < until:
            try:
                if self.run("test -e /run/ready", check=False, timeout=8).code == 0:
                    return
            except subprocess.TimeoutExpired:
                pass
            if not self.alive():
                break
            time.sleep(0.2)
        log = (self.lab.state / f"{self.name}.log").read_text(errors="replace")
        raise LabError(f"{self.name} did not come up; its console:\n{log[-2000:]}")

    def cut(self):
        """A power cut: the kernel is gone in this instant, its disks keep what was written."""
        try:
            kill_tree(int(self.pid_file.read_text()))
        except (OSError, ValueError):
            pass
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


def build_kernel(series):
    """The folder with kernel and userland of this OpenZFS series; builds it when it is not cached."""
    done = subprocess.run([str(HERE / "build-kernel"), series], stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, timeout=3600)
    if done.returncode != 0:
        raise LabError(f"the kernel with OpenZFS {series} could not be built")
    return pathlib.Path(done.stdout.strip().splitlines()[-1])


USAGE = """usage: lab COMMAND
  build [2.3|2.1]           build and cache the kernel
  up HOST...                boot hosts (alpha, beta, gamma)
  run HOST COMMAND...       run a command on one
  copy HOST:FILE FILE       copy from a host, or the other way round
  cut HOST / boot HOST      power cut / power on
  link HOST up|down|netem ARGUMENTS
  deploy BUILD              give running hosts the programs of a build
  down                      end everything
ZREPD_LAB names the instance, ZREPD_LAB_ZFS the OpenZFS series, ZREPD_BUILD the build to use."""


def copy(lab, source, target):
    """One of both is HOST:FILE."""
    if ":" in source:
        host, file = source.split(":", 1)
        data = subprocess.run(lab.host(host).argv(["cat", file]), stdout=subprocess.PIPE, check=True,
                              stdin=subprocess.DEVNULL, timeout=600).stdout
        pathlib.Path(target).write_bytes(data)
    else:
        host, file = target.split(":", 1)
        subprocess.run(lab.host(host).argv("cat > " + shlex.quote(file)), check=True, timeout=600,
                       input=pathlib.Path(source).read_bytes())


def main(words):
    lab = Lab()
    command, arguments = (words[0], words[1:]) if words else ("", [])
    if command == "build":
        print(build_kernel(arguments[0] if arguments else "2.3"))
    elif command == "up" and arguments:
        lab.up(arguments)
    elif command == "run" and len(arguments) > 1:
        return subprocess.call(lab.host(arguments[0]).argv(" ".join(arguments[1:])))
    elif command == "copy" and len(arguments) == 2:
        copy(lab, *arguments)
    elif command == "cut" and arguments:
        lab.host(arguments[0]).cut()
    elif command == "boot" and arguments:
        lab.host(arguments[0]).boot()
    elif command == "link" and len(arguments) > 1:
        lab.link(*arguments)
    elif command == "deploy" and arguments:
        lab.deploy(arguments[0])
    elif command == "down":
        lab.down()
    else:
        print(USAGE, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (LabError, subprocess.TimeoutExpired) as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(1)
