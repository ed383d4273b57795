# SPDX-License-Identifier: BSD-2-Clause
"""A peer that is away for a while, behind a cut link, and returns without a restart of anything: its pairs leave
nothing behind meanwhile, and are synced within ten seconds of its return.

ZREPD_AWAY=20:600 tries so many filesystems for so many seconds, with a third host whose pair goes on meanwhile: every filesystem
is due every INTERVAL_SECONDS (docs/reliability.md)."""
import datetime
import itertools
import math
import os
import re
import unittest

from pairs import make_pairs, proc_status
from support import Case, wait_for

# Long enough for a back-off of each pair to be longer than BACK_SECONDS: 2 + 4 + 8 s, then 16 s.
PAIRS, AWAY_SECONDS = map(int, os.environ.get("ZREPD_AWAY", "4:26").split(":"))
THIRD_HOST = "ZREPD_AWAY" in os.environ
INTERVAL_SECONDS = 10 if THIRD_HOST else 2
# A silent connection is given up after 15 s and 15 s more (docs/peer-protocol.md).
LOST_SECONDS = 45
BACK_SECONDS = 10
MOST_KIB = 2048

# Something to send, all the time.
WRITER = """while :; do for f in /tank/all/*/ /tank/other; do [ ! -d $f ] || date >> $f/log; done; sleep 1; done"""


