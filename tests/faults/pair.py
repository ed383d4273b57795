# SPDX-License-Identifier: BSD-2-Clause
"""A pair on two lab hosts: makes it, writes to it, begins operations, brings hosts back, and waits for order."""
import concurrent.futures
import itertools
import json
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/lab"), str(ROOT / "tests/system")]
import outcome  # noqa: E402
import tree  # noqa: E402
from client import Background, Client  # noqa: E402
from injector import INSTALL, REMOVE, Injector  # noqa: E402
from machine import LabError  # noqa: E402  (the lab's folder has to be on the path first)
from operations import FS, OTHER, SAVECOUNT  # noqa: E402
from support import Daemon, wait_for  # noqa: E402

POOLS = {"alpha": "tank", "beta": "backup"}
SETTLE_SECONDS = 60
SLOW_SECONDS = 10  # recoveries that take longer are told in detail
RESTART_SECONDS = 1  # as systemd would, after a kill
# What a pool lies on: its path, and how it is made.
DEVICES = {"disk": ("/dev/ubda", "true"),
           "small": ("/run/small", "rm -f /run/small; truncate -s 192M /run/small"),
           # Finds no more room below it one day, as on an overcommitted storage array.
           "thin": ("/run/thin/disk", "mkdir -p /run/thin; umount /run/thin 2>/dev/null; mount -t tmpfs -o size=256M thin /run/thin; "
                    "truncate -s 1G /run/thin/disk")}
PROPERTIES = "zrep:master,zrep:epoch,zrep:inprogress,zrep:src-host,readonly,mounted"
PROGRAMS = "install /lab/bin/zrepd /usr/sbin/; install /lab/bin/zrepctl /usr/bin/"
STORY = ("story() { /usr/sbin/zfs get -Ho property,value,source all $1 | grep -E '^(zrep:|readonly|mounted|canmount|receive)'; "
         "/usr/sbin/zfs list -rt all -Ho name,guid,userrefs,zrep:sent $2; /usr/sbin/zpool history -il $2 | tail -n 80; "
         "zrepctl status $1; cat /run/operation.log; }; story")
KEEP_LOG = "cat /run/zrepd.log >>/run/zrepd.before 2>/dev/null; true"
# Of a sync that is to be in the middle of its stream: ssh and the kernels take some MiB that the other side does not have.
BIG_MEGA, ENOUGH_MEGA, SLOWLY = 16, 3, "1M"


class Broken(Exception):
    """Something that must hold did not; the arguments say what, one each."""


