# SPDX-License-Identifier: BSD-2-Clause
"""Planned role changes on real ZFS: failover, takeover, and back."""
import re
import unittest

from roles import COPY, FS, Roles
from support import wait_for


class Failover(Roles):
    def test_there_and_back(self):
        self.write(FS, "second")
        self.zrepctl("sync", FS)
        # As sanoid takes them, of what is idle too: the newest snapshot is not ours.
        self.alpha.run("zfs snapshot tank/fs@hourly")
        done = self.zrepctl("failover", FS)
        self.assertIn("beta:backup/fs is the master now (epoch 2)", done.out)
        self.assert_master("beta")
        self.assertEqual(self.get(self.beta, "mounted", COPY), "yes")
        self.assertEqual(self.path(self.beta, COPY), "/tank/fs")
        self.assertEqual(self.get(self.alpha, "mounted", FS), "no")
        self.beta.run("test -s /tank/fs/first && test -s /tank/fs/second && echo third > /tank/fs/third")
        self.zrepctl("sync", COPY, on="beta")
        self.assertEqual(self.digest(self.alpha, FS), self.digest(self.beta, COPY))
        self.beta.run("echo fourth > /tank/fs/fourth")
        self.zrepctl("failover", COPY, on="beta")
        self.assert_master("alpha")
        self.assertEqual(self.alpha.run("cat /tank/fs/fourth").out, "fourth\n")
        self.assertEqual(self.get(self.alpha, "mounted", FS), "yes")
        self.assertEqual(self.get(self.beta, "mounted", COPY), "no")

    def test_takeover_asks_the_master(self):
        self.write(FS, "second")
        done = self.zrepctl("takeover", COPY, on="beta")
        self.assertIn("backup/fs is the master now (epoch 2)", done.out)
        self.assert_master("beta")
        self.beta.run("test -s /tank/fs/second")
        self.zrepctl("takeover", FS)
        self.assert_master("alpha")

    def test_a_dry_run_says_the_steps_and_changes_nothing(self):
        with self.nothing_left():
            done = self.zrepctl("failover", "--dry-run", FS)
            self.assertIn("make tank/fs the target of epoch 2", done.out)
            done = self.zrepctl("takeover", "--dry-run", COPY, on="beta")
            self.assertIn("make tank/fs the target of epoch 2", done.out)
            done = self.zrepctl("takeover", "-L", "--dry-run", COPY, on="beta")
            self.assertIn("begin with the data of ", done.out)

    def test_the_wrong_side_is_told_where_to_go(self):
        with self.nothing_left():
            done = self.zrepctl("failover", COPY, on="beta", code=5)
            self.assertIn("is the target here; its master is alpha:tank/fs", done.err)
            done = self.zrepctl("takeover", FS, code=5)
            self.assertIn("is the master here already", done.err)
            done = self.zrepctl("takeover", "-L", FS, code=5)
            self.assertIn("is the master here already", done.err)
            done = self.zrepctl("resolve", FS, code=2)
            self.assertIn("--keep", done.err)


# Writes through a shared mapping and ends, without a word to the kernel about it: half a minute in memory.
MAPPED = r"""
import mmap, os, sys
size = 1 << 20
out = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(out, size)
pages = mmap.mmap(out, size)
pages[:] = bytes([int(sys.argv[2])]) * size
"""


class Mapped(Roles):
    """What a program wrote and the kernel still has is on the new master, or kept beside the old one."""

    def setUp(self):
        super().setUp()
        self.alpha.run(["tee", "/run/mapped.py"], input=MAPPED)
        self.alpha.run("python3 /run/mapped.py /tank/fs/mapped 1; sync -f /tank/fs")
        self.zrepctl("sync", FS)

    def map(self, value):
        self.alpha.run(f"python3 /run/mapped.py /tank/fs/mapped {value}")
        return self.alpha.run("sha256sum < /tank/fs/mapped").out

    def test_a_failover_sends_it(self):
        written = self.map(2)
        self.zrepctl("failover", FS)
        self.assertEqual(self.beta.run("sha256sum < /tank/fs/mapped").out, written)

    def test_an_old_master_keeps_it(self):
        for one, other in (("alpha", "beta"), ("beta", "alpha")):
            self.lab.link(one, "mute", other)
            self.addCleanup(self.lab.link, one, "unmute", other)
        written = self.map(3)
        self.zrepctl("takeover", "-L", COPY, on="beta")
        for one, other in (("alpha", "beta"), ("beta", "alpha")):
            self.lab.link(one, "unmute", other)
        self.assert_master("beta", seconds=60)
        copy = FS + "_diverged_2"
        self.alpha.run(["zfs", "mount", copy])
        self.assertEqual(self.alpha.run(f"sha256sum < /{copy}/mapped").out, written)