class Away(Case):
    # What a cut stream holds on the other side is free sooner than after a minute.
    daemon_options = ("--stall-timeout", "5s")
    hosts = ("alpha", "beta", "gamma") if THIRD_HOST else ("alpha", "beta")

    def now(self):
        return self.alpha.run("date -u +%Y-%m-%dT%H:%M:%S.%3NZ").out.strip()

    def pairs(self):
        return [pair for pair in self.zrepctl_json("status")["pairs"] if pair["dataset"] != "tank/other"]

    def pair_of_a_third_host(self):
        if THIRD_HOST:
            self.zrepctl("set", "tank", "zrep:accept=alpha", on="gamma")
            self.alpha.run("zfs create tank/other")
            self.zrepctl("init", "tank/other", "gamma", "tank/other")
            self.zrepctl("set", "tank/other", f"zrep:interval={INTERVAL_SECONDS}s")

    def check_third_host(self, cut, up):
        """Its pair was synced all the time, at its interval."""
        done = [self.time(time) for time, _, name, text in self.lines(cut, up)
                if name == "dataset_done" and "dataset=tank/other" in text and "outcome=done" in text]
        gaps = [(later - former).total_seconds() for former, later in itertools.pairwise([self.time(cut), *done, self.time(up)])]
        print("the third host's pair meanwhile:", len(done), "syncs, at most", max(gaps), "s apart")
        self.assertLessEqual(max(gaps), 2 * INTERVAL_SECONDS)

    def pending(self):
        """How many zrep snapshots there are that nobody acknowledged, by filesystem; asked of ZFS itself."""
        out = self.alpha.run("zfs list -Hpo name,zrep:sent -t snapshot -r tank/all").out
        unsent = [line.split("@")[0] for line in out.splitlines() if line.split("\t")[1] == "-"]
        return {name: unsent.count(name) for name in unsent}

    def lines(self, since, until, on="alpha"):
        """Time, level, name and text of what zrepd logged between two times."""
        found = re.findall(r"(?m)^(\S+Z) (\w+) ((\w+).*)$", self.zrepd[on].log())
        return [(time, level, name, text) for time, level, text, name in found if since <= time < until]

    def test_its_pairs_wait_and_go_at_its_return(self):
        names = make_pairs(self, PAIRS)
        self.zrepctl("set", "tank/all", f"zrep:interval={INTERVAL_SECONDS}s")
        self.pair_of_a_third_host()
        self.alpha.run(f"({WRITER}) >/dev/null 2>&1 & echo $! > /run/writer")
        self.addCleanup(self.alpha.run, "kill $(cat /run/writer)", check=False)
        self.addCleanup(self.lab.link, "beta", "up")
        wait_for("all are synced", 90 + PAIRS, lambda: len(self.newest("done")) == PAIRS)
        self.usual = max(float(re.search(r" in ([\d.]+) s", text).group(1)) for _, text in self.newest("done").values())
        pid = self.zrepd["alpha"].pid()
        before = proc_status(self.alpha, pid)["VmRSS"], self.descriptors(pid)
        cut = self.now()
        self.lab.link("beta", "down")
        wait_for("all of them know", LOST_SECONDS, lambda: all(p["health"] == "failing" for p in self.pairs()), step=1)
        lost = self.now()
        self.stay_away(names, pid, before)
        up = self.now()
        self.lab.link("beta", "up")
        wait_for("all are synced again", 2 * BACK_SECONDS + 4 * self.usual, lambda: len(self.newest("done", since=up)) == PAIRS)
        self.check_return(up)
        self.check_lines(cut, lost, up)
        if THIRD_HOST:
            self.check_third_host(cut, up)

    def newest(self, outcome, since=""):
        """The time of each filesystem's first dataset_done of that outcome, of beta's pairs."""
        out = {}
        for time, _, name, text in self.lines(since, "9"):
            dataset = re.search(r"dataset=(\S+)", text)
            if name == "dataset_done" and f"outcome={outcome}" in text and dataset.group(1) != "tank/other":
                out.setdefault(dataset.group(1), (time, text))
        return out

    def descriptors(self, pid):
        return int(self.alpha.run(f"ls /proc/{pid}/fd | wc -l").out)

    def stay_away(self, names, pid, before):
        if THIRD_HOST:  # what grows while it is away, without what the loss itself took
            self.alpha.run(f"sleep {AWAY_SECONDS // 10}", timeout=AWAY_SECONDS)
            before = proc_status(self.alpha, pid)["VmRSS"], self.descriptors(pid)
        self.alpha.run(f"sleep {AWAY_SECONDS}", timeout=AWAY_SECONDS + 30)
        pending = self.pending()
        self.assertLessEqual(max(pending.values(), default=0), 1, pending)
        for pair in self.pairs():
            self.assertEqual((pair["peer_state"], pair["last_error"]["kind"]), ("unreachable", "peer_unreachable"), pair)
            self.assertNotEqual(pair["last_error"]["remedy"], "")
            self.assertIn("next_run", pair)
        resident, descriptors = proc_status(self.alpha, pid)["VmRSS"], self.descriptors(pid)
        print("resident, KiB:", before[0], "->", resident, "descriptors:", before[1], "->", descriptors)
        self.assertLessEqual(int(resident), int(before[0]) + MOST_KIB)
        # A look may be under way: three pipes and the process.
        self.assertLessEqual(descriptors, before[1] + 4)
        ssh = self.alpha.run("pgrep -fc '^ssh .*zrepctl peer'", check=False).out.split()
        self.assertLessEqual(int(ssh[0]), 1 + THIRD_HOST, "one look for all")

    def check_return(self, up):
        done = self.newest("done", since=up)
        found = [time for time, _, name, _ in self.lines(up, "9") if name == "peer_up"][:1]
        # Recorded here when all of a run are through; there, one by one.
        there = [time for time, _, name, text in self.lines(up, "9", on="beta")
                 if name == "dataset_done" and "op=receive" in text]
        times = [*found, there[0], max(done.values())[0]]
        passed = [(self.time(time) - self.time(up)).total_seconds() for time in times]
        print("after the return: found {:.1f} s, first sync {:.1f} s, last {:.1f} s".format(*passed), "- a sync takes",
              self.usual, "s here")
        self.assertLessEqual(passed[0], BACK_SECONDS)
        # Where a machine has so much to do that a sync takes as long without any of this.
        self.assertLessEqual(passed[1], max(BACK_SECONDS, BACK_SECONDS - 2 + self.usual))
        for name, (_, text) in done.items():
            # What was pending goes first, then all that was written since, at once.
            self.assertLessEqual(text.count("sent "), 2, name)
        self.assertLessEqual(max(self.pending().values(), default=0), 1)

    def check_lines(self, cut, lost, up):
        """One when it was lost, then one at twice the time each, however many pairs there are."""
        loud = [entry for entry in self.lines(cut, up) if entry[1] in ("warning", "error")]
        for entry in loud:
            print("   ", entry[0], entry[3][:150])
        names = [entry[2] for entry in loud]
        self.assertIn(names.count("peer_down"), (1, 2))
        self.assertLessEqual(names.count("peer_away"), 2 + math.log2(max(1, AWAY_SECONDS / 30)))
        later = [entry[3] for entry in loud if entry[0] >= lost and entry[2] not in ("peer_away", "peer_down")]
        self.assertEqual(later, [])

    @staticmethod
    def time(text):
        return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")


if __name__ == "__main__":
    unittest.main()
