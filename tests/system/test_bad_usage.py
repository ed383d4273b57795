# SPDX-License-Identifier: BSD-2-Clause
"""zrepctl's own words, options and values: exit 2 and what would have been right."""
import json
import unittest

from support import Case


class Usage(Case):
    def test_wrong_words_are_exit_2_with_a_hint(self):
        self.alpha.run("zfs create tank/fs")
        at = {"init": "see zrepctl init --help", "set": "see zrepctl set --help", "sync": "see zrepctl sync --help"}
        cases = (
            (("init", "tank/fs", "beta", "backup/x", "--frobnicate"), "unrecognised option '--frobnicate'", at["init"]),
            (("sync", "--dry", "tank/fs"), "unrecognised option '--dry'", at["sync"]),
            (("sync", "-x", "tank/fs"), "unrecognised option '-x'", at["sync"]),
            (("init", "tank/fs", "beta"),
             "too few arguments; it takes [-r] [--adopt] [--savecount N] [--dry-run] FILESYSTEM HOST DESTINATION", at["init"]),
            (("init", "tank/fs", "beta", "backup/x", "more"), "too many arguments", at["init"]),
            (("sync",), "too few arguments", at["sync"]),
            (("sync", "all", "tank/fs"), "either filesystems or all", at["sync"]),
            (("set", "tank/fs"), "too few arguments; it takes [--dry-run] DATASET KEY=VALUE", at["set"]),
            (("set", "tank/fs", "interval"), "'interval' is not KEY=VALUE", at["set"]),
            (("set", "tank/fs", "interval=1m", "interval=2m"), "given twice", at["set"]),
            (("version", "--socket"), "required argument for option '--socket' is missing", "zrepctl version --help"),
            (("init", "tank/fs", "beta", "backup/x", "--savecount=1"), "'1': it must be a number of at least 2", ""),
            (("init", "tank/fs", "beta", "backup/x", "--savecount=-1"), "'-1': it must be a number of at least 2", ""),
            (("pause", "tank/fs", "--until", "tomorrow"), "'tomorrow' is neither a time nor a duration", ""),
            (("set", "tank/fs", "interval=banana"), "zrep:interval: 'banana' is not a duration", "30s, 10m, 1h or 1d"),
            (("set", "tank/fs", "interval=0s"), "zrep:interval='0s': it must be at least 1s", ""),
            (("set", "tank/fs", "savecount=-1"), "zrep:savecount='-1': it must be a number from 2 to 1000000", ""),
            (("set", "tank/fs", "maxsnaps=0"), "zrep:maxsnaps='0': it must be a number from 1 to 1000000", ""),
            (("set", "tank/fs", "limit=fast"), "zrep:limit: 'fast' is not a size", "10M"),
            (("set", "tank/fs", "minfree=-5G"), "zrep:minfree: '-5G' is not a size", ""),
            (("set", "tank/fs", "paused=maybe"), "zrep:paused='maybe': it must be yes, no, or a time like", ""),
            (("set", "tank/fs", "colour=red"), "'colour' is not a setting", "settings are zrep:savecount"),
            (("set", "tank/fs", "zrep:master=yes"), "'zrep:master' is not a setting", ""),
            (("set", "tank/fs", "compression=on"), "'compression' is not a setting", ""),
            # One bad value among good ones: none is stored.
            (("set", "tank/fs", "interval=1m", "savecount=-1"), "savecount", ""),
            (("snyc", "tank/fs"), "no command 'snyc'; did you mean sync?", ""),
            (("frobnicate",), "no command 'frobnicate'; see zrepctl help", ""),
            ((), "Usage: zrepctl COMMAND", ""))
        with self.nothing_left():
            for words, why, hint in cases:
                with self.subTest(words=words):
                    done = self.zrepctl(*words, code=2)
                    self.assertIn(why, done.err)
                    self.assertIn(hint, done.err)
                    self.assertEqual(done.out, "")

    def test_all_of_nothing_is_said(self):
        why = "no pairs here; zrepctl init makes one"
        self.assertEqual(self.zrepctl("sync", "all").out, f"nothing to do: {why}\n")
        self.assertEqual(json.loads(self.zrepctl("sync", "all", "--json").out), {"runs": [], "note": why})

    def test_mistakes_in_json(self):
        for words in (("sync", "--json"), ("snyc", "--json"), ("set", "tank", "interval=banana", "--json")):
            done = self.zrepctl(*words, code=2)
            self.assertEqual(done.err, "")
            self.assertEqual(json.loads(done.out)["error"]["kind"], "invalid_params")

    def test_daemon_that_does_not_run(self):
        self.zrepd["alpha"].stop()
        for words in (("sync", "tank"), ("status",), ("set", "tank", "interval=1m")):
            done = self.zrepctl(*words, code=3)
            self.assertIn("zrepd is not running", done.err)
            self.assertIn("next: start it: systemctl start zrepd", done.err)


if __name__ == "__main__":
    unittest.main()