class Idle(Roles):
    """Nothing changes while the roles do, and there is a lot of it."""

    def setUp(self):
        super().setUp()
        self.alpha.run("yes record | head -c 1G > /tank/fs/big", timeout=240)
        self.zrepctl("sync", FS, timeout=240)

    def started(self, host, first, last):
        """What the change started on a host, from the call with the one word to that with the other.

        Whole lists are the watch's, which looks when it pleases, and the short one is this test's own."""
        calls = [line for line in self.calls(host)
                 if line.split()[0] in ("zfs", "zpool") and re.search(r" (tank|backup)\S*$", line) and " -Hpo " not in line]
        begin = next(i for i, line in enumerate(calls) if first in line)
        end = next(i for i, line in enumerate(calls) if i >= begin and last in line)
        return calls, calls[begin:end + 1]

    def failover(self, host, dataset, other):
        self.count_calls()
        self.zrepctl("failover", dataset, on=host)
        self.assert_master(other, 10)
        here, frozen = self.started(host, "readonly=on", "zrep:master=no")
        there, opened = self.started(other, "zrep:master=yes", "zfs mount")
        # One more there is the look before it; who still uses the old side is asked to leave meanwhile.
        window = frozen + opened
        self.assertLessEqual(len(window) + 2, 10, "\n".join(window))
        return here + there

    def test_nobody_can_write_for_at_most_ten_processes(self):
        self.assertGreater(int(self.get(self.alpha, "logicalreferenced", FS)), 1 << 30)
        first = self.failover("alpha", FS, "beta")
        self.failover("beta", COPY, "alpha")
        third = self.failover("alpha", FS, "beta")
        self.assertEqual(len(third), len(first), "always the same number\n" + "\n".join(first + ["then"] + third))


# Writes its number into one block after the other, and says so when that is on the disk; until it may not any more.
WRITER = """
import os, sys, time
disk = os.open("/dev/zd0", os.O_WRONLY | os.O_DSYNC)
with open("/run/written", "w", buffering=1) as said:
    for number in range(1, 8000):  # more than a minute
        try:
            os.pwrite(disk, number.to_bytes(4, "big") * 1024, number * 4096)
        except OSError as error:
            sys.exit(f"{number}: {error.strerror}")
        print(number, file=said)
        time.sleep(0.01)
"""
# The numbers that are there, in order.
READER = """
disk = open("/dev/zd0", "rb").read()
print(*(int.from_bytes(disk[at:at + 4], "big") for at in range(4096, len(disk), 4096)))
"""


