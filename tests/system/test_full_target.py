# SPDX-License-Identifier: BSD-2-Clause
"""A target pool without room: named, with what to do; the source is not changed for it, and the same command
works once there is room. A source without."""
import unittest

from support import Case

# Streams fail before a byte of them is there.
NO_RECEIVE = """cp /usr/local/sbin/zfs /run/zfs.kept; cat > /usr/local/sbin/zfs.new <<'END'
#!/bin/sh
[ "$1" != receive ] || { echo 'cannot receive: invalid stream (checksum mismatch)' >&2; exit 1; }
exec /usr/sbin/zfs "$@"
END
chmod +x /usr/local/sbin/zfs.new; mv /usr/local/sbin/zfs.new /usr/local/sbin/zfs"""


class FullTarget(Case):
    """A target pool of 128 MiB, of which ZFS gives out half."""

    def setUp(self):
        super().setUp()
        self.beta.run("zpool destroy -f backup; rm -f /run/small; truncate -s 128M /run/small; "
                      "zpool create -O compression=off backup /run/small; zfs create backup/filler; "
                      "zrepctl set backup accept=alpha")
        self.addCleanup(self.beta.run, "zpool destroy -f backup; rm -f /run/small /run/more", check=False)
        self.alpha.run("zfs create tank/fs")
        self.write("tank/fs", "first", 2)

    def fill(self):
        """Until nothing fits; in small steps, so that the last record finds no room either, and again
        until ZFS says so: what it has set aside for itself becomes free a little later."""
        self.beta.run("for round in $(seq 20); do for size in 1M 64k 4k; do "
                      "dd if=/dev/urandom of=/backup/filler/$round.$size bs=$size status=none 2>/dev/null; "
                      "sync; zpool sync backup; done; "
                      '[ "$(zfs get -Hpo value available backup)" = 0 ] && exit 0; done; '
                      "zfs list -o space backup >&2; exit 1", timeout=240)

    def free(self):
        self.beta.run("rm /backup/filler/*; zpool sync backup")

    def test_full_pool_is_named_and_takes_no_snapshot(self):
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")
        self.fill()
        self.write("tank/fs", "second", 4)
        with self.nothing_left():
            for _ in range(2):
                said = self.zrepctl("sync", "tank/fs", code=1).err
                self.assertIn("backup/fs on beta has no space left: pool backup", said)
                self.assertIn("next: on beta free space in backup", said)
        pair = self.status("tank/fs")
        self.assertEqual((pair["health"], pair["last_error"]["kind"]), ("failing", "no_space"))
        self.free()
        self.zrepctl("sync", "tank/fs")
        self.assert_in_step("tank/fs", "backup/fs")
        self.assert_same_data("tank/fs", "backup/fs")

    def test_pool_that_runs_full_during_a_stream(self):
        """There was some room at first, not enough: said so; at most the one snapshot waits, and goes."""
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")
        self.write("tank/fs", "second", 90)
        for _ in range(2):
            said = self.zrepctl("sync", "tank/fs", code=1).err
            self.assertIn("backup/fs on beta ran out of space: pool backup or a quota there is full", said)
            self.assertIn("next: on beta free space in 'backup'", said)
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000000", "zrep_000001"])
        self.assertEqual(self.snapshots(self.beta, "backup/fs"), ["zrep_000000"])
        self.assertFalse([line for line in self.everything("beta") if "zfs receive" in line])
        self.beta.run("truncate -s 512M /run/more; zpool add -f backup /run/more")
        self.zrepctl("sync", "tank/fs")
        self.assert_in_step("tank/fs", "backup/fs")
        self.assert_same_data("tank/fs", "backup/fs")

    def test_first_stream_that_cannot_fit(self):
        self.write("tank/fs", "big", 200)
        self.alpha.run("zpool sync tank")
        with self.nothing_left():
            said = self.zrepctl("init", "tank/fs", "beta", "backup/fs", code=1).err
        self.assertRegex(said, r"beta: the first stream is about 20\d\.\d MiB, and backup has [\d.]+ MiB free")
        self.assertIn("next: on beta free space in 'backup'", said)

    def test_minfree_is_about_the_pool_and_not_about_a_quota(self):
        """A filesystem that may use less than that goes on: its pool has more."""
        self.alpha.run("zfs set quota=64M tank/fs")
        self.zrepctl("set", "tank/fs", "minfree=256M")
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")
        self.write("tank/fs", "more", 2)
        self.assertIn("take snapshot tank/fs@zrep_000001", self.zrepctl("sync", "tank/fs", "--dry-run").out)
        self.zrepctl("sync", "tank/fs")
        self.assert_in_step("tank/fs", "backup/fs")
        self.assert_same_data("tank/fs", "backup/fs")

    def test_the_budget_of_room_and_of_snapshots(self):
        """zrep:minfree keeps a snapshot from being taken, zrep:maxsnaps a third one; then one increment carries all."""
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")
        self.write("tank/fs", "more", 2)
        self.zrepctl("set", "tank/fs", "minfree=900T")
        with self.nothing_left():
            for words in ((), ("--dry-run",)):
                said = self.zrepctl("sync", "tank/fs", *words, code=1).err
                self.assertRegex(said, r"pool tank has [\d.]+ GiB free, below zrep:minfree of 900.0 TiB; no snapshot was taken")
                self.assertIn("next: free space in tank, or zrepctl set 'tank/fs' minfree=SIZE", said)
        self.assertEqual(self.status("tank/fs")["last_error"]["kind"], "no_space")
        self.zrepctl("set", "tank/fs", "minfree=1M", "maxsnaps=2")
        self.beta.run(NO_RECEIVE)
        self.addCleanup(self.beta.run, "[ ! -e /run/zfs.kept ] || mv /run/zfs.kept /usr/local/sbin/zfs")
        for number in range(3):
            self.write("tank/fs", f"try {number}", 2)
            self.zrepctl("sync", "tank/fs", code=1)
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000000", "zrep_000001", "zrep_000002"])
        self.assertEqual(self.status("tank/fs")["pending_snapshots"], 2)
        self.beta.run("mv /run/zfs.kept /usr/local/sbin/zfs")
        self.zrepctl("sync", "tank/fs")
        self.assertEqual(self.snapshots(self.beta, "backup/fs"), ["zrep_000000", "zrep_000002", "zrep_000003"])
        self.assertEqual(self.status("tank/fs")["pending_snapshots"], 0)
        self.assert_same_data("tank/fs", "backup/fs")


