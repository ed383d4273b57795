# SPDX-License-Identifier: BSD-2-Clause
"""A week's work in fast motion: two lab hosts whose pairs are written to, synced and failed over, while their zrepds
are restarted and their logs rotated."""
import concurrent.futures
import json
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/lab"), str(ROOT / "tests/system")]
import growth  # noqa: E402  (the paths have to be set first)
from support import POOLS, Case, Daemon, wait_for  # noqa: E402

HOSTS = ("alpha", "beta")
OTHER = {"alpha": "beta", "beta": "alpha"}
AGAIN_SECONDS = 60  # a sync or a failover may find the other zrepd just restarted
QUIET_TRIES = 8
AT_ONCE = 4  # failovers

# $1: the record's number; then filesystems. A line more in each one's file, then all are synced. No process per file.
ROUND = r"""n=$1; shift
for f; do echo $n >>/tank/${f##*/}/records || exit 9; done
zrepctl sync all --json"""
FAILOVER = r"""for f; do (zrepctl failover $f >/run/failover.${f##*/} 2>&1 && echo $f) & done; wait"""
# $1: pool. Of the host's zrepd, when nothing of it is under way; and of its pools.
LOOK = r"""p=$(cat /run/zrepd.pid); grep -E '^(VmRSS|Threads)' /proc/$p/status
echo descriptors: $(ls /proc/$p/fd | wc -l)
echo children: $(ps --no-headers --ppid $p -o pid | wc -l)
zfs list -rt all -Hpo type,userrefs $1 | awk '{n[$1]++; h += $2} END {
    print "snapshots:", n["snapshot"] + 0; print "bookmarks:", n["bookmark"] + 0
    print "datasets:", n["filesystem"] + 0; print "holds:", h + 0}'
echo log: $(stat -c %s /run/zrepd.log)"""
# As logrotate's copytruncate does it; prints how long the log was.
ROTATE = "stat -c %s /run/zrepd.log; cp /run/zrepd.log /run/zrepd.log.1; : >/run/zrepd.log"
# $1: a dataset. Its newest zrep snapshot with guid, its records there, and whether it has what a synced side has.
VERIFY = r"""s=$(zfs list -Hpo name -t snapshot -s createtxg -d 1 $1 | grep @zrep_ | tail -n 1); d=$(mktemp -d)
mount -t zfs $s $d; zfs get -Hpo value guid $s; zfs holds -H $s | wc -l; tr '\n' ' ' <$d/records; umount $d; rmdir $d"""


class Quiet(Daemon):
    """A zrepd that logs as it does where nobody has told it otherwise."""
    log_level = "info"


class Wrong(Exception):
    """Something did not work, or is not there."""


