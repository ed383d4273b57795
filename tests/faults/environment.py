# SPDX-License-Identifier: BSD-2-Clause
"""What happens around a pair: links, power, pools without room, hands, clocks, names, keys, versions; as data.

alpha is the master of all of it. A fault meets a pair that is idle, or one in the middle of a stream."""
import dataclasses
import time
from collections.abc import Callable

from operations import FS

IDLE, STREAM, SCHEDULE = "idle", "mid-stream", "scheduled"
DAY = 86400
ADDRESS = "10.77.0.1"  # alpha's
HALF_MINUTE, SHORT_TEN_MINUTES, TEN_MINUTES = 30, 60, 600
UNREACHABLE = ("stalled", "peer_unreachable", "timed_out")
BASE = "$(/usr/sbin/zfs list -Ho name -t snapshot -s createtxg -d 1 {} | grep @zrep_0 | tail -n 1)"
# What an upgrade, or a downgrade, comes to, in the middle of whatever runs: new files in the place of the old.
PROGRAMS_OF = "install /lab/{0}/zrepd /usr/sbin/; install /lab/{0}/zrepctl /usr/bin/"
# Small steps at the end, and again: what ZFS had set aside for itself becomes free a little later.
FILL = ("zfs create -o mountpoint=/filler {0}/filler; for round in $(seq 20); do for size in 16M 1M 64k 4k; do "
        "dd if=/dev/urandom of=/filler/$round.$size bs=$size status=none 2>/dev/null; sync; zpool sync {0}; done; "
        '[ "$(zfs get -Hpo value available {0})" = 0 ] && exit 0; done; exit 1')
EMPTY = "zfs destroy {0}/filler; zpool sync {0}"
STATE = "/proc/spl/kstat/zfs/{0}/state"
SUSPEND = ("zfs create -o mountpoint=/filler {0}/filler; (dd if=/dev/urandom of=/filler/big bs=1M count=400 conv=fsync "
           ">/dev/null 2>&1 &); for i in $(seq 300); do grep -q SUSPENDED " + STATE + " && exit 0; sleep 0.2; done; exit 1")
RESUME = ("mount -o remount,size=1200M /run/thin; zpool clear {0}; for i in $(seq 150); do "
          "grep -q ONLINE " + STATE + " && break; sleep 0.2; done; while pgrep -x dd; do sleep 0.2; done; " + EMPTY)


def nothing(_pair):
    pass


@dataclasses.dataclass(frozen=True)
class Scenario:
    """`begins` makes the fault, `ends` takes it away. A sync that is tried meanwhile is refused with an error of one of
    these kinds (`says`); where there is none, it works; None: nobody can be asked. What comes meanwhile `writes` before,
    where it can. `remedy`: (host, beginning of a command) pairs that end it in place of `ends`, as the refusal's own text has them.
    `pools`: hosts whose pool is another than a whole disk."""
    name: str
    begins: Callable
    ends: Callable = nothing
    says: tuple | None = ()
    remedy: tuple = ()
    moments: tuple = (IDLE, STREAM)
    writes: bool = True
    pools: tuple = ()


def on(name, command):
    return lambda pair: pair.host(name).run(command, timeout=240)


def several(*steps):
    def all_of_them(pair):
        for step in steps:
            step(pair)
    return all_of_them


# Links.

def link_down(pair):
    pair.lab.link("beta", "down")


def reconnect(pair):
    pair.reconnect()


def outage(seconds):
    def begins(pair):
        link_down(pair)
        time.sleep(seconds)
    return begins


def netem(*words, hosts=("beta",)):
    def begins(pair):
        for name in hosts:
            pair.lab.link(name, "netem", *words)
    return begins


def netem_ends(pair):
    pair.both(lambda name: pair.host(name).run("tc qdisc del dev vec0 root", check=False))


def links(ten_minutes):
    outages = (("30 s without a link", HALF_MINUTE), (f"{ten_minutes} s without a link", ten_minutes))
    return [
        Scenario("cable cut", link_down, reconnect, UNREACHABLE),
        *(Scenario(name, outage(seconds), reconnect, UNREACHABLE, moments=(STREAM, SCHEDULE)) for name, seconds in outages),
        Scenario("300 ms delay", netem("delay", "300ms"), netem_ends),
        Scenario("2 % loss", netem("loss", "2%", hosts=FS), netem_ends),
        Scenario("what the master sends is lost", lambda pair: pair.mute("alpha"), reconnect, UNREACHABLE),
        Scenario("what the target sends is lost", lambda pair: pair.mute("beta"), reconnect, UNREACHABLE)]


