# SPDX-License-Identifier: BSD-2-Clause
"""For tests of the installed service: hosts whose PID 1 is systemd, with zrepd from its Debian package."""
import contextlib
import functools
import os
import pathlib
import subprocess
import tempfile
import unittest

from streams import StreamCase
from support import ROOT, POOLS, lab_module, take_lab, wait_for

BUILD = pathlib.Path(os.environ.get("ZREPD_BUILD", ROOT / "build/release"))
OLD, NEW = "0.0.9", "9.0.0"
# What the old one has: an upgrade from the same programs would not show that they are replaced.
OLD_PROGRAMS = BUILD / "builds/1.7"
# New folders first: the root of a lab's host is an overlay, in which dpkg cannot rename one.
MAKE_FOLDERS = "dpkg-deb -c {0} | sed -n 's|^d.* \\./|/|p' | xargs mkdir -p; "


class Service:
    """zrepd.service on one host."""

    def __init__(self, host):
        self.host = host

    def show(self, name, unit="zrepd.service"):
        return self.host.run(["systemctl", "show", "-P", name, unit]).out.strip()

    def start(self, *_):
        self.host.run("systemctl start zrepd", timeout=90)

    def stop(self):
        self.host.run("systemctl stop zrepd", timeout=90)

    def pid(self):
        return int(self.show("MainPID"))

    def alive(self):
        return self.pid() != 0

    def log(self):
        return self.host.run("journalctl -b -u zrepd -o cat --no-pager", check=False).out


@contextlib.contextmanager
def unpacked(package, into):
    """Its files, and in DEBIAN what it says of itself; what became of them is packed at the end."""
    with tempfile.TemporaryDirectory() as place:
        root = pathlib.Path(place, "root")
        subprocess.run(["dpkg-deb", "-R", package, root], check=True, timeout=60)
        yield root
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", root, into], check=True, timeout=60, stdout=subprocess.DEVNULL)


def give_old_programs(package):
    """Instead of those that were just built."""
    programs = {name: OLD_PROGRAMS / pathlib.Path(name).name for name in ("usr/sbin/zrepd", "usr/bin/zrepctl")}
    missing = [str(program) for program in programs.values() if not program.exists()]
    if missing:
        raise AssertionError(f"not there: {', '.join(missing)}: cmake --build {BUILD} --target other_builds")
    with unpacked(package, package) as root:
        for name, program in programs.items():
            subprocess.run(["install", "-s", "-m", "755", program, root / name], check=True, timeout=60)


@functools.cache
def build_package(folder, version):
    """Today's programs under this version; the old one has others."""
    subprocess.run(["cpack", "-G", "DEB", "-B", str(folder), "-D", f"CPACK_PACKAGE_VERSION={version}"], cwd=BUILD,
                   check=True, timeout=300, stdout=subprocess.DEVNULL)
    package, = folder.glob(f"zrepd_{version}_*.deb")
    if version == OLD:
        give_old_programs(package)
    return package.name


class ServiceCase(StreamCase):
    """Every test begins with empty pools, an old version of the package, and its service running."""

    booted = False  # by this process; its classes share the hosts
    accepts = True  # beta lets alpha create filesystems

    @classmethod
    def setUpClass(cls):
        cls.lab = lab_module.Lab(take_lab())
        if not ServiceCase.booted:
            ServiceCase.booted = True
            unittest.addModuleCleanup(cls.end_hosts)
            for name in cls.hosts:
                cls.lab.host(name).cut()
        cls.lab.up(cls.hosts, build_dir=BUILD, init="systemd")
        cls.alpha, cls.beta = (cls.lab.host(name) for name in ("alpha", "beta"))
        cls.zrepd = {name: Service(cls.lab.host(name)) for name in cls.hosts}
        cls.old = cls.package(OLD)

    @classmethod
    def package(cls, version):
        """Its name in /lab/package."""
        return build_package(cls.lab.stage / "package", version)

    @classmethod
    def end_hosts(cls):
        """Whoever takes this lab next boots what it needs."""
        for name in cls.hosts:
            cls.lab.host(name).cut()
            cls.lab.host(name).set_init("lab")

    def begin_anew(self, name):
        host = self.lab.host(name)
        if not host.alive():
            host.boot()
        self.lab.link(name, "up")
        pool = POOLS[name]
        accept = "-O zrep:accept=alpha " if pool == "backup" and self.accepts else ""
        host.run("systemctl stop zrepd 2>/dev/null; rm -rf /etc/systemd/system/zrepd* /etc/zrepd /run/count /run/calls "
                 "/usr/local/bin/hook-*; pkill -9 -x zfs; for p in $(zpool list -H -o name); do zpool destroy -f $p; done; "
                 f"zpool create -f -O compression=off {accept}{pool} /dev/ubda", timeout=120)
        self.prepare(name)

    def prepare(self, name):
        """As an administrator finds the host: the old version is installed and runs."""
        host = self.lab.host(name)
        if self.version(host) != OLD:
            self.remove(host)
            self.dpkg(host, "-i /lab/package/" + self.old)
        host.run("systemctl daemon-reload; systemctl reset-failed zrepd zrepd.socket zrepd-ro.socket 2>/dev/null; "
                 "systemctl start zrepd")

    def remove(self, host):
        """As if it had never been there. The lab itself puts the programs there, for hosts without systemd."""
        if self.version(host):
            self.dpkg(host, "--purge zrepd")
        host.run("rm -f /usr/sbin/zrepd /usr/bin/zrepctl; " + MAKE_FOLDERS.format("/lab/package/" + self.old))

    @staticmethod
    def dpkg(host, what):
        return host.run(f"DEBIAN_FRONTEND=noninteractive dpkg {what} 2>&1", timeout=180)

    @staticmethod
    def version(host):
        return host.run("dpkg-query -W -f '${Version}' zrepd 2>/dev/null", check=False).out

    def programs(self, name):
        """What the client and the zrepd that runs say of themselves."""
        said = self.zrepctl_json("version", on=name)
        return said["zrepctl"], said["daemon"]["version"]

    def drop_in(self, host, text):
        host.run(["sh", "-c", 'mkdir -p /etc/systemd/system/zrepd.service.d; printf "$1" > '
                  "/etc/systemd/system/zrepd.service.d/test.conf; systemctl daemon-reload", "drop-in", text])

    def assert_serves(self, name):
        wait_for(f"zrepd on {name} serves", 60, lambda: self.lab.host(name).run("zrepctl status", check=False).code == 0)
