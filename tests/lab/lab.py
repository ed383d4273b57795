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
import subprocess
import sys

from host import ADDRESSES, Host
from machine import LabError, add_namespace, delete_namespace, lab_lock, lock_file, namespaces, run_here

HERE = pathlib.Path(__file__).resolve().parent
DISK_BYTES = 4 << 30
NOBODY = "02:00:00:00:00:ff"  # a hardware address that no host has


class Lab:
    """One instance; several may run side by side under different names."""

    def __init__(self, name=None, zfs=None):
        self.name = name or os.environ.get("ZREPD_LAB", "main")
        self.state = pathlib.Path("/tmp") / f"zrepd-lab-{self.name}"
        self.series_file = self.state / "series"
        booted = self.series_file.read_text() if self.series_file.exists() else "2.3"
        self.zfs = zfs or os.environ.get("ZREPD_LAB_ZFS", booted)
        self.namespace = f"zrepd-lab-{self.name}"
        self.stage = self.state / "stage"
        self._hosts = {}

    def host(self, name):
        if name not in ADDRESSES:
            raise LabError(f"no host {name!r}; there are {', '.join(ADDRESSES)}")
        if name not in self._hosts:
            self._hosts[name] = Host(self, name)
        return self._hosts[name]

    def up(self, names, build_dir=None, init="lab"):
        """Boots these hosts, those that run already with this init excepted, and puts their cables back."""
        self._prepare(build_dir)
        hosts = [self.host(name) for name in names]
        for host in hosts:
            if host.alive() and host.init() != init:
                host.cut()
            host.set_init(init)
            if host.alive():
                self.link(host.name, "up")
                self.revive(host)
            else:
                host.start()
        for host in hosts:
            host.wait_ready()
        return hosts

    def revive(self, host):
        """Whether a running guest had to be booted anew, because its kernel does not answer any more. What was seen
        of it is printed: it is a fault of the lab or of that kernel, and nobody else will see it."""
        if host.answers() or host.answers():
            return False
        print(f"lab: {host.name} runs and does not answer; it is booted anew.\n{host.why_silent()}", file=sys.stderr, flush=True)
        host.cut()
        host.start()
        return True

    def down(self):
        """Ends everything this instance made; does nothing where there is nothing."""
        for file in self.state.glob("*.pid"):
            self.host(file.stem).cut()
        for file in self.state.glob("*.cm"):
            run_here(["ssh", "-q", "-F", "none", "-o", f"ControlPath={file}", "-O", "exit", "x"], check=False, timeout=5)
        delete_namespace(self.namespace)
        for disk in self.state.glob("*.disk"):
            disk.resolve().unlink(missing_ok=True)  # perhaps in another folder
        shutil.rmtree(self.state, ignore_errors=True)
        if lab_lock(self.name).exists() and (lock := lock_file(lab_lock(self.name), wait=False)):
            lab_lock(self.name).unlink()
            lock.close()

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
        """up, down (a cut cable: silent), netem and its arguments, or mute and a host's name: what is sent to that one
        gets lost, silently, what it sends arrives; until unmute or the next boot."""
        if what in ("up", "down"):
            # Not the tap itself: writes to one that is down fail, and the guest's driver, which
            # tries a full queue again at once, then never gets to do anything else.
            place = ["nomaster"] if what == "down" else ["master", "br0"]
            run_here(["ip", "-n", self.namespace, "link", "set", f"tap-{name}", *place])
        elif what == "netem":
            self.host(name).run("tc qdisc replace dev vec0 root netem " + shlex.join(arguments))
        elif what == "mute":
            self.host(name).run(["ip", "neigh", "replace", ADDRESSES[arguments[0]], "lladdr", NOBODY, "dev", "vec0",
                                 "nud", "permanent"])
        elif what == "unmute":
            self.host(name).run(["ip", "neigh", "del", ADDRESSES[arguments[0]], "dev", "vec0"], check=False)
        else:
            raise LabError(f"link {what!r}: up, down, netem, mute or unmute")

    def deploy(self, build_dir):
        """Puts a build's programs where guests find them; running guests get them at once."""
        build = pathlib.Path(build_dir)
        sources = {"bin/zrepd": build / "daemon/zrepd", "bin/zrepctl": build / "ctl/zrepctl"}
        # Those of other versions, by their protocol (tests/CMakeLists.txt): builds/2.0/zrepd. None that an earlier build left.
        libraries = {"zrepd": build / "daemon/libzrepd_core.a", "zrepctl": build / "ctl/libzrepctl_lib.a"}
        shutil.rmtree(self.stage / "builds", ignore_errors=True)
        for program in build.glob("builds/*/zrep*"):
            library = libraries[program.name]
            if not library.exists() or program.stat().st_mtime >= library.stat().st_mtime:
                sources[str(program.relative_to(build))] = program
        for name, source in sources.items():
            target = self.stage / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.exists():
                run_here(["strip", "-o", f"{target}.new", str(source)])
                os.replace(f"{target}.new", target)

    def _prepare(self, build_dir):
        self.state.mkdir(mode=0o755, parents=True, exist_ok=True)
        with open(self.state / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.namespace not in namespaces():
                ip = ["ip", "-n", self.namespace]
                add_namespace(self.namespace)
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
        self.series_file.write_text(self.zfs)
        ssh.mkdir(parents=True, exist_ok=True)
        for key in ("id_ed25519", "host_ed25519"):
            run_here(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(ssh / key)])
        shutil.copytree(kernel / "userland", self.stage / "userland", symlinks=True)
        shutil.copy(kernel / "linux", self.state / "linux")
        for file in ("guest-init", "guest-systemd", "guest-main"):  # the last one says that all is there
            shutil.copy(HERE / file, self.stage / file)


def build_kernel(series):
    """The folder with kernel and userland of this OpenZFS series; builds it when it is not cached."""
    done = subprocess.run([str(HERE / "build-kernel"), series], stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, timeout=3600)
    if done.returncode != 0:
        raise LabError(f"the kernel with OpenZFS {series} could not be built")
    return pathlib.Path(done.stdout.strip().splitlines()[-1])


USAGE = """usage: lab COMMAND
  build [2.3|2.1]           build and cache the kernel
  up [--systemd] HOST...    boot hosts (alpha, beta, gamma); with systemd as their PID 1
  run HOST COMMAND...       run a command on one
  copy HOST:FILE FILE       copy from a host, or the other way round
  cut HOST / boot HOST      power cut / power on
  link HOST up|down|netem ARGUMENTS|mute OTHER|unmute OTHER
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
    elif command == "up" and arguments[:1] == ["--systemd"] and len(arguments) > 1:
        lab.up(arguments[1:], init="systemd")
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
