# SPDX-License-Identifier: BSD-2-Clause
"""Wrong names, destinations and words: refused with the reason and the next step, nothing done."""
import unittest

from support import Case

INVALID_PARAMS = -32602
# Never allowed by ZFS, or read as an option by a program that is not careful.
BAD_NAMES = ("-F", "tank/it's", 'tank/a"b', "tank/a\nb", "tank/a\0b", "tank/$(reboot)", "tank//fs", "/tank/fs",
             "tank/../fs", "tank/fs/", "")
BAD_HOSTS = ("-oProxyCommand=touch /run/proxied", "-F", "beta;reboot", "beta\nbeta", "root@beta", "")


class BadInput(Case):
    def setUp(self):
        super().setUp()
        self.alpha.run("zfs create tank/fs; zfs create tank/other")

    def refused(self, words, code, *expected, on="alpha"):
        """zrepctl exits with this code and says all of this."""
        done = self.zrepctl(*words, on=on, code=code)
        for text in expected:
            self.assertIn(text, done.err, f"{words}: {done.err}")
        self.assertEqual(done.out, "")
        return done

    def test_unknown_dataset(self):
        with self.nothing_left():
            for verb, rest in (("init", ("beta", "backup/x")), ("sync", ()), ("expire", ()), ("clear", ()),
                               ("pause", ()), ("unpause", ()), ("set", ("interval=1m",))):
                with self.subTest(verb=verb):
                    self.refused((verb, "tank/nope", *rest), 1, "no filesystem or volume 'tank/nope' here",
                                 "next: ", "list shows")
            for verb in ("list", "status"):
                with self.subTest(verb=verb):
                    self.refused((verb, "tank/nope"), 5, "tank/nope", "is not part of a pair",
                                 "next: zrepctl list")

    def test_dataset_that_is_no_pair(self):
        with self.nothing_left():
            for verb in ("sync", "expire", "clear", "list", "status"):
                with self.subTest(verb=verb):
                    said = self.refused((verb, "tank/fs"), 5, "is not part of a pair", "next: ").err
                    self.assertEqual(said.count("tank/fs"), 1, said)

    def test_one_unknown_dataset_does_not_keep_others_from_syncing(self):
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")
        self.write("tank/fs", "more")
        done = self.zrepctl("sync", "tank/nope", "tank/fs", code=1)
        self.assertIn("no filesystem or volume 'tank/nope' here", done.err)
        self.assertIn("tank/fs: sent", done.out)
        self.assert_in_step("tank/fs", "backup/fs")

    def test_unknown_host(self):
        with self.nothing_left():
            self.refused(("init", "tank/fs", "nohost", "backup/x"), 1, "host name nohost does not resolve",
                         "next: ", "getent hosts nohost")

    def test_impossible_names_through_zrepctl(self):
        with self.nothing_left():
            for name in ("-F", "tank/it's", "tank/a\nb", ""):
                for words in (("init", "--", name, "beta", "backup/x"), ("init", "--", "tank/fs", "beta", name),
                              ("sync", "--", name)):
                    with self.subTest(words=words):
                        said = self.refused(words, 2, "is not valid: ", f"zrepctl {words[0]} --help").err
                        self.assertEqual(said.count("\n"), 2, "a newline of the name got through")
            self.refused(("sync", "-F"), 2, "unrecognised option '-F'")
            self.refused(("init", "-F", "beta", "backup/x"), 2, "unrecognised option '-F'")

    def test_impossible_names_on_the_socket(self):
        calls = []
        for name in BAD_NAMES:
            calls += [("pair.init", {"dataset": name, "host": "beta", "target": "backup/x"}),
                      ("pair.init", {"dataset": "tank/fs", "host": "beta", "target": name}),
                      ("pair.sync", {"datasets": [name]}), ("pair.expire", {"datasets": [name]}),
                      ("pair.set", {"dataset": name, "settings": {"interval": "1m"}}),
                      ("pair.pause", {"datasets": [name]}), ("pair.unpause", {"datasets": [name]}),
                      ("pair.clear", {"dataset": name}), ("pair.list", {"datasets": [name]}),
                      ("status.get", {"datasets": [name]})]
        self.assert_invalid(calls)

    def assert_invalid(self, calls):
        with self.nothing_left():
            replies = self.ask(*calls)
        for call, reply in zip(calls, replies):
            with self.subTest(call=call):
                self.assertIn("error", reply, "it was accepted")
                self.assertEqual(reply["error"]["code"], INVALID_PARAMS, reply)
                self.assertEqual(reply["error"]["data"]["kind"], "invalid_params")
                self.assertIn("is not valid", reply["error"]["message"])

    def test_hosts_that_look_like_options_or_commands(self):
        with self.nothing_left():
            for host in BAD_HOSTS[:2]:
                with self.subTest(host=host):
                    self.refused(("init", "--", "tank/fs", host, "backup/x"), 2, "host name", "is not valid")
            self.refused(("init", "tank/fs", BAD_HOSTS[0], "backup/x"), 2, "unrecognised option")
            self.refused(("set", "tank/fs", "accept=" + BAD_HOSTS[0]), 2, "host name", "is not valid")
        self.assert_invalid([("pair.init", {"dataset": "tank/fs", "host": host, "target": "backup/x"})
                             for host in BAD_HOSTS])
        self.assertEqual(self.alpha.run("test -e /run/proxied", check=False).code, 1)

    def test_stored_host_that_is_an_ssh_option_is_never_run(self):
        """Properties are written by anybody with zfs set, or come with a received stream."""
        self.alpha.run(["zfs", "set", "zrep:master=yes", "zrep:src-host=alpha", "zrep:src-fs=tank/fs",
                        "zrep:dest-host=" + BAD_HOSTS[0], "zrep:dest-fs=backup/fs", "tank/fs"])
        with self.nothing_left():
            self.refused(("sync", "tank/fs"), 5, "has the properties of a pair that cannot be read (zrep:dest-host=",
                         "next: ")
            self.refused(("sync", "all"), 5, "has the properties of a pair that cannot be read (zrep:dest-host=", "next: ")
        self.assertEqual(self.alpha.run("test -e /run/proxied", check=False).code, 1)

    def test_host_in_upper_case_is_the_same_host(self):
        self.zrepctl("init", "tank/fs", "BETA", "backup/fs")
        self.assert_in_step("tank/fs", "backup/fs")
        self.assertEqual(self.get(self.alpha, "zrep:dest-host", "tank/fs"), "beta")

    def test_host_under_another_name(self):
        with self.nothing_left():
            self.refused(("init", "tank/fs", "10.77.0.2", "backup/fs"), 2,
                         "this host calls itself beta, not '10.77.0.2'",
                         "next: run zrepctl init 'tank/fs' beta 'backup/fs'")
        self.zrepctl("init", "tank/fs", "beta.example.org", "backup/fs")
        self.assert_in_step("tank/fs", "backup/fs")
        self.assertEqual(self.get(self.alpha, "zrep:dest-host", "tank/fs"), "beta")

    def test_destination_that_exists(self):
        self.beta.run("zfs create backup/there; echo kept > /backup/there/file")
        with self.nothing_left():
            self.refused(("init", "tank/fs", "beta", "backup/there"), 5, "backup/there exists already on beta",
                         "next: choose another name", "never overwrites")
            self.refused(("init", "tank/fs", "localhost", "tank/other"), 5, "tank/other exists already on alpha")
        self.assertEqual(self.beta.run("cat /backup/there/file").out, "kept\n")

    def test_destination_without_a_place(self):
        with self.nothing_left():
            self.refused(("init", "tank/fs", "beta", "backup/no/where"), 1,
                         "the destination's parent backup/no does not exist",
                         "next: on beta run: zfs create -p backup/no")
            self.refused(("init", "tank/fs", "beta", "nopool/fs"), 1, "beta has no pool 'nopool'", "zpool import")
            self.refused(("init", "tank/fs", "beta", "backup"), 2, "'backup' is a pool", "next: use backup/NAME")

    def test_source_that_is_a_snapshot_or_bookmark(self):
        self.alpha.run("zfs snapshot tank/fs@mine; zfs bookmark tank/fs@mine tank/fs#mine")
        with self.nothing_left():
            for name, what in (("tank/fs@mine", "a snapshot"), ("tank/fs#mine", "a bookmark")):
                for words in (("init", name, "beta", "backup/x"), ("init", "tank/fs", "beta", name),
                              ("refresh", name), ("clear", name)):
                    with self.subTest(words=words):
                        self.refused(words, 2, f"it names {what}", "give the filesystem or volume")
            self.refused(("sync", "tank/fs#mine"), 2, "it names a bookmark", "give the filesystem or volume")
            self.refused(("sync", "tank/fs@mine"), 5, "not part of a pair", "next: ")

    def test_source_is_the_destination(self):
        with self.nothing_left():
            for host in ("localhost", "alpha", "ALPHA", "alpha.example.org"):
                with self.subTest(host=host):
                    self.refused(("init", "tank/fs", host, "tank/fs"), 2,
                                 "source and destination are the same filesystem", "next: ")
            self.refused(("init", "tank/fs", "localhost", "tank/fs/copy"), 5, "inside each other", "next: ")
            self.refused(("init", "tank/fs", "localhost", "tank"), 5, "inside each other", "next: ")


if __name__ == "__main__":
    unittest.main()
