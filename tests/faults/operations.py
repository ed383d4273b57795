# SPDX-License-Identifier: BSD-2-Clause
"""What is cut at every step. An operation begins on a settled pair, relative to who is master then."""
import dataclasses
from collections.abc import Callable

from points import FAULTS

SAVECOUNT = 2  # so that the third sync of a pair expires as all later ones do
FS = {"alpha": "tank/fs", "beta": "backup/fs"}
OTHER = {"alpha": "beta", "beta": "alpha"}
# Where only one host is on, there is nothing else to cut.
ALONE = ("kill-here", "cut-here")


def nothing(_pair):
    pass


@dataclasses.dataclass(frozen=True)
class Operation:
    """`begin` starts it and returns what has poll() and kill(); it comes after `prepare`. `again` is what an
    administrator types when it was cut off and does not end by itself; called until all is in order.
    Of an operation that `loses`, data that was never acknowledged may be in a rescue instead. One that `moves` the
    role, and says that it has, has; one that does not leaves it where it was. One that goes `back` gives up what was
    acknowledged, too."""
    name: str
    begin: Callable
    prepare: Callable = nothing
    again: Callable = nothing
    loses: bool = False
    moves: bool | None = None
    back: bool = False
    roles: tuple = ("master", "target")
    faults: tuple = FAULTS
    options: tuple = ()  # of both daemons


def on_master(verb, options=""):
    return lambda pair: pair.client(pair.master, f"zrepctl {verb} {FS[pair.master]} {options}")


def on_target(verb, options=""):
    return lambda pair: pair.client(OTHER[pair.master], f"zrepctl {verb} {FS[OTHER[pair.master]]} {options}")


def back_on_master(pair):
    """To the last snapshot but one."""
    one = f"zfs list -Ho name -t snapshot -s createtxg -d 1 {FS[pair.master]} | grep @zrep_0 | tail -n 2 | head -n 1"
    return pair.client(pair.master, f"zrepctl failover $({one})")


def unmake(pair):
    pair.fresh_pools()
    pair.write()


def init_again(pair):
    return pair.host("alpha").run(INIT, check=False, timeout=120)


INIT = "zrepctl init tank/fs beta backup/fs"


def heap_up(pair):
    """Two snapshots more on each side than are kept from now on."""
    pair.keep(SAVECOUNT + 2)
    for _ in range(2):
        pair.write()
        pair.sync()
    pair.keep(SAVECOUNT)


def split(pair):
    """Both sides master of one epoch, as only hands can make it, and zrepd knows; each has data of its own."""
    master, target = pair.master, OTHER[pair.master]
    pair.host(target).run(
        f"zfs set readonly=off zrep:master=yes zrep:src-host={target} zrep:src-fs={FS[target]} "
        f"zrep:dest-host={master} zrep:dest-fs={FS[master]} canmount=on mountpoint=/tank/fs {FS[target]}; "
        f"for i in $(seq 100); do zrepctl status {FS[target]} --json | grep -q '\"role\": *\"master\"' && break; sleep 0.1; done; "
        + pair.lone_file("theirs"))


def resolve_again(keep):
    """A split made by hand needs hands, so long as it is there."""
    def again(pair):
        if pair.split():
            return pair.host(pair.master).run(f"zrepctl resolve {FS[pair.master]} --keep {keep}", check=False, timeout=120)
        return None
    return again


def resolve(name, keep, moves):
    return Operation(name, on_master("resolve", f"--keep {keep}"), prepare=split, again=resolve_again(keep), loses=True,
                     moves=moves)


def power_off_master(pair):
    pair.host(pair.master).cut()


def overtaken(pair):
    """The master's zrepd is down and the other side is master; both have data that the other lacks. Its host has power:
    a boot per point would take most of the time, and zrepd starts into the same state."""
    new = OTHER[pair.master]
    pair.daemons[pair.master].kill()
    pair.host(new).run(f"zrepctl takeover -L {FS[new]}", timeout=120)
    pair.host(new).run(pair.lone_file("new"))


def start_master(pair):
    return pair.in_background(lambda: pair.revive(pair.master))


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("init", lambda pair: pair.client("alpha", INIT), prepare=unmake, again=init_again),
        Operation("sync", on_master("sync"), moves=False),
        Operation("expire", on_master("expire"), prepare=heap_up, moves=False),
        # Half of a stream lies on the target; both sides notice soon that the link is gone.
        Operation("resume", on_master("sync"), prepare=lambda pair: pair.half_sync(), moves=False,
                  options=("--stall-timeout", "5s")),
        Operation("failover", on_master("failover"), moves=True),
        Operation("takeover", on_target("takeover"), moves=True),
        # The old master is off, and is back only after the fault.
        Operation("takeover-L", on_target("takeover", "-L"), prepare=power_off_master, loses=True, moves=True,
                  roles=("target",), faults=ALONE),
        # The old master lives and hears of it: its step down and its rescue are part of this.
        Operation("takeover-L-alive", on_target("takeover", "-L"), loses=True, moves=True),
        Operation("rejoin", start_master, prepare=overtaken, loses=True, moves=True),
        Operation("failover-L", on_master("failover", "-L"), loses=True, moves=True),
        Operation("failover-back", back_on_master, loses=True, moves=True, back=True),
        resolve("resolve", "HERE", moves=False),
        resolve("resolve-peer", "PEER", moves=True),
    )
}