# Power and processes.

def daemon(name, *verbs):
    def steps(pair):
        for verb in verbs:
            if verb == "start":
                pair.start_daemon(name)
            else:
                getattr(pair.daemons[name], verb)()
    return steps


def power():
    found = []
    for name, role in (("alpha", "master"), ("beta", "target")):
        # Without a master there is nobody to ask.
        says = None if name == "alpha" else UNREACHABLE
        found += [
            Scenario(f"power cut, {role}", lambda pair, name=name: pair.host(name).cut(),
                     lambda pair, name=name: pair.revive(name), says),
            Scenario(f"kill -9 of zrepd, {role}", daemon(name, "kill"), lambda pair, name=name: pair.revive(name),
                     None if name == "alpha" else ("peer_no_zrepd", *UNREACHABLE)),
            Scenario(f"zrepd restarted, {role}", daemon(name, "stop", "start"))]
    return found


# Room.

def pool_state(name, pool, what):
    return on(name, what.format(pool))


def quota(name, more):
    """`more` bytes beyond what it has, or as little more as it takes while something is being received."""
    fs = FS[name]
    return on(name, f"for m in $(seq {more} 524288 {more + (6 << 20)}); do "
                    f"zfs set quota=$(($(zfs get -Hpo value used {fs}) + m)) {fs} && exit 0; done; exit 1")


def fill_quota(pair):
    quota("alpha", 2 << 20)(pair)
    pair.host("alpha").run("dd if=/dev/zero of=/tank/fs/filler bs=64k count=200 conv=fsync status=none; "
                           '[ "$(zfs get -Hpo value available tank/fs)" -lt 131072 ]', timeout=120)


def space():
    full, no_quota = ("no_space",), on("beta", "zfs set quota=none backup/fs")
    small = {"alpha": (("alpha", "small"),), "beta": (("beta", "small"),)}
    thin = {"alpha": (("alpha", "thin"),), "beta": (("beta", "thin"),)}
    return [
        Scenario("target's quota", quota("beta", 0), no_quota, full),
        Scenario("master's quota", fill_quota, on("alpha", "zfs set quota=none tank/fs; rm /tank/fs/filler"), writes=False),
        Scenario("target pool full", pool_state("beta", "backup", FILL), pool_state("beta", "backup", EMPTY), full,
                 pools=small["beta"]),
        Scenario("target pool suspended", pool_state("beta", "backup", SUSPEND), pool_state("beta", "backup", RESUME),
                 ("pool_unavailable",), pools=thin["beta"]),
        Scenario("master's pool full", pool_state("alpha", "tank", FILL), pool_state("alpha", "tank", EMPTY), full,
                 moments=(IDLE,), writes=False, pools=small["alpha"]),
        # What was in the snapshot goes; there is nothing new after it.
        Scenario("master's pool full", pool_state("alpha", "tank", FILL), pool_state("alpha", "tank", EMPTY),
                 moments=(STREAM,), writes=False, pools=small["alpha"]),
        Scenario("master's pool suspended", pool_state("alpha", "tank", SUSPEND), pool_state("alpha", "tank", RESUME),
                 ("pool_unavailable",), writes=False, pools=thin["alpha"])]


# Hands.

def refused_by_the_hold(name):
    fs = FS[name]
    return on(name, f"! zfs destroy {BASE.format(fs)} && zfs list -Ho name {BASE.format(fs)}")


def released(name, destroyed=False, unmarked=False):
    fs = FS[name]
    command = f"b={BASE.format(fs)}; zfs release zrep_base $b || exit 1; "
    if unmarked:
        command += f"zfs destroy {fs}#zrep_$(zfs get -Hpo value guid $b) || exit 1; "
    return on(name, command + ("zfs destroy $b" if destroyed else "true"))