class Pair:
    """Of a lab that is up."""

    def __init__(self, lab, fence=False, whole_tree=False):
        self.lab = lab
        self.members = {name: f"{fs}/{tree.MEMBER}" for name, fs in FS.items()} if whole_tree else {}
        self.settings = "; zrepctl set {} fence=boot" if fence else ""
        self.injector = Injector(lab)
        self.pools = {}  # what they lie on, where that is no whole disk
        self.options = ()  # of both daemons, from their next start on
        self.daemons = {name: Daemon(self.host(name)) for name in FS}
        self.muted = set()
        self.master = "alpha"
        self.written, self.acknowledged, self.files = [], [], []
        self.numbers = itertools.count(1)

    def host(self, name):
        return self.lab.host(name)

    def both(self, work):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            return list(pool.map(work, FS))

    def mute(self, name):
        """What it sends to the other is lost from now on."""
        self.muted.add(name)
        self.lab.link(name, "mute", OTHER[name])

    def reconnect(self):
        self.lab.link("beta", "up")
        for name in self.muted:
            if self.host(name).alive():
                self.lab.link(name, "unmute", OTHER[name])
        self.muted.clear()

    # How a pair is made, and how it comes back.

    def fresh_pools(self):
        """Empty pools, one filesystem, a fresh daemon on both."""
        self.reconnect()
        self.master, self.written, self.acknowledged, self.files = "alpha", [], [], []
        self.both(self.fresh_pool)

    def fresh_pool(self, name):
        pool, make = POOLS[name], "zfs create tank/fs" if name == "alpha" else "true"
        if name == "alpha" and self.members:
            make += f" && zfs create {self.members[name]}"
        accept = "-O zrep:accept=alpha" if name == "beta" else ""
        device, made = DEVICES[self.pools.get(name, "disk")]
        self.power_on(name)
        self.daemons[name].start(*self.options, until="zrepctl version", first=(
            "rm -f /run/zrepd.before; p=$(cat /run/zrepd.pid 2>/dev/null) && kill -9 $p 2>/dev/null; pkill -9 -x zfs; "
            "for i in 1 2 3 4 5 6 7 8 9 10; do left=$(zpool list -H -o name); [ -n \"$left\" ] || break; "
            "for p in $left; do zpool destroy -f $p; done; sleep 0.1; done; "
            f"{made}; zpool create -f -O compression=off {accept} {pool} {device} && {make}; {PROGRAMS}; {INSTALL}"))

    def fresh(self):
        """A fresh pair with alpha as master; its syncs expire a snapshot each."""
        self.fresh_pools()
        self.write()
        self.host("alpha").run(f"zrepctl init {'-r ' if self.members else ''}tank/fs beta backup/fs", timeout=120)
        self.keep(SAVECOUNT)
        for _ in range(SAVECOUNT):
            self.write()
            self.sync()

    def keep(self, count):
        """So many snapshots on both sides from now on."""
        self.both(lambda name: self.host(name).run(f"zrepctl set {FS[name]} savecount={count}" + self.settings.format(FS[name])))

    def start_daemon(self, name):
        self.daemons[name].start(*self.options, first=KEEP_LOG, until="zrepctl version")

    def power_on(self, name):
        if not self.host(name).alive():
            self.host(name).boot()
            return True
        return False

    def revive(self, name):
        """Power and daemon back, as an administrator's boot and systemd would bring them."""
        if self.power_on(name):
            self.daemons[name].start(*self.options, first=f"{PROGRAMS}; {INSTALL}", until="zrepctl version")
        elif not self.serves(name):
            time.sleep(RESTART_SECONDS)
            self.start_daemon(name)

    def serves(self, name):
        """Whether zrepd lives; a host that does not answer is another matter than one without it."""
        # Killed while the shell that started it still waits for its answer, it is a zombie for as long.
        done = self.host(name).run('grep -qs "^State:[[:space:]]*[^ZX[:space:]]" "/proc/$(cat /run/zrepd.pid)/status" '
                                   '&& echo yes || echo no', check=False)
        if done.out not in ("yes\n", "no\n"):
            raise LabError(f"{name} cannot be asked: {done!r}")
        return done.out == "yes\n"

    def story(self, name):
        """What zrepd said there, before its ends too, and what ZFS did; for who looks for a cause."""
        return self.host(name).run(f"cat /run/zrepd.before /run/zrepd.log 2>/dev/null | tail -c 300000; echo; {STORY} {FS[name]} {POOLS[name]}",
                                   check=False).out

    def leave(self):
        """The hosts as they were before, for whoever uses the lab next."""
        self.injector.disarm()
        self.reconnect()
        for name in FS:
            if self.host(name).alive():
                self.host(name).run(REMOVE, check=False)

    # What users do.

    def write(self, count=3):
        """Records appended to a file, fsynced when this returns."""
        records = [f"r{next(self.numbers)}" for _ in range(count)]
        datasets = [FS[self.master], *([self.members[self.master]] if self.members else [])]
        done = self.host(self.master).run(" && ".join(
            f"[ \"$(/usr/sbin/zfs get -Ho value mounted {dataset})\" = yes ] && "
            f"printf '%s\\n' {' '.join(records)} >>{place}/records && sync {place}/records"
            for dataset, place in zip(datasets, ("/tank/fs", f"/tank/fs/{tree.MEMBER}"))), check=False)
        if done.code != 0:
            raise Broken(f"the master {self.master} is not writable: {done.err.strip()}")
        self.written += records

    def lone_file(self, name):
        """The shell line that makes a file which may not be lost."""
        self.files.append(f"{name}{next(self.numbers)}")
        return f"echo {name} >/tank/fs/{self.files[-1]} && sync /tank/fs/{self.files[-1]}"

    def client(self, name, command):
        """An operation that an administrator begins there."""
        return Client(self.host(name).argv(f"{command} >/run/operation.log 2>&1"))

    def slow_sync(self):
        """A sync that takes some seconds; its client, once it is in the middle of the stream."""
        fs = FS[self.master]
        self.host(self.master).run(f"dd if=/dev/urandom of=/tank/fs/big bs=1M count={BIG_MEGA} conv=fsync status=none; "
                                   f"zrepctl set {fs} limit={SLOWLY}")
        client = self.client(self.master, f"zrepctl sync {fs}")
        wait_for("the stream is in its middle", SETTLE_SECONDS, lambda: self.sent() >= ENOUGH_MEGA << 20)
        return client

    def sent(self):
        """Bytes of the stream that is on its way."""
        done = self.host(self.master).run(f"zrepctl status {FS[self.master]} --json", check=False)
        running = json.loads(done.out)["pairs"][0].get("running") if done.code == 0 else None
        return running["bytes"] if running and running["phase"] == "sending" else 0

    def half_sync(self):
        """The link is gone in the middle of a stream, and back when both sides have given it up."""
        client, target = self.slow_sync(), OTHER[self.master]
        self.lab.link("beta", "down")
        wait_for("the sync gives up", 2 * SETTLE_SECONDS, lambda: client.poll() is not None)
        self.reconnect()
        token = f"/usr/sbin/zfs get -Hpo value receive_resume_token {FS[target]}"
        wait_for("half a stream is left", SETTLE_SECONDS, lambda: len(self.host(target).run(token).out) > 9)
        self.host(self.master).run(f"zrepctl set {FS[self.master]} limit=")
        plan = f"zrepctl sync --dry-run {FS[self.master]}"
        wait_for("the peer is heard again", SETTLE_SECONDS, lambda: self.host(self.master).run(plan, check=False).code == 0)

    def in_background(self, work):
        return Background(work)

    def sync(self):
        """Until it works: the pair may be busy, or a connection not back yet."""
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            written = list(self.written)
            done = self.host(self.master).run(["zrepctl", "sync", FS[self.master]], check=False, timeout=120)
            if done.code == 0:
                self.acknowledged = written
                return
            if time.monotonic() > until:
                raise Broken(f"replication does not run: {done.err.strip()}")
            time.sleep(0.5)

    # What is there.

    def state(self, name):
        """Properties of a side, and whether zrepd has something to do with it."""
        done = self.host(name).run(f"/usr/sbin/zfs get -Hpo property,value {PROPERTIES} {FS[name]} 2>/dev/null; "
                                   f"echo; zrepctl status {FS[name]} --json", check=False)
        properties, _, status = done.out.partition("\n\n")
        pairs = json.loads(status)["pairs"] if done.code == 0 else [{"running": True}]
        found = dict(line.split("\t") for line in properties.splitlines() if "\t" in line)
        found["busy"] = any(pair.get("running") for pair in pairs)
        return found

    def split(self):
        """Both master of one epoch. Of different ones, the lower steps down by itself."""
        here, there = self.both(self.state)
        return here.get("zrep:master") == there.get("zrep:master") == "yes" and here["zrep:epoch"] == there["zrep:epoch"]

    def settled(self):
        """What is not in order yet; sets who is master once all is."""
        here, there = self.both(self.state)
        wrong = outcome.roles(here, there)
        if not wrong and (here["busy"] or there["busy"]):
            wrong = ["something runs"]
        if not wrong:
            self.master = "alpha" if here.get("zrep:master") == "yes" else "beta"
        return wrong

    # After a fault.

    def recover(self, again):
        """Everything back on; the seconds from then until all is in order."""
        self.reconnect()
        self.both(self.revive)
        begin, notes, before = time.monotonic(), [], None
        while wrong := self.settled():
            seconds = time.monotonic() - begin
            if seconds > SETTLE_SECONDS:
                print(*notes, sep="\n", file=sys.stderr)
                raise Broken(f"not in order after {SETTLE_SECONDS} s", *wrong)
            tried = again(self)
            if tried or wrong != before:
                notes.append(f"    {seconds:.1f} s: {wrong} {tried or ''}")
            before = wrong
            time.sleep(0.2)
        seconds = time.monotonic() - begin
        if seconds > SLOW_SECONDS:
            print(*notes, sep="\n", file=sys.stderr)
        return seconds

    def check(self, loses, back=False):
        """The master takes writes, replication runs, judge() has nothing to say, and nothing is left. Drops rescues."""
        before = self.acknowledged
        self.write()
        self.sync()
        sides = dict(zip(FS, self.both(lambda name: outcome.look(self.host(name), FS[name]))))
        master, target = sides[self.master], sides[OTHER[self.master]]
        expected = outcome.Expected(self.written, before, self.files, loses, back)
        wrong = outcome.judge(master, target, expected, {*POOLS.values(), *FS.values(), *self.members.values()}) + self.left()
        if self.members:
            looks = dict(zip(FS, self.both(lambda name: tree.look(self.host(name), FS[name]))))
            wrong += tree.judge(looks[self.master], looks[OTHER[self.master]], self.written, loses)
        if wrong:
            raise Broken(*wrong)
        # Two lists: only one of them grows with the next write.
        self.written, self.acknowledged, self.files = list(master.records), list(master.records), []
        if loses:
            self.both(self.drop_rescues)

    def left(self):
        """What every look at the zrepds finds, until there is no such thing: others come and go."""
        until, found = time.monotonic() + SETTLE_SECONDS, None
        while True:
            looks = dict(zip(FS, self.both(lambda name: outcome.look_for_left(self.host(name), FS[name]))))
            now = {f"{name}: {what}" for name, look in looks.items() for what in look}
            found = now if found is None else found & now
            if not found or time.monotonic() > until:
                return sorted(found)
            time.sleep(0.5)

    def drop_rescues(self, name):
        self.host(name).run(f"for d in $(zfs list -Ho name | grep -E '^{FS[name]}(/{tree.MEMBER})?_diverged_'); do zfs destroy -r $d; done; "
                            f"for s in $(zfs list -Ho name -t snapshot -d 2 {FS[name]} | grep @zrep_diverged); do "
                            "zfs destroy $s; done")
