# SPDX-License-Identifier: BSD-2-Clause
"""zrepctl's verbs against real daemons: what they print, change, refuse, and exit with."""
import json
import re
import shlex
import unittest

from streams import MEGA, StreamCase
from support import ROOT

VERBS = {"init": "-i", "sync": "-S", "refresh": "", "status": "", "list": "-l", "check": "", "doctor": "", "events": "", "failover": "", "takeover": "", "resolve": "",
         "unfence": "", "rescue": "", "drill": "", "pause": "-p", "unpause": "-u", "expire": "-e", "set": "", "changeconfig": "-C", "clear": "",
         "authorize": "", "version": ""}


def misfits(value, schema, place="$"):
    """Where a document departs from the part of JSON Schema that ours uses."""
    types = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if not isinstance(value, types[schema["type"]]) or (schema["type"] == "integer" and isinstance(value, bool)):
        return [f"{place}: no {schema['type']}: {value!r}"]
    found = [f"{place}: {value!r}"] if value not in schema.get("enum", [value]) else []
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{place}.{key} is missing" for key in schema.get("required", []) if key not in value]
        found += [f"{place}.{key} is not in the schema" for key in value if known and key not in known]
        for key in value.keys() & known.keys():
            found += misfits(value[key], known[key], f"{place}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            found += misfits(item, schema["items"], f"{place}[{number}]")
    return found


class Verbs(StreamCase):
    def test_help_of_every_verb(self):
        done = self.zrepctl(code=2)
        self.assertIn("Usage: zrepctl COMMAND", done.err)
        overview = self.zrepctl("help").out
        self.assertEqual(re.findall(r"^  ([a-z]+) ", overview, re.M), list(VERBS))
        self.assertEqual(overview, self.zrepctl("--help").out)
        script = ("for v in %s; do zrepctl $v --help || exit 9; zrepctl help $v >/dev/null || exit 9; done"
                  % " ".join(VERBS))
        helps = self.alpha.run(script).out
        for verb, letter in VERBS.items():
            self.assertIn(f"Usage: zrepctl {verb}", helps)
            self.assertRegex(overview, rf"(?m)^  {verb} +{letter}")
        self.assertEqual(helps.count("Exit status: 0 done"), len(VERBS) - 1)
        self.assertIn("0 ok, 1 warning, 2 critical, 3 unknown", helps)

    def test_bad_command_lines(self):
        for words, said in ((["snyc"], "did you mean sync"), (["frobnicate"], "zrepctl help"), (["sync"], "too few"),
                            (["sync", "--fast", "tank"], "--fast"), (["clear", "a", "b"], "too many"),
                            (["sync", "all", "tank/fs"], "not both"), (["set", "tank", "limit"], "KEY=VALUE"),
                            (["set", "tank", "limit=1M", "limit=2M"], "twice"),
                            (["pause", "tank", "--until", "yesterday"], "neither a time nor a duration"),
                            (["init", "tank/fs", "beta", "backup/fs", "--savecount=1"], "at least 2")):
            with self.subTest(words):
                self.assertIn(said, self.zrepctl(*words, code=2).err)

    def test_without_a_daemon_it_says_how_to_start_it(self):
        self.zrepd["alpha"].stop()
        for verb in (["status"], ["list"], ["sync", "all"], ["set", "tank", "limit=1M"]):
            done = self.zrepctl(*verb, code=3)
            self.assertIn("zrepd is not running", done.err)
            self.assertIn("systemctl start zrepd", done.err)
        self.assertEqual(self.zrepctl_json("status", code=3)["error"]["kind"], "daemon_unreachable")
        done = self.zrepctl("version", code=3)
        self.assertRegex(done.out, r"^zrepctl \d")
        self.assertRegex(self.zrepctl("--version").out, r"^zrepctl \d")

    def test_version(self):
        self.assertRegex(self.zrepctl("version").out,
                         r"^zrepctl \S+, protocol 1\.0\nzrepd \S+ on alpha, protocol 1\.0, "
                         rf"OpenZFS {re.escape(self.lab.zfs)}\.\d+\n$")
        self.assertEqual(self.zrepctl_json("version")["daemon"]["host"], "alpha")

    def test_list_and_status(self):
        self.assertIn("zrepctl init FILESYSTEM HOST DESTINATION", self.zrepctl("status").out)
        self.make_pair()
        self.assertEqual(self.zrepctl("list").out.split(), ["tank/fs", "->", "beta:backup/fs", "master"])
        self.assertEqual(self.zrepctl("list", on="beta").out.split(), ["backup/fs", "<-", "alpha:tank/fs", "target"])
        self.assertIn("nothing is received on alpha", self.zrepctl("list", "-L").out)
        self.assertIn("zrep:savecount = 5", self.zrepctl("list", "-v", "tank/fs").out)
        head, row = self.zrepctl("status").out.splitlines()
        self.assertEqual(" ".join(head.split()), "FILESYSTEM ROLE PEER LAST SYNC LAG BACKLOG STATE NEXT")
        self.assertEqual(row.split()[:3], ["tank/fs", "master", "beta:backup/fs"])
        self.assertIn(" ok ", row)
        schema = json.loads((ROOT / "docs/status.schema.json").read_text())
        for host in ("alpha", "beta"):
            self.assertEqual(misfits(self.zrepctl_json("status", on=host), schema), [])
        self.zrepctl("list", "tank", code=5)
        self.assertIn("not part of a pair", self.zrepctl("status", "tank", code=5).err)

    def test_paused_filesystems_are_left_out_of_all(self):
        self.make_pair()
        self.write("tank/fs", "second")
        self.zrepctl("pause", "tank")
        self.assertIn("paused", self.zrepctl("status").out)
        self.zrepctl("sync", "all")
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000000"])
        self.zrepctl("sync", "tank/fs")
        self.assert_in_step("tank/fs", "backup/fs")
        self.assertIn("paused by a dataset above", self.zrepctl("unpause", "tank/fs").out)
        self.assertEqual(self.get(self.alpha, "zrep:paused", "tank"), "yes")
        self.write("tank/fs", "third")
        self.zrepctl("sync", "all")
        self.assertEqual(len(self.snapshots(self.alpha, "tank/fs")), 3)
        self.zrepctl("pause", "--until", "2h", "tank/fs")
        self.assertRegex(self.get(self.alpha, "zrep:paused", "tank/fs"), r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.zrepctl("pause", "--dry-run", "tank/none", code=1)

    def test_clear_forgets_the_pair_and_keeps_the_data(self):
        self.make_pair()
        self.zrepctl("set", "tank/fs", "limit=9M")
        would = self.zrepctl("clear", "--dry-run", "tank/fs").out
        self.assertIn("would remove zrep:src-host", would)
        self.assertEqual(self.get(self.alpha, "zrep:master", "tank/fs"), "yes")
        done = self.zrepctl("clear", "tank/fs")
        self.assertIn("on beta run: zrepctl clear 'backup/fs'", done.out)
        done = self.zrepctl("clear", "backup/fs", on="beta")
        self.assertIn("still readonly", done.out)
        for host, name in ((self.alpha, "tank/fs"), (self.beta, "backup/fs")):
            self.assertEqual(self.snapshots(host, name), ["zrep_000000"])
            self.assertEqual(self.holds(host, name), {})
            self.assertEqual(self.bookmarks(host, name), [])
            left = host.run(["zfs", "get", "-H", "-o", "property,value", "-s", "local,received", "all", name]).out
            left = [line for line in left.splitlines() if line.startswith("zrep:")]
            self.assertEqual(left, ["zrep:limit\t9437184"] if host is self.alpha else [])
        self.assertEqual(self.get(self.beta, "readonly", "backup/fs"), "on")
        self.assert_same_data("tank/fs", "backup/fs")
        self.assertIn("not part of a pair", self.zrepctl("clear", "tank/fs", code=5).err)
        self.assertIn("not part of a pair", self.zrepctl("sync", "tank/fs", code=5).err)

    def test_set_stores_settings_and_refuses_what_is_none(self):
        for words, stored in (("limit=10M", ("zrep:limit", "10485760")), ("zrep:interval=1h", ("zrep:interval", "1h")),
                              ("interval=Off", ("zrep:interval", "none")),
                              ("savecount=7", ("zrep:savecount", "7")), ("minfree=1G", ("zrep:minfree", "1073741824")),
                              ("maxsnaps=3", ("zrep:maxsnaps", "3")), ("accept=beta", ("zrep:accept", "beta")),
                              ("limit=", ("zrep:limit", "-"))):
            self.zrepctl("set", "tank", words)
            self.assertEqual(self.get(self.alpha, stored[0], "tank"), stored[1])
        for words, code in (("master=yes", 2), ("zrep:epoch=9", 2), ("src-host=x", 2), ("compression=on", 2),
                            ("savecount=1", 2), ("interval=0s", 2), ("limit=much", 2), ("paused=maybe", 2),
                            ("accept=-oProxyCommand=id", 2)):
            with self.subTest(words):
                self.zrepctl("set", "tank", words, code=code)
        self.assertEqual(self.get(self.alpha, "zrep:master", "tank"), "-")
        self.assertEqual(self.get(self.alpha, "zrep:savecount", "tank"), "7")
        self.assertIn("'tank/none'", self.zrepctl("set", "tank/none", "limit=1M", code=1).err)

    def test_expire_by_hand(self):
        self.make_pair()
        for number in range(4):
            self.alpha.run(f"echo {number} > /tank/fs/file")
            self.zrepctl("sync", "tank/fs")
        self.zrepctl("set", "tank/fs", "savecount=2")
        self.zrepctl("set", "backup/fs", "savecount=3", on="beta")
        would = self.zrepctl("expire", "--dry-run", "tank/fs").out
        here = [f"would destroy tank/fs@zrep_00000{n}" for n in range(3)]
        there = [f"would destroy backup/fs@zrep_00000{n} on beta" for n in range(2)]
        self.assertEqual(would.splitlines(), here + there)
        self.assertEqual(self.zrepctl("expire", "-L", "--dry-run", "tank/fs").out.splitlines(), here)
        self.assertIn("destroyed 3 here", self.zrepctl("expire", "-L", "tank/fs").out)
        self.assertEqual(len(self.snapshots(self.beta, "backup/fs")), 5)
        self.assertIn("destroyed 0 here, 2 on beta", self.zrepctl("expire", "all").out)
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000003", "zrep_000004"])
        self.assertEqual(self.snapshots(self.beta, "backup/fs"), ["zrep_000002", "zrep_000003", "zrep_000004"])

    def test_sync_json(self):
        self.make_pair()
        self.write("tank/fs", "second", 3)
        run = self.zrepctl_json("sync", "tank/fs")["runs"][0]
        self.assertEqual((run["operation"], run["finished"]), ("sync", True))
        result = run["results"][0]
        self.assertEqual((result["dataset"], result["outcome"], result["resumed"]), ("tank/fs", "done", False))
        self.assertGreater(result["bytes"], 3 * MEGA)
        self.assertLess(result["bytes"], 4 * MEGA)
        error = self.zrepctl_json("sync", "tank/none", code=1)["runs"][0]["results"][0]["error"]
        self.assertEqual(error["kind"], "not_found")

    def test_one_of_two_fails_and_the_other_is_synced(self):
        self.make_pair()
        self.alpha.run(["zfs", "create", "tank/other"])
        self.zrepctl("init", "tank/other", "beta", "backup/other")
        self.beta.run("zfs snapshot backup/other@mine")
        self.write("tank/fs", "second")
        self.write("tank/other", "second")
        done = self.zrepctl("sync", "tank/fs", "tank/other", code=5)
        self.assertIn("tank/fs: sent tank/fs@zrep_000001", done.out)
        self.assertIn("tank/other: ", done.err)
        self.assertIn("next:", done.err)
        self.assert_in_step("tank/fs", "backup/fs")
        self.assertEqual(self.snapshots(self.alpha, "tank/other"), ["zrep_000000"])

    def test_progress_is_told_and_interrupting_the_client_cancels_nothing(self):
        self.make_pair()
        # A terminal for its standard error, so that it shows the line that people see.
        sync = "zrepctl sync tank/fs; echo exit=$?"
        watch = f"TERM=xterm script -qec {shlex.quote(sync)} /run/seen </dev/null >/dev/null 2>&1"
        client = self.begin_line(watch)
        self.alpha.run("pkill -INT -x zrepctl")
        client.wait(timeout=20)
        seen = self.alpha.run("cat /run/seen").out
        self.assertRegex(seen, r"tank/fs: sending, \d+%, \d+(\.\d)? MiB of about 1\d(\.\d)? MiB, \d+(\.\d)? [KM]iB/s, \d+ s left")
        self.assertIn("goes on in zrepd", seen)
        self.assertIn("zrepctl status", seen)
        self.assertIn("exit=130", seen)
        self.assertTrue(self.running())
        # A second one waits for the same run instead of sending again.
        done = self.zrepctl("sync", "tank/fs")
        self.assertIn("sent tank/fs@zrep_000001", done.out)
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000000", "zrep_000001"])
        self.assert_in_step("tank/fs", "backup/fs")


if __name__ == "__main__":
    unittest.main()