def hands():
    write_there = ("zfs set readonly=off backup/fs; zfs mount backup/fs; echo theirs >/backup/fs/theirs; "
                   "zfs umount backup/fs; zfs set readonly=on backup/fs")
    foreign = "theirs$(date +%s%N)"
    return [
        Scenario("target written to", on("beta", write_there)),
        Scenario("target mounted, a program in it", on("beta", "zfs mount backup/fs; cd /backup/fs && (sleep 600 >/dev/null 2>&1 & "
                                                       "echo $! >/run/sleeper)"),
                 on("beta", "kill $(cat /run/sleeper); zfs umount backup/fs")),
        Scenario("foreign snapshot on the target", on("beta", "zfs snapshot backup/fs@theirs"), says=("conflict",),
                 remedy=(("beta", "zfs destroy backup/fs@theirs"), ("alpha", "zrepctl sync tank/fs"))),
        Scenario("foreign snapshot on the master", on("alpha", f"zfs snapshot tank/fs@{foreign}")),
        Scenario("the base destroyed, refused, master", refused_by_the_hold("alpha")),
        Scenario("the base destroyed, refused, target", refused_by_the_hold("beta")),
        Scenario("hold released, master", released("alpha"), moments=(IDLE,)),
        Scenario("hold released, target", released("beta"), moments=(IDLE,)),
        Scenario("hold released, base destroyed, master", released("alpha", True), moments=(IDLE,)),
        Scenario("hold released, base destroyed, target", released("beta", True), moments=(IDLE,)),
        Scenario("hold released, base destroyed, both", several(released("alpha", True), released("beta", True)),
                 moments=(IDLE,)),
        Scenario("base and bookmark destroyed, master", released("alpha", True, True), says=("conflict",), moments=(IDLE,),
                 remedy=(("beta", "zfs release zrep_base backup/fs@zrep_"), ("beta", "zfs destroy backup/fs@zrep_"),
                         ("alpha", "zrepctl sync tank/fs")))]


# Clocks, names, keys, versions.

def clock(name, seconds):
    return on(name, f"date -s @$(($(date +%s) + {seconds}))")


def renamed(name, other, configured=""):
    """What a boot under another name comes to; the printed remedy stands in zrepd.conf."""
    write = "mkdir -p /etc/zrepd; [ -z '{0}' ] || echo 'host-name = {0}' >/etc/zrepd/zrepd.conf".format(configured)
    back = "hostname {0}; rm -f /etc/zrepd/zrepd.conf".format(name)
    return (several(on(name, f"hostname {other}; {write}"), daemon(name, "stop", "start")),
            several(on(name, back), daemon(name, "stop", "start")))


def key():
    """For this address alone: the lab asks its hosts with the same key. A connection that lives is not asked again, so it ends."""
    keys = "/root/.ssh/authorized_keys"
    return Scenario("ssh key revoked", several(on("beta", f"sed -i.kept 's/^/from=\"!{ADDRESS},*\" /' {keys}"), on("alpha", "pkill -x ssh; true")),
                    on("beta", f"mv {keys}.kept {keys}"), ("peer_auth",))


def speaks(version):
    """Another build (`other_builds` in tests/CMakeLists.txt), with another version of the protocol; then ours again."""
    return (several(on("beta", PROGRAMS_OF.format(f"builds/{version}")), daemon("beta", "stop", "start")),
            several(on("beta", PROGRAMS_OF.format("bin")), daemon("beta", "stop", "start")))


def others():
    found = []
    for name, role, other in (("alpha", "master", "gamma"), ("beta", "target", "delta")):
        found += [Scenario(f"clock a day {word}, {role}", clock(name, days * DAY), clock(name, -days * DAY))
                  for word, days in (("ahead", 1), ("behind", -1))]
        found += [Scenario(f"host renamed and back, {role}", *renamed(name, other), ("not_configured", "conflict", "access_denied")),
                  Scenario(f"host renamed, host-name set, {role}", *renamed(name, other, name))]
    found.append(key())
    found += [Scenario(f"peer speaks {version}", *speaks(version), says)
              for version, says in (("2.0", ("peer_protocol",)), ("0.9", ("peer_protocol",)), ("1.7", ()))]
    return found


def scenarios(long=False):
    """All of them; those that share pools stand together."""
    found = [*links(TEN_MINUTES if long else SHORT_TEN_MINUTES), *power(), *hands(), *others(), *space()]
    return sorted(found, key=lambda scenario: scenario.pools)
