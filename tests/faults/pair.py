# SPDX-License-Identifier: BSD-2-Clause
"""A pair on two lab hosts: begins operations, does the faults that a host cannot do to itself, brings hosts
back, and says whether all is well."""
import json
import pathlib
import sys
import threading
import time

from operations import FS, OTHER

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/lab"), str(ROOT / "tests/system")]
import lab as lab_module  # noqa: E402
from support import Daemon  # noqa: E402

POOLS = {"alpha": "tank", "beta": "backup"}
SETTLE_SECONDS = 60
PROPERTIES = ("zrep:master", "zrep:epoch", "zrep:inprogress", "readonly", "zrep:src-host")
INSTALL = ("install /lab/bin/zrepd /usr/sbin/; install /lab/bin/zrepctl /usr/bin/; mkdir -p /run/fault; "
           "install /run/shim /usr/local/sbin/zfs; install /run/shim /usr/local/sbin/zpool")


class Broken(Exception):
    """Something that must hold did not."""


class Pair:
    def __init__(self, name, build):
        self.lab = lab_module.Lab(name)
        self.lab.up(("alpha", "beta"), build_dir=build)
        self.daemons = {host: Daemon(self.lab.host(host)) for host in FS}
        self.master = "alpha"
        self.written = []  # records that were on disk before the operation began
        self.number = 0

    def host(self, name):
        return self.lab.host(name)

    def begin_anew(self):
        """Fresh pools and a fresh pair with alpha as master."""
        for name, pool in POOLS.items():
            accept = "-O zrep:accept=alpha" if name == "beta" else ""
            self.revive(name, first=(
                "p=$(cat /run/zrepd.pid 2>/dev/null) && kill -9 $p 2>/dev/null; pkill -9 -x zfs; rm -rf /run/fault; "
                "for i in 1 2 3 4 5; do left=$(zpool list -H -o name); [ -n \"$left\" ] || break; "
                "for p in $left; do zpool destroy -f $p; done; sleep 0.1; done; "
                f"zpool create -f -O compression=off {accept} {pool} /dev/ubda"), fresh=True)
        self.master, self.written = "alpha", []
        self.host("alpha").run("zfs create tank/fs && zrepctl init tank/fs beta backup/fs", timeout=120)

    def revive(self, name, first="true", fresh=False):
        """Power and daemon back, as an administrator's boot and systemd would bring them."""
        host = self.host(name)
        if not host.alive():
            host.boot()
            fresh = True
        if fresh:
            shim = (pathlib.Path(__file__).parent / "shim").read_text()
            host.run("cat >/run/shim; chmod +x /run/shim", input=shim)
            first = f"{INSTALL}; {first}"
        if fresh or not self.daemons[name].alive():
            self.daemons[name].start(first=first, until="zrepctl version")

    def write(self, count=3):
        """Records in the filesystem, on disk when this returns."""
        names = [f"r{self.number + i}" for i in range(count)]
        self.number += count
        script = "; ".join(f"echo {name} > /tank/fs/{name}" for name in names)
        self.host(self.master).run(f"{script}; sync -f /tank/fs; zpool sync")
        self.written += names

    def spawn(self, name, command):
        self.host(name).run("rm -f /run/operation.done; "
                            f"(setsid {command}; touch /run/operation.done) >/run/operation.log 2>&1 </dev/null & true")

    def wait_operation(self, name, seconds=60):
        """Until the client that began it has ended; a fault may have ended it, or the host."""
        self.host(name).run(f"for i in $(seq {seconds * 5}); do [ -e /run/operation.done ] && exit 0; sleep 0.2; done",
                            check=False, timeout=seconds + 30)

    def busy(self):
        """Whether a daemon works on the pair at this moment."""
        for name in FS:
            done = self.host(name).run(["zrepctl", "status", FS[name], "--json"], check=False)
            if done.code != 0 or any(pair.get("running") for pair in json.loads(done.out)["pairs"]):
                return True
        return False

    def arm(self, name, point):
        host = self.host(name)
        host.run(f"rm -rf /run/fault; mkdir -p /run/fault; echo '{point}' >/run/fault/point; touch /run/fault/armed")

    def disarm(self):
        for name in FS:
            if self.host(name).alive():
                self.host(name).run("rm -f /run/fault/armed /run/fault/ask; touch /run/fault/go", check=False)

    def calls(self, name):
        return self.host(name).run("cat /run/fault/calls 2>/dev/null", check=False).out.splitlines()

    def serve_fault(self, name, fault, seconds):
        """Waits until the host at the point asks for its fault, and does it. Whether it was reached."""
        asked = self.host(name).run(
            f"for i in $(seq {seconds * 10}); do [ -e /run/fault/ask ] && exit 0; "
            "kill -0 $(cat /run/zrepd.pid) 2>/dev/null || exit 0; sleep 0.1; done; exit 1",
            check=False, timeout=seconds + 30)
        reached = asked.code == 0
        if reached and fault == "cut-here":
            self.host(name).cut()
        elif reached and fault == "cut-there":
            self.host(OTHER[name]).cut()
        elif reached and fault == "kill-there":
            self.daemons[OTHER[name]].kill()
        elif reached and fault == "link":
            self.lab.link("beta", "down")
        if self.host(name).alive():
            self.host(name).run("touch /run/fault/go", check=False)
        return reached

    def facts(self, name):
        out = self.host(name).run(["zfs", "get", "-Hpo", "property,value", ",".join(PROPERTIES), FS[name]],
                                  check=False).out
        return dict(line.split("\t") for line in out.splitlines() if "\t" in line)

    def settled(self):
        """The master's name once everything is in order, or None."""
        sides = {name: self.facts(name) for name in FS}
        masters = [name for name, side in sides.items() if side.get("zrep:master") == "yes"]
        if len(masters) != 1:
            return None
        first, second = sides[masters[0]], sides[OTHER[masters[0]]]
        good = (first["readonly"] == "off" and second["readonly"] == "on" and
                first["zrep:epoch"] == second["zrep:epoch"] and first["zrep:src-host"] == masters[0] and
                second["zrep:src-host"] == masters[0] and
                all(side["zrep:inprogress"] in ("-", "") for side in sides.values()))
        return masters[0] if good else None

    def recover(self):
        """Everything back on; the seconds until all is in order. Raises Broken when it never is."""
        self.lab.link("beta", "up")
        reviving = [threading.Thread(target=self.revive, args=(name,)) for name in FS]
        for thread in reviving:
            thread.start()
        for thread in reviving:
            thread.join()
        begin = time.monotonic()
        while True:
            master = self.settled()
            if master and not self.busy() and self.settled() == master:
                self.master = master
                return time.monotonic() - begin
            if time.monotonic() - begin > SETTLE_SECONDS:
                raise Broken(f"not settled: {[self.facts(name) for name in FS]}")
            time.sleep(0.5)

    def check(self, loses):
        """The master serves, nothing that was on disk is gone, and replication runs."""
        host, name = self.host(self.master), FS[self.master]
        mounted = host.run(f"for i in $(seq 50); do [ \"$(zfs get -Ho value mounted {name})\" = yes ] && break; "
                           "sleep 0.1; done; touch /tank/fs/probe", check=False, timeout=60)
        if mounted.code != 0:
            raise Broken(f"the master is not writable: {mounted!r}")
        found = set(host.run("ls /tank/fs").out.split())
        if loses:
            found |= self.rescued()
        missing = [record for record in self.written if record not in found]
        if missing:
            raise Broken(f"lost: {missing}")
        self.written = [record for record in self.written if record in found]
        begin = time.monotonic()
        while True:
            done = host.run(["zrepctl", "sync", name], check=False, timeout=120)
            if done.code == 0:
                break
            if time.monotonic() - begin > SETTLE_SECONDS:
                raise Broken(f"replication does not run: {done!r}")
            time.sleep(1)
        unsent = [line for line in host.run(f"zfs list -Hpo name -t snapshot -d 1 {name}").out.split()
                  if "@zrep_0" in line]
        if len(unsent) > 6:
            raise Broken(f"snapshots pile up: {unsent}")

    def rescued(self):
        """Records in the copies beside the filesystem, which are then dropped."""
        found = set()
        for name in FS:
            out = self.host(name).run(
                f"for d in $(zfs list -Ho name | grep '^{FS[name]}_diverged_'); do "
                "mkdir -p /run/look; mount -t zfs -o ro,zfsutil $d /run/look && ls /run/look; umount /run/look; "
                "zfs destroy -r $d; done", check=False, timeout=60).out
            found |= set(out.split())
        return found

    def down(self):
        self.lab.down()