class Week:
    def __init__(self, pairs, say=print):
        Case.setUpClass()
        self.case, self.say = Case(), say
        self.case.zrepd = {name: Quiet(self.case.lab.host(name)) for name in HOSTS}
        self.case.setUp()
        self.names = [f"w{number:02}" for number in range(pairs)]
        self.master = dict.fromkeys(self.names, "alpha")
        self.syncs = self.failovers = self.rounds = self.restarts = self.again = 0
        self.life = dict.fromkeys(HOSTS, 1)
        self.born = dict.fromkeys(HOSTS, 0)  # at which sync their zrepd was started
        self.log_bytes = dict.fromkeys(HOSTS, 0)
        self.samples = []
        self.ending = False  # set where it shall come to its end early
        self.began = time.monotonic()

    def host(self, name):
        return self.case.lab.host(name)

    def both(self, work):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            return list(pool.map(work, HOSTS))

    def datasets(self, host, names=None):
        """What that host is master of, of these names or of all."""
        return [f"{POOLS[host]}/{name}" for name in names or self.names if self.master[name] == host]

    def begin(self):
        """All pairs, by init, with one record each."""
        for n in self.names:
            self.host("alpha").run(f"zfs create tank/{n} && echo 0 >/tank/{n}/records && zrepctl init tank/{n} beta backup/{n}", timeout=300)

    # One turn of the week.

    def round(self):
        """A record more in every filesystem, and a sync of each."""
        self.rounds += 1
        self.syncs += sum(self.both(self.work))

    def work(self, name):
        """How many filesystems of that host were synced."""
        wanted, until, done_here = set(self.datasets(name)), None, 0
        script, argv = ROUND, [str(self.rounds), *sorted(wanted)]
        while wanted:
            done = self.host(name).run(["bash", "-c", script, "round", *argv], check=False, timeout=300)
            if not done.out:
                raise Wrong(f"{done!r}")
            runs = json.loads(done.out).get("runs", [])
            results = [result for run in runs for result in run["results"]]
            through = {result["dataset"] for result in results if result["outcome"] in ("done", "unchanged")}
            done_here += sum(result["outcome"] == "done" for result in results)
            wanted -= through
            if wanted:
                failed = [result for run in runs for result in run["results"] if result["outcome"] == "failed"]
                until = self.try_again(f"sync on {name}: {(failed or [done])[0]}", until)
                script, argv = "zrepctl sync all --json", []
        return done_here

    def try_again(self, what, until):
        """As whoever is told to try again; not for ever: until the time that is returned, and given to the next call."""
        until = until or time.monotonic() + AGAIN_SECONDS
        if time.monotonic() > until:
            raise Wrong(f"for {AGAIN_SECONDS} s: {what[:1000]}")
        self.again += 1
        self.say(f"again: {what[:300]}")
        time.sleep(1)
        return until

    def fail_over(self, names):
        until, left = None, set(names)
        while left:
            def work(host, left=frozenset(left)):
                here = self.datasets(host, left)
                return self.host(host).run(["bash", "-c", FAILOVER, "failover", *here], timeout=300).out.split() if here else []
            through = {name.split("/")[1] for done in self.both(work) for name in done}
            for name in through:
                self.master[name] = OTHER[self.master[name]]
            self.failovers += len(through)
            left -= through
            if left:
                said = [self.host(self.master[name]).run(f"cat /run/failover.{name}").out for name in left]
                until = self.try_again(f"failover of {left}: {said}", until)

    def rotate(self):
        for name, size in zip(HOSTS, self.both(lambda name: self.host(name).run(ROTATE).out)):
            self.log_bytes[name] += int(size)

    def restart(self, name):
        """In turns by SIGTERM, as an administrator, and by kill -9."""
        self.restarts += 1
        zrepd = self.case.zrepd[name]
        self.log_bytes[name] += int(self.host(name).run("stat -c %s /run/zrepd.log").out)
        (zrepd.kill if self.restarts % 2 == 0 else zrepd.stop)()
        zrepd.start()
        self.life[name] += 1
        self.born[name] = self.syncs

    # What there is.

    def look(self):
        """A sample of each host; a row of the table each."""
        for name, sample in zip(HOSTS, self.both(self.sample)):
            self.samples.append(sample)
            self.say(growth.line(sample))

    def sample(self, name):
        """Once nothing is under way: the processes and descriptors of a stream or a look are gone."""
        before = {}
        for _ in range(QUIET_TRIES):
            out = self.host(name).run(["sh", "-c", LOOK, "look", POOLS[name]]).out
            found = {key: int(value.split()[0]) for key, value in (row.split(":") for row in out.splitlines())}
            quiet = [found[key] == before.get(key) for key in ("descriptors", "children", "snapshots", "holds", "bookmarks")]
            if all(quiet):
                break
            before = found
            time.sleep(1)
        return growth.Sample(
            host=name, life=self.life[name], syncs=self.syncs, failovers=self.failovers, worked=self.syncs - self.born[name],
            rss_kib=found["VmRSS"], descriptors=found["descriptors"], threads=found["Threads"], children=found["children"],
            snapshots=found["snapshots"], holds=found["holds"], bookmarks=found["bookmarks"], datasets=found["datasets"],
            log_bytes=found["log"])

    def verify(self):
        """Every record is on both sides, in order and once, and each pair has one base with one hold."""
        expected = list(range(self.rounds + 1))
        for name in self.names:
            sides = self.both(lambda host, name=name: self.host(host).run(
                ["bash", "-c", VERIFY, "verify", f"{POOLS[host]}/{name}"]).out.splitlines())
            (guid, holds, records), (other_guid, other_holds, other_records) = sides
            if guid != other_guid or (holds, other_holds) != ("1", "1"):
                raise Wrong(f"{name}: newest snapshots {guid} and {other_guid}, holds {holds} and {other_holds}")
            for where, lines in zip(HOSTS, (records, other_records)):
                if [int(word) for word in lines.split()] != expected:
                    raise Wrong(f"{name} on {where}: {lines[-200:]}, 0 to {self.rounds} were written")
        for host in HOSTS:
            wait_for(f"no process is left on {host}", 30, lambda host=host: not self.strangers(host))
            if " critical " in self.case.zrepd[host].log():
                raise Wrong(f"critical in the log of {host}")

    def strangers(self, host):
        """Processes of replication but for the one connection to the other host, at either end."""
        return [line for line in self.case.children(host) if "zrepctl peer" not in line]

    def summary(self, warm_up):
        """What grew, in words, after saying what was done and seen."""
        wrong, seen = growth.grown(self.samples, len(self.names), warm_up)
        for what, before, after in seen:
            self.say(f"{what}: {before:g} -> {after:g}")
        self.say(f"{self.syncs} syncs and {self.failovers} failovers of {len(self.names)} filesystems in {self.rounds} rounds, "
                 f"{self.restarts} restarts, {self.again} tries again, {time.monotonic() - self.began:.0f} s; "
                 f"log: {', '.join(f'{size // 1024} KiB on {name}' for name, size in self.log_bytes.items())}")
        return wrong


def run(week, syncs, failovers, restarts, every):
    """All of it, evenly spread; a look every so many syncs."""
    week.begin()
    week.say(growth.head())
    week.look()
    at_once = max(1, min(AT_ONCE, len(week.names) // 2))
    turn, next_look = 0, every
    while week.syncs < syncs and not week.ending:
        week.round()
        share = min(1, week.syncs / syncs)
        due = int(failovers * share) - week.failovers
        if due >= at_once or (due and share == 1):
            names = [week.names[(turn + n) % len(week.names)] for n in range(min(due, len(week.names)))]
            turn += len(names)
            week.fail_over(names)
        if week.syncs >= next_look:
            next_look += every
            week.look()
            week.rotate()
        if week.restarts < min(restarts, int((restarts + 1) * share)):
            week.restart(HOSTS[week.restarts % 2])
    week.round()
    week.look()
    week.verify()
