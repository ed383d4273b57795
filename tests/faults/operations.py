# SPDX-License-Identifier: BSD-2-Clause
"""What is cut at every step: an operation is begun on a settled pair, relative to who is master then."""

FS = {"alpha": "tank/fs", "beta": "backup/fs"}
OTHER = {"alpha": "beta", "beta": "alpha"}
FAULTS = ("kill-here", "kill-there", "cut-here", "cut-there", "link")


class Operation:
    """`prepare` runs before calls are counted. Of an operation that `loses`, data that was never acknowledged
    may be in a rescue instead of in the filesystem."""

    def __init__(self, name, verb, options="", on="master", prepare=None, loses=False):
        self.name, self.verb, self.options, self.on, self.loses = name, verb, options, on, loses
        self.prepare = prepare or (lambda pair: None)

    def begin(self, pair):
        """Starts it; the host on which it was asked for."""
        host = pair.master if self.on == "master" else OTHER[pair.master]
        pair.spawn(host, f"zrepctl {self.verb} {FS[host]} {self.options}")
        return host


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
        Operation("sync", "sync"),
        Operation("failover", "failover"),
        Operation("takeover", "takeover", on="target"),
        # The old master lives and hears of it: its step down and its rescue are part of this.
        Operation("takeover-L", "takeover", "-L", on="target", loses=True),
        Operation("failover-L", "failover", "-L", loses=True),
        Operation("resolve", "resolve", "--keep HERE", prepare=split, loses=True),
    )
}
