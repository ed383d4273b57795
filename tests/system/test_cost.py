# SPDX-License-Identifier: BSD-2-Clause
"""What syncs cost, counted in processes, and what runs side by side.

Times mean nothing in a lab; the number of processes does (a filesystem that did not change must
not cost any of its own)."""
import unittest

from pairs import call, make_pairs
from support import Case, wait_for

MANY = 20
CHANGED = 5
# Slow enough for a few MiB to take seconds, fast enough for everything else.
SLOW_LINK = ("rate", "8mbit")


class Cost(Case):
    def started(self, name):
        """Command lines of zfs and zpool since count_calls()."""
        return [line for line in self.calls(name) if line.split()[0] in ("zfs", "zpool")]

    def count_of(self, name, words):
        return sum(line.startswith(words) for line in self.calls(name))

    def all_snapshots(self, host):
        return host.run("zfs list -Hpo name -t snapshot -s name").out.splitlines()

    def running(self, on="alpha"):
        """{dataset: progress} of everything under way."""
        pairs = self.zrepctl_json("status", on=on)["pairs"]
        return {pair["dataset"]: pair["running"] for pair in pairs if "running" in pair}

    def make_pair(self, name, megabytes=0):
        self.alpha.run(["zfs", "create", f"tank/{name}"])
        self.zrepctl("init", f"tank/{name}", "beta", f"backup/{name}")
        if megabytes:
            self.write(f"tank/{name}", "data", megabytes)

    def test_unchanged_filesystems_cost_four_processes_a_host_and_no_snapshot(self):
        names = make_pairs(self, MANY)
        before = self.all_snapshots(self.alpha)
        for attempt in ("the first time", "from then on"):
            with self.subTest(attempt):
                self.count_calls()
                done = self.zrepctl("sync", "all")
                self.assertEqual(done.out.count("unchanged"), len(names), done)
                for host in self.hosts:
                    self.assertLessEqual(len(self.started(host)), 4, self.started(host))
                self.assertEqual(self.all_snapshots(self.alpha), before)

    def test_scheduled_syncs_of_unchanged_filesystems_list_no_snapshots(self):
        make_pairs(self, MANY)
        self.zrepctl("sync", "all")
        self.zrepctl("set", "tank/all", "zrep:interval=2s")
        self.alpha.run("sleep 6")  # the first turns look at what was changed until now
        self.count_calls()
        self.alpha.run("sleep 6")
        for host in self.hosts:
            with self.subTest(host):
                started = self.started(host)
                self.assertTrue(started, "it had its turns")
                self.assertEqual([line for line in started if "snapshot" in line], [])

    def test_changed_filesystems_cost_two_processes_each_and_a_dozen_together(self):
        names = make_pairs(self, MANY)
        self.zrepctl("sync", "all")
        changed = names[:CHANGED]
        self.alpha.run("; ".join(f"echo more > /{name}/file" for name in changed))
        self.count_calls()
        done = self.zrepctl("sync", "all")
        self.assertEqual(done.out.count("unchanged"), MANY - CHANGED, done)
        self.alpha.run("sleep 4")  # what the changes themselves make the daemons look at
        both = self.started("alpha") + self.started("beta")
        self.assertEqual(sum(line.startswith("zfs send") for line in both), CHANGED, both)
        self.assertEqual(sum(line.startswith("zfs receive") for line in both), CHANGED, both)
        self.assertLessEqual(len(both), 2 * CHANGED + 12, "\n".join(both))
        for name in changed:
            self.assert_in_step(name, name.replace("tank", "backup"))
        self.assertEqual(self.snapshots(self.alpha, names[CHANGED]), ["zrep_000000"])

    def test_second_sync_of_a_filesystem_joins_the_first(self):
        self.make_pair("fs", megabytes=4)
        self.lab.link("alpha", "netem", *SLOW_LINK)
        self.count_calls()
        first = self.alpha.spawn(["zrepctl", "sync", "tank/fs"])
        progress = wait_for("the first one sends", 30, lambda: self.running().get("tank/fs"))
        answer = call(self, "pair.sync", {"datasets": ["tank/fs"]})
        second = self.zrepctl("sync", "tank/fs")
        out, err = first.communicate(timeout=60)
        self.assertEqual(first.returncode, 0, err)
        data = answer["error"]["data"]
        self.assertEqual((data["kind"], data["run_id"]), ("already_running", progress["run_id"]))
        self.assertIn("sent tank/fs@zrep_000001", out)
        self.assertIn("sent tank/fs@zrep_000001", second.out)
        self.assertEqual(self.count_of("alpha", "zfs send"), 1, self.calls("alpha"))
        self.assertEqual(self.count_of("beta", "zfs receive"), 1, self.calls("beta"))
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000000", "zrep_000001"])

    def test_many_syncs_of_a_filesystem_at_once_send_once(self):
        self.make_pair("fs", megabytes=2)
        self.lab.link("alpha", "netem", *SLOW_LINK)
        self.count_calls()
        done = self.alpha.run("for i in 1 2 3 4 5; do zrepctl sync tank/fs & jobs=\"$jobs $!\"; done; "
                              "for j in $jobs; do wait $j || echo exited $?; done", timeout=120)
        self.assertNotIn("exited", done.out, done)
        # Each waits for that run, and for what was written since it began: nothing.
        said = done.out.splitlines()
        self.assertEqual(len([line for line in said if "sent tank/fs@zrep_000001" in line]), 5, done)
        self.assertEqual({line for line in said if "sent" not in line} - {"tank/fs: unchanged since the last sync"}, set(), done)
        self.assertEqual(self.count_of("alpha", "zfs send"), 1, self.calls("alpha"))
        self.assertEqual(self.count_of("beta", "zfs receive"), 1, self.calls("beta"))

    def test_syncs_of_different_filesystems_run_at_the_same_time(self):
        for name in ("one", "two"):
            self.make_pair(name, megabytes=4)
        self.lab.link("alpha", "netem", *SLOW_LINK)
        clients = [self.alpha.spawn(["zrepctl", "sync", f"tank/{name}"]) for name in ("one", "two")]

        def both_move():
            # One answer of the daemon, so one moment.
            running = self.running()
            return len(running) == 2 and running if all(
                one["phase"] == "sending" and one["bytes"] > 0 for one in running.values()) else None

        running = wait_for("both send at the same time", 60, both_move)
        self.assertNotEqual(running["tank/one"]["run_id"], running["tank/two"]["run_id"])
        self.lab.link("alpha", "netem", "delay", "0ms")
        for client in clients:
            _, err = client.communicate(timeout=120)
            self.assertEqual(client.returncode, 0, err)
        for name in ("one", "two"):
            self.assert_in_step(f"tank/{name}", f"backup/{name}")


if __name__ == "__main__":
    unittest.main()
