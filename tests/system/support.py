# SPDX-License-Identifier: BSD-2-Clause
"""What the system tests share: two lab hosts with a pool each, a zrepd on both, and clients of it.

alpha has the pool tank, beta the pool backup. Every test starts with empty pools. ZFS and ssh are
real; nothing here replaces anything."""
import concurrent.futures
import contextlib
import fcntl
import json
import os
import pathlib
import shlex
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lab"))
import lab as lab_module  # noqa: E402  (the lab's folder has to be on the path first)

LabError = lab_module.LabError
POOLS = {"alpha": "tank", "beta": "backup"}
START_SECONDS = 10
STOP_SECONDS = 5

# Properties of the pair, as design.md section 2 has them.
PAIR_PROPERTIES = ("zrep:src-host", "zrep:src-fs", "zrep:dest-host", "zrep:dest-fs")


# A client in the guest: socket, payload as an expression, how many lines to wait for.
TALK = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
s.connect(sys.argv[1])
try:
    s.sendall(eval(sys.argv[2]))
except BrokenPipeError:
    pass
got, closed = b"", False
while got.count(b"\\n") < int(sys.argv[3]) and not closed:
    try:
        more = s.recv(65536)
    except ConnectionResetError:
        more = b""
    got += more
    closed = not more
print(json.dumps({"lines": got.decode().splitlines(), "closed": closed}))
"""


def q(*words):
    return shlex.join(words)


def wait_for(what, seconds, condition, step=0.2):
    """Polls until the condition holds; returns its value. Fails with `what` when it never does."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(step)


_taken = None


def take_lab():
    """The first of ZREPD_LABS that no other process uses, until this one ends; None: ZREPD_LAB says it."""
    global _taken
    names = os.environ.get("ZREPD_LABS", "").split()
    waiting = False
    while names and _taken is None:
        for name in names:
            lock = os.open(f"/run/lock/zrepd-lab-{name}", os.O_CREAT | os.O_WRONLY, 0o600)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _taken = (name, lock)
                break
            os.close(lock)
        if _taken is None and not waiting:
            waiting = True
            print("waiting for a lab of", *names, file=sys.stderr)
        time.sleep(0.2)  # ctest ends what waits for ever
    return _taken and _taken[0]


class Daemon:
    """zrepd on one host."""

    def __init__(self, host):
        self.host = host

    def start(self, *options, first="true", until="zrepctl status"):
        """Runs the shell line `first`, starts it and waits until it answers and knows all its pairs, or
        whatever `until` asks for; all in one command: a guest's processes are expensive."""
        done = self.host.run(f"{first} || exit 1; mkdir -p /run/zrepd; : > /run/zrepd.log; "
                             f"setsid zrepd --log-level debug {q(*options)} >>/run/zrepd.log 2>&1 </dev/null & "
                             "echo $! > /run/zrepd.pid; "
                             f"for i in $(seq {START_SECONDS * 5}); do "
                             f"{until} >/dev/null 2>&1 && exit 0; sleep 0.2; done; exit 2",
                             check=False, timeout=START_SECONDS + 120)
        if done.code != 0:
            raise AssertionError(f"zrepd on {self.host.name} does not answer: {done!r}\n{self.log()[-3000:]}")

    def pid(self):
        return int(self.host.run("cat /run/zrepd.pid").out)

    def alive(self):
        return self.host.run('kill -0 "$(cat /run/zrepd.pid)" 2>/dev/null', check=False).code == 0

    def kill(self):
        """kill -9."""
        self.host.run('kill -9 "$(cat /run/zrepd.pid)" 2>/dev/null', check=False)

    def stop(self):
        """SIGTERM, and how long it took to end, in seconds."""
        done = self.host.run('p=$(cat /run/zrepd.pid 2>/dev/null) || exit 0; kill "$p" 2>/dev/null; '
                             's=$(cut -d" " -f1 /proc/uptime); '
                             f'for i in $(seq {STOP_SECONDS * 20}); do kill -0 "$p" 2>/dev/null || '
                             '{ echo "$s $(cut -d" " -f1 /proc/uptime)"; exit 0; }; sleep 0.05; done; '
                             'kill -9 "$p"; exit 1', check=False)
        if done.code != 0:
            raise AssertionError(f"zrepd on {self.host.name} did not stop: {self.log()[-2000:]}")
        times = [float(word) for word in done.out.split()]
        return times[1] - times[0] if times else 0.0

    def log(self):
        return self.host.run("cat /run/zrepd.log", check=False).out