class Volume(Roles):
    def devices(self, host):
        return int(host.run("ls /dev | grep -c '^zd[0-9]*$'", check=False).out)

    def test_there_and_back(self):
        self.alpha.run("zfs create -s -V 32M tank/vol; for i in $(seq 50); do [ ! -e /dev/zd0 ] || break; sleep 0.1; "
                       "done; dd if=/dev/urandom of=/dev/zd0 bs=1M count=4 status=none")
        self.zrepctl("init", "tank/vol", "beta", "backup/vol")
        self.assertEqual(self.devices(self.beta), 0, "a target has no device")
        for host, dataset, other, copy in ((self.alpha, "tank/vol", self.beta, "backup/vol"),
                                           (self.beta, "backup/vol", self.alpha, "tank/vol")):
            host.run("dd if=/dev/urandom of=/dev/zd0 bs=1M seek=8 count=2 conv=fsync status=none")
            before = host.run("sha256sum </dev/zd0").out
            self.zrepctl("failover", dataset, on=host.name)
            wait_for(f"{other.name} has a device and {host.name} has none", 10,
                     lambda host=host, other=other: self.devices(other) == 1 and self.devices(host) == 0)
            self.assertEqual(other.run("sha256sum </dev/zd0").out, before)
            self.assertEqual(self.get(host, "volmode", dataset), "none")
            self.assertEqual(self.get(other, "volmode", copy), "default")

    def test_a_program_that_goes_on_writing_loses_nothing_that_was_written(self):
        """openzfs#5826: with the device open since before the failover."""
        self.alpha.run("zfs create -s -V 32M tank/vol; for i in $(seq 50); do [ ! -e /dev/zd0 ] || break; sleep 0.1; done")
        self.zrepctl("init", "tank/vol", "beta", "backup/vol")
        self.alpha.run(["tee", "/run/writer.py"], input=WRITER)
        self.alpha.run("rm -f /run/written /run/refused; (python3 /run/writer.py 2>/run/refused; echo >>/run/refused) >/dev/null 2>&1 & "
                       "for i in $(seq 100); do [ ! -s /run/written ] || exit 0; sleep 0.1; done; exit 1")
        self.addCleanup(self.alpha.run, "pkill -KILL -f /run/writer.py", check=False)
        done = self.alpha.run("zrepctl failover tank/vol", check=False, timeout=120)
        if self.alpha.run("cat /sys/module/zfs/version").out.startswith("2.1") and done.code != 0:
            # Nothing keeps it from writing there, so the master stays what it is (docs/hazards.md, H32).
            self.assertEqual(self.get(self.alpha, "readonly", "tank/vol"), "off")
            return
        self.assertEqual(done.code, 0, repr(done))
        wait_for("the writer was refused", 60, lambda: self.alpha.run("cat /run/refused").out.strip())
        written = int(self.alpha.run("tail -n 1 /run/written").out)
        wait_for("beta has the device", 10, lambda: self.devices(self.beta) == 1)
        there = list(map(int, self.beta.run(["python3", "-c", READER]).out.split()))
        print("written:", written, "refused:", self.alpha.run("cat /run/refused").out.strip())
        self.assertEqual(there[:written], list(range(1, written + 1)))
        self.assertEqual(set(there[written + 1:]), {0}, "at most the one that it was not told of")


class Encrypted(Roles):
    """Raw streams both ways; what comes back can be mounted with its key from nothing (openzfs#12594)."""
    FS, COPY = "tank/secret", "backup/secret"

    def key(self, words, *hosts):
        for host in hosts:
            host.run(["tee", "/run/key"], input=words + "\n")

    def reload(self, host, dataset):
        """Unmounts it, forgets the key, and mounts it with the one in the file, as after a boot."""
        host.run(f"zfs unmount {dataset} && zfs unload-key {dataset} && zfs load-key -L file:///run/key {dataset} && "
                 f"zfs mount {dataset}")

    def test_there_and_back_and_with_another_key(self):
        self.key("a good passphrase", self.alpha, self.beta)
        self.alpha.run(f"zfs create -o encryption=on -o keyformat=passphrase -o keylocation=file:///run/key {self.FS}; "
                       f"echo first > /{self.FS}/first")
        self.zrepctl("init", self.FS, "beta", self.COPY)
        self.beta.run(f"zfs set keylocation=file:///run/key {self.COPY}")
        self.zrepctl("failover", self.FS)
        self.beta.run(f"cat /{self.FS}/first && echo second > /{self.FS}/second")
        self.reload(self.beta, self.COPY)
        self.zrepctl("sync", self.COPY, on="beta")
        self.zrepctl("failover", self.COPY, on="beta")
        self.reload(self.alpha, self.FS)
        self.assertEqual(self.alpha.run(f"cat /{self.FS}/second").out, "second\n")
        self.key("another passphrase", self.alpha, self.beta)
        self.alpha.run(f"zfs change-key -o keylocation=file:///run/key {self.FS}; echo third > /{self.FS}/third")
        self.zrepctl("sync", self.FS)
        self.zrepctl("failover", self.FS)
        self.reload(self.beta, self.COPY)
        self.assertEqual(self.beta.run(f"cat /{self.FS}/third").out, "third\n")


class Drill(Roles):
    def test_a_copy_is_tried_and_nothing_is_left(self):
        self.beta.run("printf '#!/bin/sh\\ntest -s \"$1/first\" && ! touch \"$1/x\" 2>/dev/null\\n' > /run/try; "
                      "chmod +x /run/try")
        with self.nothing_left():
            done = self.zrepctl("drill", COPY, "--run", "/run/try", on="beta")
            self.assertIn("@zrep_000000 is usable", done.out)
            done = self.zrepctl("drill", COPY, "--run", "/bin/false", on="beta", code=5)
            self.assertIn("/bin/false ended with exit status 1", done.err)
        self.assertNotIn("drill", self.beta.run("cat /proc/mounts").out)


if __name__ == "__main__":
    unittest.main()
