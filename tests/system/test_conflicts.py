# SPDX-License-Identifier: BSD-2-Clause
"""Every kind of conflict: status names what is wrong, since when, and commands; the commands as printed settle it."""
import json
import unittest

from remedies import Remedies
from roles import COPY, FS, Roles
from support import wait_for


class Conflicts(Remedies, Roles):
    def assert_settled(self):
        self.zrepctl("sync", FS)
        self.assertEqual(self.status(FS)["health"], "ok")
        self.assert_same_data(FS, COPY)

    def test_the_target_has_newer_snapshots(self):
        for name in ("theirs", "theirs too"):
            self.beta.run(["zfs", "snapshot", f"{COPY}@{name}"])
        self.write(FS, "second")
        remedy = self.conflict()
        self.assertEqual(self.snapshots(self.beta, COPY)[-2:], ["theirs", "theirs too"])
        self.run_printed(remedy, (self.beta, "zfs list -t snapshot backup/fs"),
                         (self.beta, "zfs destroy 'backup/fs@theirs%theirs too'"), (self.alpha, "zrepctl sync tank/fs"))
        self.assert_settled()

    def test_the_master_was_rolled_back(self):
        self.write(FS, "second")
        self.zrepctl("sync", FS)
        self.alpha.run(f"zfs release zrep_base {FS}@zrep_000001; zfs destroy {FS}#$(zfs list -Ho name -t bookmark {FS} | "
                       f"tail -1 | cut -d'#' -f2); zfs rollback -r {FS}@zrep_000000")
        remedy = self.conflict()
        self.run_printed(remedy, (self.beta, "zfs release zrep_base backup/fs@zrep_000001"),
                         (self.beta, "zfs destroy backup/fs@zrep_000001"), (self.alpha, "zrepctl sync tank/fs"))
        self.assert_settled()

    def test_the_target_is_gone(self):
        self.beta.run(f"zfs release zrep_base {COPY}@zrep_000000; zfs destroy -r {COPY}")
        self.run_printed(self.conflict(), (self.alpha, "zrepctl clear tank/fs"),
                         (self.alpha, "zrepctl init tank/fs beta backup/fs"))
        self.assert_settled()

    def test_the_target_was_renamed(self):
        self.beta.run(["zfs", "rename", COPY, "backup/elsewhere"])
        self.run_printed(self.conflict(),
                         (self.beta, "zfs rename NAME-IT-HAS-NOW backup/fs", {"NAME-IT-HAS-NOW": "backup/elsewhere"}))
        # For a peer's sake it looks at its whole host once a second at most.
        self.beta.run("zrepctl list")
        self.assert_settled()

    def test_the_master_was_renamed(self):
        """It would be missing everywhere; either way back, as printed, makes it a pair again."""
        self.alpha.run(["zfs", "rename", FS, "tank/moved"])
        self.write("tank/moved", "second")
        wait_for("status tells of it", 20,
                 lambda: "problem" in json.loads(self.alpha.run("zrepctl status --json", check=False).out))
        problem = self.zrepctl_json("status", code=1)["problem"]
        self.assertIn("tank/moved is the master of a pair with beta:backup/fs by the name of tank/fs", problem["message"])
        for words, code in ((["list"], 1), (["check"], 3), (["sync", "tank/moved"], 5), (["sync", FS], 5)):
            with self.subTest(words):
                done = self.zrepctl(*words, code=code)
                self.assertIn("tank/moved is the master of a pair", done.out + done.err)
        self.alpha.run("zfs rename 'tank/moved' 'tank/fs'")
        self.assertIn("zfs rename 'tank/moved' 'tank/fs'", problem["remedy"])
        self.assert_settled()
        self.alpha.run(["zfs", "rename", FS, "tank/moved"])
        self.zrepctl("changeconfig", "-d", COPY, "alpha", "tank/moved", on="beta")
        self.run_printed(problem["remedy"], (self.alpha, "zrepctl changeconfig 'tank/moved' beta 'backup/fs'"))
        self.zrepctl("sync", "tank/moved")
        self.assert_same_data("tank/moved", COPY)

    def test_nothing_in_common(self):
        self.alpha.run(f"zfs release zrep_base {FS}@zrep_000000; zfs destroy {FS}@zrep_000000; "
                       f"zfs list -Ho name -t bookmark {FS} | xargs -rn1 zfs destroy")
        before = self.guids(self.beta, COPY)
        remedy = self.conflict()
        self.run_printed(remedy, (self.beta, "zrepctl clear backup/fs"), (self.beta, "zfs rename backup/fs backup/fs_old"),
                         (self.alpha, "zrepctl clear tank/fs"), (self.alpha, "zrepctl init tank/fs beta backup/fs"))
        self.assert_settled()
        self.assertEqual(self.guids(self.beta, "backup/fs_old"), before)

    def test_the_target_belongs_to_another_pair(self):
        self.beta.run(["zfs", "set", "zrep:src-fs=tank/other", COPY])
        remedy = self.conflict()
        self.run_printed(remedy, (self.alpha, "zrepctl list -v"), (self.alpha, "zrepctl clear tank/fs"))
        self.assertIn("zrepctl init tank/fs beta DESTINATION", remedy)
        self.zrepctl("init", FS, "beta", "backup/another")
        self.zrepctl("sync", FS)
        self.assert_same_data(FS, "backup/another")

    def test_the_epochs_differ_and_the_other_side_is_no_master(self):
        self.beta.run(["zfs", "set", "zrep:epoch=7", COPY])
        self.write(FS, "second")
        self.run_printed(self.conflict(), (self.alpha, "zfs set zrep:epoch=7 tank/fs"))
        self.assert_settled()

    def test_both_sides_are_master(self):
        self.beta.run("zfs set readonly=off zrep:master=yes zrep:src-host=beta zrep:src-fs=backup/fs "
                      "zrep:dest-host=alpha zrep:dest-fs=tank/fs canmount=on mountpoint=/tank/fs backup/fs")
        remedy = self.conflict("split_brain")
        self.run_printed(remedy, (self.alpha, "zrepctl resolve tank/fs --keep HERE"))
        self.assert_master("alpha", seconds=60)
        self.assert_settled()

    def test_somebody_elses_bookmark_is_in_the_way_of_a_return(self):
        """A rollback would destroy it."""
        self.alpha.cut()
        self.zrepctl("takeover", "-L", COPY, on="beta")
        self.alpha.boot()
        self.alpha.run(f"zpool import -f tank 2>/dev/null; zfs snapshot {FS}@mine; zfs bookmark {FS}@mine '{FS}#mine'")
        self.zrepd["alpha"].start(first="install /lab/bin/zrepd /usr/sbin/; install /lab/bin/zrepctl /usr/bin/")
        wait_for("status says what is in the way", 30,
                 lambda: "#mine" in (self.status(FS).get("last_error") or {}).get("message", ""))
        remedy = self.status(FS)["last_error"]["remedy"]
        self.run_printed(remedy, (self.alpha, "zfs destroy 'tank/fs#mine'"))
        self.assert_master("beta", seconds=60)
        self.assertIn("mine", self.snapshots(self.alpha, FS + "_diverged_2"))


if __name__ == "__main__":
    unittest.main()
