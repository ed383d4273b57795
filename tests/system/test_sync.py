# SPDX-License-Identifier: BSD-2-Clause
"""init and sync on real ZFS and real ssh: what they leave on both sides."""
import unittest

from support import LONGEST, Case, wait_for


class Sync(Case):
    def make_pair(self, source="tank/fs", target="backup/fs", megabytes=2):
        self.alpha.run(["zfs", "create", source])
        self.write(source, "first", megabytes)
        self.zrepctl("init", source, "beta", target)

    def test_init_and_sync_leave_both_sides_equal(self):
        self.make_pair()
        self.assert_in_step("tank/fs", "backup/fs")
        self.assert_same_data("tank/fs", "backup/fs")
        self.write("tank/fs", "second")
        self.zrepctl("sync", "tank/fs")
        self.assert_in_step("tank/fs", "backup/fs")
        self.assert_same_data("tank/fs", "backup/fs")
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000000", "zrep_000001"])
        self.assertEqual(self.get(self.beta, "mounted", "backup/fs"), "no")
        self.assertEqual(self.get(self.alpha, "zrep:src-host", "tank/fs"), "alpha")
        self.assertEqual(self.get(self.alpha, "zrep:src-fs", "tank/fs"), "tank/fs")
        self.assertEqual(self.get(self.alpha, "zrep:dest-host", "tank/fs"), "beta")
        self.assertEqual(self.get(self.alpha, "zrep:dest-fs", "tank/fs"), "backup/fs")
        self.assertEqual(self.get(self.alpha, "zrep:savecount", "tank/fs"), "5")
        self.assertEqual(self.get(self.beta, "zrep:savecount", "backup/fs"), "5")
        self.assertEqual(self.source(self.alpha, "zrep:master", "tank/fs"), "local")

    def test_unchanged_filesystem_takes_no_snapshot(self):
        self.make_pair()
        done = self.zrepctl("sync", "tank/fs")
        self.assertIn("unchanged", done.out)
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000000"])

    def test_volumes(self):
        self.alpha.run("zfs create -s -V 32M tank/vol; udevadm settle 2>/dev/null; "
                       "for i in $(seq 50); do [ -e /dev/zvol/tank/vol ] || [ -e /dev/zd0 ] && break; "
                       "sleep 0.1; done; dd if=/dev/urandom of=/dev/zd0 bs=1M count=4 status=none")
        self.zrepctl("init", "tank/vol", "beta", "backup/vol")
        self.assertEqual(self.get(self.beta, "volmode", "backup/vol"), "none")
        self.assertEqual(self.beta.run("ls /dev | grep -c '^zd'", check=False).out, "0\n")
        self.alpha.run("dd if=/dev/urandom of=/dev/zd0 bs=1M seek=8 count=2 status=none; sync; "
                       "zpool sync tank")
        self.zrepctl("sync", "tank/vol")
        self.assert_in_step("tank/vol", "backup/vol")
        self.assertEqual(self.snapshots(self.alpha, "tank/vol"), ["zrep_000000", "zrep_000001"])
        self.assert_same_data("tank/vol", "backup/vol")

    def test_encrypted_filesystems_go_raw_without_their_key(self):
        self.alpha.run("echo secret-of-sixteen > /run/key; "
                       "zfs create -o encryption=on -o keyformat=passphrase -o keylocation=file:///run/key "
                       "tank/secret")
        self.write("tank/secret", "first", 2)
        self.zrepctl("init", "tank/secret", "beta", "backup/secret")
        self.write("tank/secret", "second")
        self.zrepctl("sync", "tank/secret")
        self.assert_in_step("tank/secret", "backup/secret")
        self.assertEqual(self.get(self.beta, "keystatus", "backup/secret"), "unavailable")
        self.beta.run("echo secret-of-sixteen > /run/key; zfs load-key -L file:///run/key backup/secret")
        self.assert_same_data("tank/secret", "backup/secret")

    def test_destination_on_this_host(self):
        self.alpha.run("zpool create -f other /dev/ubdb; zfs create tank/fs")
        self.write("tank/fs", "first", 2)
        self.zrepctl("init", "tank/fs", "localhost", "other/fs")
        self.write("tank/fs", "second")
        self.zrepctl("sync", "tank/fs")
        self.assert_in_step("tank/fs", "other/fs", to=self.alpha)
        self.assert_same_data("tank/fs", "other/fs", to=self.alpha)
        self.assertEqual(self.get(self.alpha, "zrep:dest-host", "tank/fs"), "localhost")

    def test_names_with_everything_zfs_allows(self):
        longest = "tank/" + "n" * 200 + "/" + "m" * (LONGEST - 206)
        self.alpha.run(["zfs", "create", "-o", "mountpoint=none", longest.rsplit("/", 1)[0]])
        self.beta.run(["zfs", "create", "backup/odd names"])
        names = {"tank/with two  spaces": "/m1", "tank/a:b.c-d_e": "/m2", longest: "/m3"}
        for number, (name, place) in enumerate(names.items()):
            with self.subTest(name):
                target = f"backup/odd names/t {number}:x.y-z_"
                self.alpha.run(["zfs", "create", "-o", "mountpoint=" + place, name])
                self.write(name, "a file")
                self.zrepctl("init", name, "beta", target)
                self.write(name, "b file")
                self.zrepctl("sync", name)
                self.assert_in_step(name, target)
                self.assert_same_data(name, target)
                self.assertEqual(self.status(name)["dataset"], name)

    def test_long_target_names(self):
        self.alpha.run(["zfs", "create", "tank/fs"])
        target = "backup/" + "t" * (LONGEST - len("backup/"))
        self.zrepctl("init", "tank/fs", "beta", target)
        self.assert_in_step("tank/fs", target)

    def test_names_without_room_for_snapshots_are_refused(self):
        source = "tank/" + "n" * 200 + "/" + "m" * (255 - 206)
        self.alpha.run(["zfs", "create", "-o", "mountpoint=none", source.rsplit("/", 1)[0]])
        self.alpha.run(["zfs", "create", "-o", "mountpoint=none", source])
        for words in ((source, "beta", "backup/fs"), ("tank", "beta", "backup/" + "t" * 248)):
            done = self.zrepctl("init", *words, code=2)
            self.assertIn(f"at most {LONGEST} bytes", done.err)
        self.assertEqual(self.snapshots(self.alpha, source), [])

    def test_expiry_keeps_savecount_on_each_side(self):
        self.make_pair()
        self.zrepctl("set", "tank/fs", "zrep:savecount=3")
        self.zrepctl("set", "backup/fs", "zrep:savecount=2", on="beta")
        for number in range(4):
            self.write("tank/fs", f"file{number}")
            self.zrepctl("sync", "tank/fs")
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"),
                         ["zrep_000002", "zrep_000003", "zrep_000004"])
        self.assertEqual(self.snapshots(self.beta, "backup/fs"), ["zrep_000003", "zrep_000004"])
        self.assert_in_step("tank/fs", "backup/fs")

    def test_expiry_spares_what_is_held_cloned_or_not_ours(self):
        self.make_pair()
        self.zrepctl("set", "tank/fs", "zrep:savecount=2")
        self.alpha.run("zfs snapshot tank/fs@mine; zfs hold keep tank/fs@zrep_000000")
        for number in range(2):
            self.write("tank/fs", f"file{number}")
            self.zrepctl("sync", "tank/fs")
        self.alpha.run("zfs clone tank/fs@zrep_000001 tank/clone")
        for number in range(3):
            self.write("tank/fs", f"more{number}")
            self.zrepctl("sync", "tank/fs")
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"),
                         ["zrep_000000", "mine", "zrep_000001", "zrep_000004", "zrep_000005"])

    def test_base_is_chosen_by_guid_not_by_name(self):
        self.make_pair()
        self.beta.run("zfs rename backup/fs@zrep_000000 backup/fs@renamed")
        self.write("tank/fs", "second")
        self.zrepctl("sync", "tank/fs")
        self.assert_same_data("tank/fs", "backup/fs")
        self.assertEqual(self.snapshots(self.beta, "backup/fs"), ["renamed", "zrep_000001"])

    def test_bookmark_replaces_a_destroyed_base(self):
        self.make_pair()
        self.alpha.run("zfs release zrep_base tank/fs@zrep_000000; zfs destroy tank/fs@zrep_000000")
        self.write("tank/fs", "second")
        self.zrepctl("sync", "tank/fs")
        self.assert_same_data("tank/fs", "backup/fs")
        self.assert_in_step("tank/fs", "backup/fs")

    def test_destroyed_base_of_an_idle_master_is_replaced(self):
        """Another snapshot holds what was written last: nothing to send, but nothing to change roles at either."""
        self.make_pair()
        self.write("tank/fs", "second")
        self.alpha.run("zpool sync tank; zfs snapshot tank/fs@daily")
        self.zrepctl("sync", "tank/fs")
        self.alpha.run("zfs release zrep_base tank/fs@zrep_000001; zfs destroy tank/fs@zrep_000001")
        self.assertEqual(self.get(self.alpha, "written", "tank/fs"), "0")
        self.assertIn("from #zrep_", self.zrepctl("sync", "--dry-run", "tank/fs").out)
        self.zrepctl("sync", "tank/fs")
        self.assert_in_step("tank/fs", "backup/fs")
        self.assertEqual(self.snapshots(self.alpha, "tank/fs")[-1], "zrep_000002")
        self.assertIn("unchanged", self.zrepctl("sync", "tank/fs").out)

    def test_administrator_cannot_destroy_the_base_by_mistake(self):
        self.make_pair()
        for host, name in ((self.alpha, "tank/fs@zrep_000000"), (self.beta, "backup/fs@zrep_000000")):
            done = host.run(["zfs", "destroy", name], check=False)
            self.assertNotEqual(done.code, 0)
            self.assertEqual(host.run(["zfs", "list", name], check=False).code, 0)

    def test_old_bookmarks_do_not_pile_up(self):
        self.make_pair(megabytes=1)
        for number in range(12):
            self.alpha.run(f"echo {number} > /tank/fs/file")
            self.zrepctl("sync", "tank/fs")
        self.assertLessEqual(len(self.bookmarks(self.alpha, "tank/fs")), 9)
        self.assert_in_step("tank/fs", "backup/fs")

    def test_target_that_was_touched_is_rolled_back_to_the_base(self):
        self.make_pair()
        self.beta.run("zfs set readonly=off canmount=on backup/fs; zfs mount backup/fs; "
                      "echo oops > /backup/fs/oops; zfs unmount backup/fs; zfs set readonly=on backup/fs; "
                      "zpool sync backup")
        self.write("tank/fs", "second")
        self.zrepctl("sync", "tank/fs")
        self.assert_same_data("tank/fs", "backup/fs")

    def test_newer_snapshot_of_the_target_is_a_conflict_and_nothing_is_destroyed(self):
        self.make_pair()
        self.beta.run("zfs snapshot backup/fs@precious")
        self.write("tank/fs", "second")
        done = self.zrepctl("sync", "tank/fs", code=5)
        self.assertIn("precious", done.err)
        self.assertIn("next:", done.err)
        self.assertEqual(self.status("tank/fs")["health"], "conflict")
        self.assertIn("precious", self.snapshots(self.beta, "backup/fs"))
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000000"])
        self.beta.run("zfs destroy backup/fs@precious")
        self.zrepctl("sync", "tank/fs")
        self.assert_same_data("tank/fs", "backup/fs")

    def test_peer_that_is_down_costs_no_snapshot(self):
        self.make_pair()
        self.zrepd["beta"].stop()
        self.write("tank/fs", "second")
        done = self.zrepctl("sync", "tank/fs", code=1)
        self.assertIn("beta", done.err)
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000000"])
        self.zrepd["beta"].start()
        wait_for("the sync works again", 30,
                 lambda: self.alpha.run("zrepctl sync tank/fs", check=False).code == 0, step=1)
        self.assert_same_data("tank/fs", "backup/fs")

    def test_children_are_not_replicated_and_not_touched(self):
        self.make_pair()
        self.alpha.run("zfs create tank/fs/child; zfs snapshot tank/fs/child@keep")
        self.beta.run("zfs create -o canmount=noauto -u backup/fs/child; zfs snapshot backup/fs/child@keep")
        self.write("tank/fs", "second")
        self.zrepctl("sync", "tank/fs")
        self.assert_same_data("tank/fs", "backup/fs")
        self.assertEqual(self.snapshots(self.alpha, "tank/fs/child"), ["keep"])
        self.assertEqual(self.snapshots(self.beta, "backup/fs/child"), ["keep"])

    def test_interval_syncs_by_itself(self):
        self.make_pair()
        self.zrepctl("set", "tank/fs", "zrep:interval=1s")
        self.write("tank/fs", "second")
        wait_for("the scheduler's sync", 20,
                 lambda: "zrep_000001" in self.snapshots(self.beta, "backup/fs"), step=0.5)
        self.zrepctl("pause", "tank/fs")
        pair = self.status("tank/fs")
        self.assertTrue(pair["paused"])
        wait_for("nothing runs", 20, lambda: self.status("tank/fs").get("running") is None)
        before = self.snapshots(self.alpha, "tank/fs")
        self.write("tank/fs", "third")
        self.alpha.run("sleep 4")
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), before)
        self.zrepctl("unpause", "tank/fs")
        wait_for("the sync after the pause", 20,
                 lambda: len(self.snapshots(self.alpha, "tank/fs")) > len(before), step=0.5)


if __name__ == "__main__":
    unittest.main()