class FullSource(Case):
    """A master at its own quota takes a snapshot, which is what ZFS allows; one in a full pool takes none."""

    def fill(self, pool, place):
        self.alpha.run(f"for round in $(seq 20); do for size in 1M 64k 4k; do "
                       f"dd if=/dev/urandom of={place}/$round.$size bs=$size status=none 2>/dev/null; "
                       f"sync; zpool sync {pool}; done; "
                       f'[ "$(zfs get -Hpo value available {pool}/fs)" = 0 ] && exit 0; done; '
                       f"zfs list -o space {pool}/fs >&2; exit 1", timeout=240)

    def test_master_at_its_quota_and_in_a_full_pool(self):
        self.alpha.run("rm -f /run/small; truncate -s 128M /run/small; "
                       "zpool create -O compression=off -O mountpoint=/small small /run/small; zfs create small/fs")
        self.addCleanup(self.alpha.run, "zpool destroy -f small; rm -f /run/small", check=False)
        self.write("small/fs", "first", 2)
        self.zrepctl("init", "small/fs", "beta", "backup/small")
        self.alpha.run("zfs set quota=16M small/fs")
        self.fill("small", "/small/fs")
        self.assertIn("take snapshot small/fs@zrep_000001", self.zrepctl("sync", "small/fs", "--dry-run").out)
        self.zrepctl("sync", "small/fs")
        self.assert_in_step("small/fs", "backup/small")
        self.assert_same_data("small/fs", "backup/small")
        self.alpha.run("zfs set quota=none small/fs")
        self.fill("small", "/small/fs")
        before = self.snapshots(self.alpha, "small/fs")
        for _ in range(2):
            said = self.zrepctl("sync", "small/fs", code=1).err
            self.assertIn("cannot take snapshot small/fs@zrep_000002: there is no room in the pool", said)
            self.assertIn("next: make room: zfs list -o space", said)
        self.assertEqual(self.snapshots(self.alpha, "small/fs"), before)


if __name__ == "__main__":
    unittest.main()
