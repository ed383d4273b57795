# SPDX-License-Identifier: BSD-2-Clause
"""sync FS@SNAP on real ZFS: the target goes back to an acknowledged snapshot, waits there, and comes forward by an increment."""
import shlex
import unittest

from streams import MEGA, StreamCase
from support import wait_for

FS, COPY = "tank/fs", "backup/fs"


class SyncBack(StreamCase):
    def setUp(self):
        super().setUp()
        self.make_pair()
        for number in (1, 2, 3):
            self.alpha.run(f"echo {number} > /tank/fs/state; head -c {number * MEGA} /dev/urandom > /tank/fs/f{number}")
            self.zrepctl("sync", FS)

    def names(self, host, dataset):
        return [name[-1] for name in self.snapshots(host, dataset)]

    def acknowledged(self, host, dataset):
        """Numbers of the snapshots that have a zrep:sent of their own."""
        out = host.run(["zfs", "get", "-Hp", "-t", "snapshot", "-d", "1", "-s", "local", "-o", "name", "zrep:sent", dataset]).out
        return [name[-1] for name in out.split()]

    def steps(self):
        """What the dry run says, without its "would"."""
        lines = self.zrepctl("sync", FS + "@zrep_000001", "--dry-run").out.splitlines()
        self.assertTrue(all(line.startswith("would ") for line in lines), lines)
        return [line.removeprefix("would ") for line in lines]

    def assert_untouched(self):
        self.assertEqual(self.names(self.beta, COPY), ["0", "1", "2", "3"])
        self.assertEqual(self.acknowledged(self.alpha, FS), ["0", "1", "2", "3"])
        self.assertIn(self.get(self.alpha, "zrep:paused", FS), ("-", ""))

    def test_back_it_stays_there_and_comes_forward_by_an_increment(self):
        steps = self.steps()
        self.assert_untouched()
        done = self.zrepctl("sync", FS + "@zrep_000001", "--yes")
        self.assertIn("backup/fs on beta is at @zrep_000001: 2 newer snapshots destroyed there", done.out)
        for step in steps[2:-1]:
            self.assertIn(step, self.zrepd["beta"].log())
        self.assertEqual(self.names(self.beta, COPY), ["0", "1"])
        self.assertEqual(self.names(self.alpha, FS), ["0", "1", "2", "3"])
        self.assertEqual(self.acknowledged(self.alpha, FS), ["0", "1"])
        self.assertEqual(self.get(self.beta, "written", COPY), "0")
        for host, dataset in ((self.alpha, FS), (self.beta, COPY)):
            self.assertIn("zrep_000001", self.holds(host, dataset))
        self.beta.run(["zfs", "mount", COPY])
        self.assertEqual(self.beta.run("cat $(zfs get -Ho value mountpoint backup/fs)/state").out, "1\n")
        self.beta.run(["zfs", "unmount", COPY])
        # It stays: no schedule, no `all`, no expiry moves it, nor a restart.
        self.zrepctl("set", FS, "interval=1s", "savecount=2")
        self.zrepctl("sync", "all")
        self.zrepctl("expire", FS)
        self.zrepd["alpha"].kill()
        self.zrepd["alpha"].start()
        self.alpha.run("echo 4 > /tank/fs/state; zpool sync; sleep 3")
        self.assertEqual(self.names(self.beta, COPY), ["0", "1"])
        self.assertEqual(self.names(self.alpha, FS), ["1", "2", "3"])
        status = self.status(FS)
        self.assertEqual((status["put_back"], status["paused"], status["health"]), (FS + "@zrep_000001", True, "ok"))
        self.assertIn("its target was put back to tank/fs@zrep_000001, and stays there, paused\n"
                      "  next: zrepctl unpause 'tank/fs', then zrepctl sync 'tank/fs'", self.zrepctl("status").out)
        # Forward: what came after that snapshot, once, and no more.
        self.zrepctl("set", FS, "interval=")
        self.assertIn("zrep:back", self.zrepctl("unpause", FS).out)
        result = self.zrepctl_json("sync", FS)["runs"][0]["results"][0]
        self.assertGreater(result["bytes"], 5 * MEGA)
        self.assertLess(result["bytes"], 6 * MEGA)
        self.assert_in_step(FS, COPY)
        self.assertEqual(self.names(self.beta, COPY)[:2], ["0", "1"])
        self.assertNotIn("put_back", self.status(FS))

    def test_with_nothing_written_since_it_is_one_stream(self):
        self.zrepctl("sync", FS + "@zrep_000002", "--yes")
        self.zrepctl("unpause", FS)
        result = self.zrepctl_json("sync", FS)["runs"][0]["results"][0]
        self.assertLess(result["bytes"], 4 * MEGA)
        self.assertEqual(self.names(self.beta, COPY), ["0", "1", "2", "3"])
        self.assertEqual(self.names(self.alpha, FS), ["0", "1", "2", "3"])
        self.assert_in_step(FS, COPY)

    def test_it_asks(self):
        said = self.zrepctl("sync", FS + "@zrep_000001", code=5)
        self.assertIn("would destroy backup/fs@zrep_000002, @zrep_000003 on beta", said.out)
        self.assertIn("nothing was done; --yes does it", said.err)
        self.assertEqual(self.zrepctl_json("sync", FS + "@zrep_000001", code=5)["run_id"], "")
        self.assert_untouched()
        for answer, there in (("n", ["0", "1", "2", "3"]), ("y", ["0", "1"])):
            ask = shlex.quote(f"zrepctl sync {FS}@zrep_000001")
            self.alpha.run(f"(sleep 2; echo {answer}) | script -qec {ask} /run/seen >/dev/null 2>&1 || true")
            self.assertIn("put the target of tank/fs back to @zrep_000001? [y/N]", self.alpha.run("cat /run/seen").out)
            self.assertEqual(self.names(self.beta, COPY), there)

    def test_what_was_written_there_is_said_and_goes(self):
        self.beta.run("zfs set readonly=off backup/fs; zfs mount backup/fs; "
                      "head -c 1000000 /dev/urandom > $(zfs get -Ho value mountpoint backup/fs)/mine; zpool sync; "
                      "zfs unmount backup/fs; zfs set readonly=on backup/fs")
        self.assertRegex("\n".join(self.steps()), r"roll backup/fs on beta back to @zrep_000001, and lose [\d.]+ \w+ that "
                                                  "were written there after @zrep_000003")
        self.zrepctl("sync", FS + "@zrep_000001", "--yes")
        self.assertEqual(self.get(self.beta, "written", COPY), "0")
        self.zrepctl("unpause", FS)
        self.zrepctl("sync", FS)
        self.assert_in_step(FS, COPY)

    def test_what_is_refused(self):
        back = ["sync", FS + "@zrep_000001", "--yes"]
        for words, code, said in ((["sync", FS + "@none", "--yes"], 1, "choose one that was acknowledged: @zrep_000003"),
                                  (["sync", FS + "@zrep_000001", "tank", "--yes"], 2, "at a time"),
                                  (["sync", "all@zrep_000001"], 2, "one filesystem's"),
                                  (["sync", FS + "@a/b"], 2, "a/b"), (["sync", FS, "--yes"], 2, "--yes goes with")):
            with self.subTest(words):
                self.assertIn(said, self.zrepctl(*words, code=code).err)
        self.assertIn("run zrepctl sync 'tank/fs@zrep_000001' on alpha",
                      self.zrepctl("sync", COPY + "@zrep_000001", "--yes", on="beta", code=5).err)
        for make, undo, said in (
                ("zfs snapshot backup/fs@mine", "zfs destroy backup/fs@mine", "@mine"),
                ("zfs bookmark backup/fs@zrep_000003 backup/fs#mine", "zfs destroy backup/fs#mine", "#mine"),
                ("zfs hold me backup/fs@zrep_000002", "zfs release me backup/fs@zrep_000002", "others hold"),
                ("zfs clone backup/fs@zrep_000002 backup/clone", "zfs destroy backup/clone", "clones of @zrep_000002")):
            with self.subTest(make):
                self.beta.run(make)
                for words in (back, back[:2] + ["--dry-run"]):
                    self.assertIn(said, self.zrepctl(*words, code=5).err)
                self.beta.run(undo)
                self.assert_untouched()
        self.zrepctl(*back)
        self.assertEqual(self.names(self.beta, COPY), ["0", "1"])

    def cut_before_the_rollback(self):
        """What a cut leaves that comes between destroy and rollback on beta."""
        self.beta.run("zfs release zrep_base backup/fs@zrep_000003; zfs destroy backup/fs@zrep_000002,zrep_000003")
        self.alpha.run("zfs set zrep:paused=yes tank/fs; zfs hold zrep_base tank/fs@zrep_000001")
        self.assertNotEqual(self.get(self.beta, "written", COPY), "0")

    def test_cut_before_the_rollback_the_same_command_finishes_it(self):
        self.cut_before_the_rollback()
        self.zrepctl("sync", FS + "@zrep_000001", "--yes")
        self.assertEqual(self.get(self.beta, "written", COPY), "0")
        self.assertEqual(self.acknowledged(self.alpha, FS), ["0", "1"])
        self.assertEqual(self.status(FS)["put_back"], FS + "@zrep_000001")

    def test_cut_before_the_rollback_a_sync_brings_it_forward(self):
        self.cut_before_the_rollback()
        self.zrepctl("unpause", FS)
        self.zrepctl("sync", FS)
        self.assert_in_step(FS, COPY)

    def test_killed_at_any_moment_it_settles(self):
        for name, after in (("beta", 0.02), ("beta", 0.1), ("alpha", 0.05), ("alpha", 0.15)):
            with self.subTest(f"{name} after {after} s"):
                host = self.lab.host(name)
                base = self.snapshots(self.alpha, FS)[-1]
                self.alpha.run(f"date +%N > /tank/fs/state; head -c {MEGA} /dev/urandom > /tank/fs/more; zpool sync")
                self.zrepctl("sync", FS)
                self.alpha.run(f"zrepctl sync --no-wait --yes {FS}@{base} || true")
                host.run(f"sleep {after}; kill -9 $(cat /run/zrepd.pid)", check=False)
                self.zrepd[name].start()
                wait_for("it is there again", 60, lambda: self.alpha.run(
                    ["zrepctl", "sync", f"{FS}@{base}", "--yes"], check=False).code == 0, step=1)
                self.assertEqual(self.snapshots(self.beta, COPY)[-1], base)
                self.assertEqual(self.get(self.beta, "written", COPY), "0")
                self.zrepctl("unpause", FS)
                self.zrepctl("sync", FS)
                self.assert_in_step(FS, COPY)


if __name__ == "__main__":
    unittest.main()