class Case(unittest.TestCase):
    """A test with fresh pools and a daemon on both hosts."""

    lab = None
    hosts = ("alpha", "beta")
    daemon_options = ()
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.lab = lab_module.Lab(take_lab())
        cls.lab.up(cls.hosts, build_dir=os.environ.get("ZREPD_BUILD", ROOT / "build/release"))
        cls.alpha, cls.beta = (cls.lab.host(name) for name in ("alpha", "beta"))
        cls.zrepd = {name: Daemon(cls.lab.host(name)) for name in cls.hosts}

    def setUp(self):
        with concurrent.futures.ThreadPoolExecutor() as both:
            list(both.map(self.begin_anew, self.hosts))

    def begin_anew(self, name):
        """Empty pools, today's programs, no children of an earlier daemon, a fresh one that knows the pools."""
        host = self.lab.host(name)
        if not host.alive():
            host.boot()
        self.lab.link(name, "up")
        pool = POOLS.get(name, "tank")
        accept = "-O zrep:accept=alpha " if pool == "backup" else ""
        clean = ('p=$(cat /run/zrepd.pid 2>/dev/null) && kill -9 "$p" 2>/dev/null; '
                 "tc qdisc del dev vec0 root 2>/dev/null; pkill -9 -x zfs; rm -f /run/count /run/calls; "
                 "install /lab/bin/zrepd /usr/sbin/; install /lab/bin/zrepctl /usr/bin/; "
                 "for i in 1 2 3 4 5 6 7 8 9 10; do left=$(zpool list -H -o name); "
                 '[ -n "$left" ] || break; for p in $left; do zpool destroy -f $p; done; sleep 0.1; done; '
                 f"zpool create -f -O compression=off {accept}{pool} /dev/ubda")
        self.zrepd[name].start(*self.daemon_options, first=clean)

    def tearDown(self):
        outcome = getattr(self, "_outcome", None)
        result = getattr(outcome, "result", None)
        failed = result and any(test is self for test, _ in result.failures + result.errors)
        if failed:
            for name in self.hosts:
                if self.lab.host(name).alive():
                    self.lab.link(name, "up")
                    print(f"---- zrepd on {name}:\n{self.zrepd[name].log()[-6000:]}", file=sys.stderr)

    # What administrators type.

    def zrepctl(self, *words, on="alpha", code=0, timeout=120, input=None):
        done = self.lab.host(on).run(["zrepctl", *words], check=False, timeout=timeout, input=input)
        self.assertEqual(done.code, code, f"{done!r}")
        return done

    def zrepctl_json(self, *words, on="alpha", code=0, timeout=120):
        return json.loads(self.zrepctl(*words, "--json", on=on, code=code, timeout=timeout).out)

    def status(self, dataset, on="alpha"):
        pairs = self.zrepctl_json("status", dataset, on=on)["pairs"]
        self.assertEqual(len(pairs), 1, pairs)
        return pairs[0]

    # What ZFS says.

    def get(self, host, prop, name):
        """A property's value, or "-"."""
        return host.run(["zfs", "get", "-Hpo", "value", prop, name]).out.rstrip("\n")

    def source(self, host, prop, name):
        return host.run(["zfs", "get", "-Hpo", "source", prop, name]).out.rstrip("\n")

    def snapshots(self, host, dataset):
        """Snapshot names, oldest first."""
        out = host.run(["zfs", "list", "-Hpo", "name", "-t", "snapshot", "-s", "createtxg", "-d", "1",
                        dataset]).out
        return [line.split("@", 1)[1] for line in out.splitlines()]

    def guids(self, host, dataset):
        out = host.run(["zfs", "list", "-Hpo", "name,guid", "-t", "snapshot", "-s", "createtxg", "-d", "1",
                        dataset]).out
        return {line.split("\t")[0].split("@", 1)[1]: line.split("\t")[1] for line in out.splitlines()}

    def bookmarks(self, host, dataset):
        out = host.run(["zfs", "list", "-Hpo", "name", "-t", "bookmark", "-d", "1", dataset]).out
        return [line.split("#", 1)[1] for line in out.splitlines()]

    def holds(self, host, dataset):
        """{snapshot name: [tags]} of this dataset's snapshots."""
        out = {}
        for name in self.snapshots(host, dataset):
            lines = host.run(["zfs", "holds", "-H", f"{dataset}@{name}"]).out.splitlines()
            if lines:
                out[name] = [line.split("\t")[1] for line in lines]
        return out

    # Data.

    def write(self, dataset, name, megabytes=1, on="alpha"):
        """Random bytes in a file of a mounted filesystem."""
        host = self.lab.host(on)
        place = self.get(host, "mountpoint", dataset)
        host.run(f"dd if=/dev/urandom of={shlex.quote(place + '/' + name)} bs=1M count={megabytes} "
                 "status=none", timeout=120)

    def digest(self, host, dataset):
        """A sum over names, sizes and bytes of all files in the newest zrep snapshot."""
        snapshot = [name for name in self.snapshots(host, dataset) if name.startswith("zrep_")][-1]
        script = ("set -e; d=$(mktemp -d); mount -t zfs \"$1@$2\" $d; cd $d; "
                  "find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum | sha256sum; "
                  "cd /; umount $d; rmdir $d")
        done = host.run(["bash", "-c", script, "digest", dataset, snapshot], timeout=120)
        return snapshot, done.out.split()[0]

    def assert_same_data(self, source, target):
        here, there = self.digest(self.alpha, source), self.digest(self.beta, target)
        self.assertEqual(here, there)

    def facts(self, host, dataset):
        """What one side of a pair has, with one command: a guest's processes are expensive."""
        script = ("zfs list -Hpo name -t snapshot -s createtxg -d 1 \"$1\" | sed 's/.*@//'; echo ==; "
                  "zfs list -Hpo name -t bookmark -d 1 \"$1\" | sed 's/.*#//'; echo ==; "
                  "zfs get -Hpo property,value all \"$1\"; echo ==; "
                  "n=$(zfs list -Hpo name -t snapshot -s createtxg -d 1 \"$1\" | tail -n 1); "
                  "zfs get -Hpo property,value guid,zrep:sent \"$n\"; echo ==; "
                  "zfs list -Hpo name -t snapshot -d 1 \"$1\" | tr '\\n' '\\0' | xargs -0r zfs holds -H")
        parts = host.run(["sh", "-c", script, "facts", dataset]).out.split("==\n")
        snapshots, bookmarks = (part.splitlines() for part in parts[:2])
        props, newest = (dict(line.split("\t", 1) for line in part.splitlines()) for part in parts[2:4])
        holds = [tuple(line.split("\t")[:2]) for line in parts[4].splitlines()]
        return {"snapshots": snapshots, "bookmarks": bookmarks, "props": props, "newest": newest,
                "holds": [(name.split("@", 1)[1], tag) for name, tag in holds]}

    def assert_in_step(self, source, target, to=None):
        """Everything a finished sync leaves behind on both sides."""
        here, there = self.facts(self.alpha, source), self.facts(to or self.beta, target)
        name = here["snapshots"][-1]
        self.assertRegex(name, r"^zrep_[0-9a-f]{6}$")
        self.assertEqual(there["snapshots"][-1], name)
        self.assertRegex(here["newest"]["zrep:sent"], r"^\d{10}$")
        self.assertEqual(here["newest"], there["newest"])
        self.assertEqual(here["holds"], [(name, "zrep_base")])
        self.assertEqual(there["holds"], [(name, "zrep_base")])
        self.assertIn(f"zrep_{here['newest']['guid']}", here["bookmarks"])
        self.assertEqual(there["props"]["readonly"], "on")
        self.assertEqual(here["props"]["zrep:master"], "yes")
        self.assertNotEqual(there["props"].get("zrep:master"), "yes")
        for prop in PAIR_PROPERTIES:
            self.assertEqual(here["props"][prop], there["props"][prop], prop)

    # Nothing left behind.

    def everything(self, name):
        """All that zrepd could leave on a host: datasets, snapshots, bookmarks, holds, properties,
        streams."""
        return self.lab.host(name).run(
            "zfs list -H -t all -o name,guid,userrefs,readonly; "
            "zfs get -H -s local,received -o name,property,value,source all | grep zrep: ; "
            "pgrep -a -x zfs | grep -E 'zfs (send|receive) '; true").out.splitlines()

    @contextlib.contextmanager
    def nothing_left(self):
        """What is done inside must not change either host."""
        before = {name: self.everything(name) for name in self.hosts}
        yield
        self.assertEqual({name: self.everything(name) for name in self.hosts}, before)

    # Talking to a socket without zrepctl.

    def talk(self, payload, lines, on="alpha", socket="zrepd.sock"):
        """Sends the bytes that `payload`, a Python expression, stands for; reads that many lines at
        most. The messages after the greeting, and whether the daemon closed the connection."""
        done = self.lab.host(on).run(["python3", "-c", TALK, f"/run/zrepd/{socket}", payload, str(lines)],
                                     timeout=90)
        answer = json.loads(done.out)
        messages = [json.loads(line) for line in answer["lines"]]
        self.assertEqual(messages[0].get("method"), "hello", messages)
        return messages[1:], answer["closed"]

    def ask(self, *calls, on="alpha", socket="zrepd.sock"):
        """Calls (method, params) one after the other on one connection; their replies."""
        sent = "".join(json.dumps({"jsonrpc": "2.0", "id": i, "method": method, "params": params}) + "\n"
                       for i, (method, params) in enumerate(calls))
        replies, _ = self.talk(repr(sent.encode()), len(calls) + 1, on=on, socket=socket)
        self.assertEqual([reply["id"] for reply in replies], list(range(len(calls))))
        return replies

    # Costs.

    def count_calls(self):
        for name in self.hosts:
            self.lab.host(name).run(": > /run/calls; touch /run/count")

    def calls(self, name):
        """What zrepd started on a host since count_calls(), one command line each."""
        return self.lab.host(name).run("cat /run/calls").out.splitlines()

    def children(self, name):
        """zfs, zpool and ssh processes on a host that are not the followed events."""
        out = self.lab.host(name).run("ps -eo pid,ppid,args --no-headers").out
        return [line for line in out.splitlines()
                if any(f" {word} " in f" {line} " for word in ("zfs", "/usr/sbin/zfs", "ssh", "zpool",
                                                                 "/usr/sbin/zpool", "/usr/bin/ssh"))
                and "events" not in line]
