# SPDX-License-Identifier: BSD-2-Clause
"""zrepctl doctor: nothing to say of a healthy pair, and what is wrong in one line where something is. Beside it the
programs that are told events."""
import json
import time
import unittest

from support import Case, wait_for


class Doctor(Case):
    def setUp(self):
        super().setUp()
        self.alpha.run("zfs create tank/fs")

    def make_pair(self):
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")

    def doctor(self, *hosts, code=0, on="alpha"):
        """Its lines: (state, check, the rest)."""
        lines = self.zrepctl("doctor", *hosts, code=code, on=on).out.splitlines()
        out = []
        for line in lines:
            state, rest = line.split(None, 1)
            self.assertIn(state, ("ok", "note", "warn", "fail"), line)
            check, _, text = rest.partition(": ")
            out.append((state, check, text))
        return out

    def assert_failed(self, lines, check, *said):
        failed = [line for line in lines if line[0] == "fail"]
        self.assertEqual([line[1] for line in failed], [check], lines)
        for words in said:
            self.assertIn(words, failed[0][2])
        self.assertIn("; next: ", failed[0][2])

    def use_port(self, port):
        """What ssh to beta uses from now on; zrepd's connection begins anew."""
        self.addCleanup(self.alpha.run, "rm -f /root/.ssh/config")
        self.alpha.run(f"printf 'Host beta\\n  Port {port}\\n' > /root/.ssh/config; chmod 600 /root/.ssh/config")
        self.zrepd["alpha"].stop()
        self.zrepd["alpha"].start()

    def test_a_healthy_pair_is_ok_on_both_sides(self):
        self.make_pair()
        both = {"alpha": ("beta", "tank/fs is the master here, backup/fs the target there"),
                "beta": ("alpha", "backup/fs is the target here, tank/fs the master there")}
        for host, (other, pair) in both.items():
            with self.subTest(host):
                lines = self.doctor(on=host)
                # A target's host need not accept anything from here, nor a master's.
                self.assertEqual([line for line in lines if line[0] != "ok"], [])
                checks = [line[1] for line in lines]
                self.assertEqual(checks, ["zrepd", "runtime directory", "settings and hooks", "zfs", "pools", "ssh",
                                          "clock", "pairs"] +
                                 [f"{other}, {one}" for one in ("ssh", "zrepd", "protocol", "names", "clock",
                                                                "accept", "pair")])
                self.assertIn(pair, lines[-1][2])
                answer = self.zrepctl_json("doctor", on=host)
                self.assertEqual(answer["state"], "ok")
                self.assertEqual([one["check"] for one in answer["checks"]], checks)
        self.assertEqual([line[1] for line in self.doctor("beta")][:2], ["zrepd", "beta, ssh"])

    def test_a_host_without_a_pair(self):
        lines = self.doctor("beta")
        self.assertEqual({line[0] for line in lines}, {"ok"}, lines)
        self.assertIn("below backup", lines[-1][2])
        self.beta.run("zfs inherit zrep:accept backup")
        wait_for("beta saw that it accepts nothing", 10, lambda: any(
            line[0] == "warn" and "on beta run: zrepctl set PARENT zrep:accept=+alpha" in line[2]
            for line in self.doctor("beta")))

    def test_the_peers_zrepd_is_stopped(self):
        self.make_pair()
        self.zrepd["beta"].stop()
        began = time.monotonic()
        lines = self.doctor("beta", code=1)
        self.assertLess(time.monotonic() - began, 30)
        self.assert_failed(lines, "beta, zrepd", "zrepd is not running on beta", "systemctl start zrepd")
        self.assertIn(("ok", "beta, ssh"), [line[:2] for line in lines])

    def test_a_closed_port_and_a_host_that_is_none(self):
        self.make_pair()
        self.use_port(2222)
        self.assert_failed(self.doctor("beta", code=1), "beta, ssh", "nothing answers on the ssh port of beta",
                           "Connection refused")
        self.assert_failed(self.doctor("nowhere", code=1), "nowhere, name", "nowhere does not resolve",
                           "getent hosts nowhere")
        self.assertIn("-oX is", self.zrepctl("doctor", "--", "-oX", code=2).err.replace("'", ""))

    def test_silent_hosts_are_asked_side_by_side(self):
        self.alpha.run("cp /etc/hosts /run/hosts.kept; "
                       "for i in 1 2 3 4; do echo 10.77.0.9$i dead$i >> /etc/hosts; done")
        self.addCleanup(self.alpha.run, "cp /run/hosts.kept /etc/hosts")
        began = time.monotonic()
        lines = self.doctor("dead1", "dead2", "dead3", "dead4", "beta", code=1)
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual([line[1] for line in lines if line[0] == "fail"], [f"dead{i}, ssh" for i in (1, 2, 3, 4)])
        self.assertIn(("ok", "beta, zrepd"), [line[:2] for line in lines])

    def test_without_zrepd_this_host_is_looked_at_all_the_same(self):
        self.make_pair()
        self.zrepd["alpha"].stop()
        for words in ((), ("beta",)):
            lines = self.doctor(*words, code=1)
            self.assert_failed(lines, "zrepd", "zrepd is not running", "systemctl start zrepd")
            checks = [line[1] for line in lines]
            self.assertLess({"zfs", "pools", "ssh", "clock", "settings and hooks"}, set(checks))
        self.alpha.run("mkdir -p /etc/zrepd; echo streams = 99 > /etc/zrepd/zrepd.conf")
        self.addCleanup(self.alpha.run, "rm -f /etc/zrepd/zrepd.conf")
        settings = [line for line in self.doctor(code=1) if line[1] == "settings and hooks"]
        self.assertEqual(settings[0][0], "fail")
        self.assertIn("zrepd.conf:1: streams", settings[0][2])

    def test_a_clock_that_is_off_and_a_pair_that_one_side_forgot(self):
        self.make_pair()
        self.beta.run("date -s '+10 minutes' >/dev/null")
        self.addCleanup(self.beta.run, "date -s '-10 minutes' >/dev/null")
        warned = [line for line in self.doctor("beta") if line[0] == "warn"]
        self.assertEqual([line[1] for line in warned], ["beta, clock"])
        self.assertRegex(warned[0][2], r"^(59\d|60\d) s ahead")
        self.zrepctl("clear", "backup/fs", on="beta")
        self.assert_failed(self.doctor("beta", code=1), "beta, pair", "does not know that alpha:tank/fs",
                           "zrepctl changeconfig -d 'backup/fs' alpha 'tank/fs'")

    def test_a_member_asks_and_others_see_this_host(self):
        self.make_pair()
        done = self.alpha.run("setpriv --reuid=64321 --regid=64321 --groups=64321 zrepctl doctor", check=False)
        self.assertEqual(done.code, 1, done)
        self.assertIn("other hosts: they were not asked", done.out)
        self.assertIn("ok    zrepd", done.out)

    def test_programs_are_told_what_happens_and_none_is_left(self):
        self.addCleanup(self.alpha.run, "rm -rf /etc/zrepd/hooks.d/event.d /run/told /run/slow")
        self.alpha.run("mkdir -p /etc/zrepd/hooks.d/event.d; cd /etc/zrepd/hooks.d/event.d; "
                       "printf '#!/bin/sh\\ncat >> /run/told\\n' > 10-note; "
                       "printf '#!/bin/sh\\necho $$ >> /run/slow\\nexec sleep 1000\\n' > 20-slow; chmod 755 *")
        self.make_pair()

        def told():
            return [json.loads(line) for line in self.alpha.run("cat /run/told", check=False).out.splitlines()]
        wait_for("the end of the run was told", 20, lambda: any(one["event"] == "run_finished" for one in told()))
        shown = [json.loads(line) for line in self.zrepctl("events", "-n", "1000", "--json").out.splitlines()]
        known = {one["seq"]: one for one in shown}
        for one in told():
            self.assertEqual(one, known[one["seq"]])
        self.assertNotIn("run_progress", {one["event"] for one in told()})
        # One hangs all the while, and keeps nothing waiting.
        self.alpha.run("echo x > /tank/fs/x")
        self.zrepctl("sync", "tank/fs")
        self.assertEqual(len(self.alpha.run("cat /run/slow").out.split()), 1)
        self.assertLess(self.zrepd["alpha"].stop(), 5)
        self.assertNotEqual(self.alpha.run("kill -0 $(cat /run/slow)", check=False).code, 0)
        self.assertIn("event_hook_lost", self.zrepd["alpha"].log())


if __name__ == "__main__":
    unittest.main()
