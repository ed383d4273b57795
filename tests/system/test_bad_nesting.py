# SPDX-License-Identifier: BSD-2-Clause
"""A pair inside a pair is refused on whichever side and in whichever order it is tried."""
import unittest

from support import Case


class Nesting(Case):
    def setUp(self):
        super().setUp()
        self.alpha.run("zfs create -p tank/top/fs/child; zfs create tank/other")

    def nested(self, *words, on="alpha", says=()):
        done = self.zrepctl(*words, on=on, code=5)
        self.assertIn("next: ", done.err)
        for text in says:
            self.assertIn(text, done.err)

    def test_filesystems_inside_and_around_a_source(self):
        self.zrepctl("init", "tank/top/fs", "beta", "backup/fs")
        with self.nothing_left():
            self.nested("init", "tank/top/fs/child", "beta", "backup/child",
                        says=("tank/top/fs/child lies inside tank/top/fs",))
            self.nested("init", "tank/top", "beta", "backup/top", says=("tank/top lies around tank/top/fs",))
            self.nested("init", "tank", "beta", "backup/tank", says=("tank lies around tank/top/fs",))

    def test_targets_inside_a_target_or_a_source(self):
        self.beta.run("zfs create backup/source")
        self.zrepctl("init", "tank/top/fs", "beta", "backup/fs")
        self.alpha.run("zrepctl set tank accept=beta")
        self.zrepctl("init", "backup/source", "alpha", "tank/copy", on="beta")
        with self.nothing_left():
            self.nested("init", "tank/other", "beta", "backup/fs/deep",
                        says=("backup/fs/deep and the pair backup/fs lie inside each other",))
            self.nested("init", "tank/other", "beta", "backup/source/deep",
                        says=("backup/source/deep and the pair backup/source lie inside each other",))
            self.nested("init", "tank/other", "localhost", "tank/top/fs/deep",
                        says=("lie inside each other",))

    def test_datasets_that_have_a_role_already(self):
        """Chains: the destination of one pair as the source of the next, and a source as destination."""
        self.beta.run("zfs create backup/source")
        self.zrepctl("init", "tank/top/fs", "beta", "backup/fs")
        self.alpha.run("zrepctl set tank accept=beta")
        with self.nothing_left():
            self.nested("init", "tank/top/fs", "beta", "backup/second",
                        says=("already the master side of a pair with beta:backup/fs", "zrepctl clear"))
            self.nested("init", "backup/fs", "alpha", "tank/back", on="beta",
                        says=("already the target side of a pair with alpha:tank/top/fs",))
            self.nested("init", "backup/fs", "localhost", "backup/third", on="beta",
                        says=("already the target side of a pair",))
            self.nested("init", "backup/source", "alpha", "tank/top/fs", on="beta",
                        says=("tank/top/fs exists already on alpha",))

    def test_sources_below_and_above_a_target(self):
        self.zrepctl("init", "tank/top/fs", "beta", "backup/fs")
        self.alpha.run("zrepctl set tank accept=beta")
        self.beta.run("zfs create -u backup/fs/own")
        with self.nothing_left():
            self.nested("init", "backup/fs/own", "alpha", "tank/own", on="beta", says=("lies inside backup/fs",))
            self.nested("init", "backup", "alpha", "tank/all", on="beta", says=("lies around backup/fs",))

    def test_two_inits_at_once_do_not_slip_past_each_other(self):
        """Neither is a pair yet when the other is checked."""
        out = self.alpha.run("zrepctl init tank/top/fs beta backup/fs >/run/one 2>&1 & one=$!; "
                             "zrepctl init tank/top/fs/child beta backup/child >/run/two 2>&1 & two=$!; "
                             "wait $one; echo $?; wait $two; echo $?; cat /run/one /run/two", timeout=120).out
        self.assertEqual(sorted(out.split()[:2]), ["0", "5"], out)
        self.assertIn("which is part of a pair", out)
        self.assertEqual(len(self.zrepctl_json("list")["pairs"]), 1)
        targets = self.beta.run("zfs list -H -o name -r backup").out.split()
        self.assertEqual(len(targets), 2, targets)


if __name__ == "__main__":
    unittest.main()
