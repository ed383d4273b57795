# SPDX-License-Identifier: BSD-2-Clause
"""Figures for monitoring of real pairs: over a port, over a socket and in a file, without a process for any of it."""
import json
import re
import unittest

from support import Case, wait_for

PORT = 9820
SOCKET = "/run/metrics/zrepd.sock"
FILE = "/run/metrics/zrepd.prom"
SCRAPES = 20

# A client in the guest: where, which headers as JSON, how often; prints status, type and text of the last answer.
SCRAPE = r"""
import http.client, json, socket, sys
where, headers, times = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
for _ in range(times):
    if where.startswith("/"):
        client = http.client.HTTPConnection("localhost", timeout=10)
        client.sock = socket.socket(socket.AF_UNIX)
        client.sock.connect(where)
    else:
        client = http.client.HTTPConnection(where, timeout=10)
    client.request("GET", "/metrics", headers=headers)
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
print(json.dumps([answer.status, answer.headers["Content-Type"], text]))
"""


class Metrics(Case):
    daemon_options = ("--metrics-listen", f"127.0.0.1:{PORT}", "--metrics-file", FILE)

    def begin_anew(self, name):
        self.lab.host(name).run("rm -rf /run/metrics; mkdir -m 755 /run/metrics")
        super().begin_anew(name)

    def scrape(self, where=f"127.0.0.1:{PORT}", on="alpha", headers=None, times=1, user=None):
        """Content type and text."""
        become = ["setpriv", f"--reuid={user}", "--clear-groups"] if user else []
        done = self.lab.host(on).run([*become, "python3", "-c", SCRAPE, where, json.dumps(headers or {}), str(times)])
        status, kind, text = json.loads(done.out)
        self.assertEqual(status, 200)
        return kind, text

    def figures(self, **options):
        """Value by name and labels."""
        _, text = self.scrape(**options)
        return self.parsed(text)

    def parsed(self, text):
        found = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                sample, _, value = line.rpartition(" ")
                self.assertNotIn(sample, found)
                found[sample] = float(value)
        return found

    def runs(self, dataset, operation, outcome):
        return f'zrepd_pair_runs_total{{dataset="{dataset}",operation="{operation}",outcome="{outcome}"}}'

    def make_pair(self):
        self.alpha.run("zfs create tank/fs")
        self.write("tank/fs", "first", 2)
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")
        self.write("tank/fs", "second", 1)
        self.zrepctl("sync", "tank/fs")

    def test_figures_of_both_sides(self):
        self.make_pair()
        label = '{dataset="tank/fs"}'
        self.zrepctl("set", "tank/fs", "interval=1h")
        found = wait_for("the interval is known", 20, lambda: (lambda seen: seen.get(
            "zrepd_pair_interval_seconds" + label) and seen)(self.figures()), step=1)
        self.assertEqual(found[self.runs("tank/fs", "init", "done")], 1)
        self.assertGreaterEqual(found[self.runs("tank/fs", "sync", "done")], 1)
        self.assertEqual(found[self.runs("tank/fs", "sync", "failed")], 0)
        self.assertGreater(found['zrepd_pair_stream_bytes_total{dataset="tank/fs",direction="sent"}'], 3 << 20)
        self.assertEqual(found["zrepd_pair_interval_seconds" + label], 3600)
        self.assertEqual(found["zrepd_pair_epoch" + label], 1)
        self.assertLess(found["zrepd_pair_lag_seconds" + label], 120)
        self.assertEqual(found['zrepd_pair_health{dataset="tank/fs",health="ok"}'], 1)
        self.assertEqual(found['zrepd_peer_state{peer="beta",state="connected"}'], 1)
        self.assertEqual(found['zrepd_pair_info{dataset="tank/fs",role="master",peer="beta",'
                               'peer_dataset="backup/fs",fence="off"}'], 1)
        self.assertEqual(found["zrepd_pairs_unknown"], 0)
        there = self.figures(on="beta")
        self.assertGreaterEqual(there[self.runs("backup/fs", "receive", "done")], 2)
        self.assertGreater(there['zrepd_pair_stream_bytes_total{dataset="backup/fs",direction="received"}'], 3 << 20)
        self.assertIn('role="target"', " ".join(there))

    def test_nothing_is_started_for_it(self):
        self.make_pair()
        self.alpha.run("sleep 4")  # what the sync caused has been looked at
        self.count_calls()
        first = self.figures()
        kind, text = self.scrape(times=SCRAPES)
        self.assertIn("application/openmetrics-text; version=1.0.0", kind)
        self.assertTrue(text.endswith("# EOF\n"))
        last = self.parsed(text)
        self.assertEqual(first["zrepd_processes_started_total"], last["zrepd_processes_started_total"])
        self.assertEqual(last['zrepd_processes{program="zpool"}'], 1, "the one that sleeps until a pool changes")
        self.assertEqual(self.calls("alpha"), [])

    def test_failures_are_counted(self):
        self.make_pair()
        self.zrepd["beta"].stop()
        self.write("tank/fs", "third")
        self.zrepctl("sync", "tank/fs", code=1)
        found = self.figures()
        self.assertEqual(found[self.runs("tank/fs", "sync", "failed")], 1)
        self.assertEqual(found['zrepd_pair_health{dataset="tank/fs",health="failing"}'], 1)
        self.assertEqual(found['zrepd_peer_state{peer="beta",state="unreachable"}'], 1)
        kinds = [re.search('kind="(.*?)"', sample).group(1) for sample in found if "error_timestamp" in sample]
        self.assertEqual(kinds, [self.status("tank/fs")["last_error"]["kind"]])

    def test_the_file_is_kept_up_and_goes_with_zrepd(self):
        def in_the_file():
            done = self.alpha.run(["cat", FILE], check=False)
            return done.out if self.runs("tank/fs", "sync", "done") + " 1" in done.out else None

        self.make_pair()
        text = wait_for("the file has the sync", 40, in_the_file, step=1)
        _, served = self.scrape(headers={"Accept": "text/plain"})
        self.assertEqual(set(self.parsed(text)), set(self.parsed(served)))
        self.assertIn("# TYPE zrepd_pair_runs_total counter\n", text)
        self.assertEqual(self.alpha.run(f"stat -c %a {FILE}").out.strip(), "644")
        self.zrepd["alpha"].kill()
        self.assertEqual(self.alpha.run(["cat", FILE]).out, text, "of a zrepd that was killed it stays")
        self.zrepd["alpha"].start(*self.daemon_options)
        self.zrepd["alpha"].stop()
        self.assertEqual(self.alpha.run("ls -A /run/metrics").out, "")

    def test_a_socket_for_everybody_and_no_other_address(self):
        self.zrepd["alpha"].stop()
        self.zrepd["alpha"].start("--metrics-listen", SOCKET)
        self.assertEqual(self.figures(where=SOCKET, user=65534)["zrepd_pairs"], 0)
        self.zrepd["alpha"].stop()
        self.assertEqual(self.alpha.run("ls -A /run/metrics").out, "")
        for wrong in (f"0.0.0.0:{PORT}", f"[::]:{PORT}", f"alpha:{PORT}"):
            done = self.alpha.run(["zrepd", "--check-config", "--metrics-listen", wrong], check=False)
            self.assertEqual(done.code, 2, done)
            self.assertIn("--metrics-listen", done.err)
        done = self.alpha.run(["zrepd", "--check-config", "--metrics-file", "/nowhere/zrepd.prom"], check=False)
        self.assertEqual(done.code, 1, done)
        self.assertIn("/nowhere", done.err)

    def test_without_them_it_replicates_and_says_so_once(self):
        self.zrepd["alpha"].stop()
        self.alpha.run("chmod 777 /run/metrics")
        self.zrepd["alpha"].start("--metrics-listen", "/run/nowhere/zrepd.sock", "--metrics-file", FILE)
        self.make_pair()
        self.alpha.run("sleep 16")
        log = self.zrepd["alpha"].log()
        self.assertEqual((log.count("metrics_not_served"), log.count("metrics_file_failed")), (1, 1), log)
        self.alpha.run("chmod 755 /run/metrics")
        wait_for("it is written", 30, lambda: "metrics_file_written" in self.zrepd["alpha"].log(), step=1)


if __name__ == "__main__":
    unittest.main()
