# SPDX-License-Identifier: BSD-2-Clause
"""What is cut at every step: an operation is begun on a settled pair, relative to who is master then."""

FS = {"alpha": "tank/fs", "beta": "backup/fs"}
OTHER = {"alpha": "beta", "beta": "alpha"}
FAULTS = ("kill-here", "kill-there", "cut-here", "cut-there", "link")


class Operation:
    """`prepare` runs before calls are counted. Of an operation that `loses`, data that was never acknowledged
    may be in a rescue instead of in the filesystem."""

    def __init__(self, name, begin, prepare=None, loses=False):
        self.name, self.begin, self.loses = name, begin, loses
        self.prepare = prepare or (lambda pair: None)


def on_master(verb, options=""):
    return lambda pair: pair.spawn(pair.master, f"zrepctl {verb} {FS[pair.master]} {options}")


def on_target(verb, options=""):
    return lambda pair: pair.spawn(OTHER[pair.master], f"zrepctl {verb} {FS[OTHER[pair.master]]} {options}")


def split(pair):
    """Both sides master of one epoch, as only hands can make it; each has data of its own."""
    master, target = pair.master, OTHER[pair.master]
    pair.host(target).run(
        f"zfs set readonly=off zrep:master=yes zrep:src-host={target} zrep:src-fs={FS[target]} "
        f"zrep:dest-host={master} zrep:dest-fs={FS[master]} canmount=on mountpoint=/tank/fs {FS[target]}; "
        "echo theirs > /tank/fs/theirs; zpool sync")


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("sync", on_master("sync")),
        Operation("failover", on_master("failover")),
        Operation("takeover", on_target("takeover")),
        # The old master lives and hears of it: its step down and its rescue are part of this.
        Operation("takeover-L", on_target("takeover -L"), loses=True),
        Operation("failover-L", on_master("failover -L"), loses=True),
        Operation("resolve", on_master("resolve", "--keep HERE"), prepare=split, loses=True),
    )
}
