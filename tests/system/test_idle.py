# SPDX-License-Identifier: BSD-2-Clause
"""A hundred pairs that have nothing to do cost next to nothing on either side; asking about them costs no
process."""
import json
import unittest

import jsonschema

from pairs import call, cpu_seconds, make_pairs, proc_status, sleeps
from support import ROOT, Case

PAIRS = 100
IDLE_SECONDS = 15
MOST_KIB = 20 * 1024
STATUS_BATCHES, STATUS_CALLS = 5, 10


class Idle(Case):
    """One test, so that the hundred pairs are made once; its parts are subtests."""

    def zfs_processes(self, name):
        """zfs and zpool programs on a host, but for the one that sleeps until a pool changes."""
        lines = self.lab.host(name).run("ps -C zfs,zpool -o args --no-headers", check=False).out.splitlines()
        events = [line for line in lines if "events -f" in line]
        self.assertEqual(len(events), 1, lines)
        return [line for line in lines if line not in events]

    def test_a_hundred_idle_pairs(self):
        names = make_pairs(self, PAIRS)
        done = self.zrepctl("sync", "all")
        self.assertEqual(done.out.count("unchanged"), PAIRS, done)
        # Every pair has a turn, one far away.
        self.zrepctl("set", "tank/all", "zrep:interval=1h")
        self.alpha.run("sleep 4")
        self.pids = {name: self.zrepd[name].pid() for name in self.hosts}
        self.count_calls()
        with self.subTest("wakes up at most once a second and starts nothing"):
            self.check_wake_ups()
        for name in self.hosts:
            with self.subTest("resident memory", host=name):
                status = proc_status(self.lab.host(name), self.pids[name])
                print(f"resident on {name}:", status["VmRSS"], "KiB, peak", status["VmHWM"], "KiB")
                self.assertLessEqual(int(status["VmRSS"]), MOST_KIB)
        with self.subTest("status fits its schema"):
            self.check_status(names)
        with self.subTest("status again and again"):
            self.check_status_again()
        with self.subTest("no process for any of it"):
            self.assertEqual((self.calls("alpha"), self.calls("beta")), ([], []))

    def check_wake_ups(self):
        before = {}
        for name in self.hosts:
            self.assertEqual(self.zfs_processes(name), [])
            before[name] = sleeps(self.lab.host(name), self.pids[name])
        self.alpha.run(f"sleep {IDLE_SECONDS}")
        for name in self.hosts:
            woken = sleeps(self.lab.host(name), self.pids[name]) - before[name]
            print(f"wake-ups on {name}:", woken, "in", IDLE_SECONDS, "s")
            self.assertLessEqual(woken, IDLE_SECONDS)
            self.assertEqual(self.zfs_processes(name), [])
            self.assertEqual(self.calls(name), [])

    def check_status(self, names):
        document = self.zrepctl_json("status")
        schema = json.loads((ROOT / "docs/status.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(document)
        self.assertEqual([pair["dataset"] for pair in document["pairs"]], names)
        for pair in document["pairs"]:
            self.assertEqual((pair["role"], pair["health"], pair["interval"], pair["peer_state"]),
                             ("master", "ok", "1h", "connected"), pair)
            self.assertIn("next_run", pair)
            self.assertEqual(pair["last_acked"]["snapshot"], pair["dataset"] + "@zrep_000000")
        self.assertEqual(len(self.zrepctl("status").out.splitlines()), PAIRS + 1)

    def check_status_again(self):
        """Printed, not asserted: a guest's clock of processor time runs on while the guest waits for
        a processor of the machine. Asserted is that the answer is whole, again and again."""
        batches = []
        for _ in range(STATUS_BATCHES):
            before = cpu_seconds(self.alpha, self.pids["alpha"])
            answer = call(self, "status.get", {}, count=STATUS_CALLS)
            self.assertEqual(len(answer["result"]["pairs"]), PAIRS)
            batches.append((cpu_seconds(self.alpha, self.pids["alpha"]) - before) / STATUS_CALLS)
        print("status.get:", ", ".join(f"{1000 * seconds:.2f}" for seconds in batches), "ms")


if __name__ == "__main__":
    unittest.main()
