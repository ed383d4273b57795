# SPDX-License-Identifier: BSD-2-Clause
"""Failover and back, again and again, under a writer that fsyncs each of its records."""
import os
import unittest

from roles import COPY, FS, Roles
from support import wait_for

# 20 took five minutes beside two other labs, 50 took 37 on a busy machine.
ROUNDS = int(os.environ.get("ZREPD_FAILOVER_ROUNDS", "12"))

# Appends numbered records and notes each one, elsewhere, once fsync has returned. It opens the file anew
# whenever it cannot write, and never makes it: below an unmounted filesystem there is none.
WRITER = r"""
import os, sys, time
path, noted = sys.argv[1], open(sys.argv[2], "a", buffering=1)
while True:
    try:
        with open(path, "rb") as old:
            last = int(old.read().split()[-1])
        out = os.open(path, os.O_WRONLY | os.O_APPEND)
    except (OSError, IndexError):
        time.sleep(0.02)
        continue
    try:
        while True:
            last += 1
            os.write(out, b"%09d\n" % last)
            os.fsync(out)
            noted.write("%d\n" % last)
            time.sleep(0.005)
    except OSError:
        pass
    os.close(out)
"""
RECORDS = "/tank/fs/records"
NOTED = "/run/noted"


class UnderLoad(Roles):
    def start_writer(self, host):
        host.run(["tee", "/run/writer.py"], input=WRITER)
        host.run(f"rm -f {NOTED}; setsid python3 /run/writer.py {RECORDS} {NOTED} </dev/null >/run/writer.log 2>&1 & "
                 "echo $! > /run/writer.pid")
        self.addCleanup(host.run, 'kill -9 "$(cat /run/writer.pid)"', check=False)

    def noted(self, host):
        return [int(line) for line in host.run(f"cat {NOTED} 2>/dev/null", check=False).out.split()]

    def count(self, host):
        return int(host.run(f"cat {NOTED} 2>/dev/null | wc -l").out)

    def test_every_fsynced_record_is_there_in_order_and_once(self):
        self.alpha.run(f"echo 000000000 > {RECORDS}")
        for host in (self.alpha, self.beta):
            self.start_writer(host)
        for number in range(ROUNDS):
            (host, dataset), (other, _) = self.sides()[::1 if number % 2 == 0 else -1]
            before = self.count(host)
            wait_for(f"{host.name} takes records in round {number}", 30,
                     lambda host=host, before=before: self.count(host) > before + 2)
            self.zrepctl("failover", dataset, on=host.name, timeout=180)
            self.assert_master(other.name, 30)
        wait_for("the last master takes records", 30, lambda n=self.count(other): self.count(other) > n)
        for host in (self.alpha, self.beta):
            host.run('kill "$(cat /run/writer.pid)"; sleep 0.2')
        written = [int(line) for line in other.run(f"cat {RECORDS}").out.split()]
        self.assertEqual(written, list(range(len(written))), "in order, none twice, none missing")
        noted = sorted(self.noted(self.alpha) + self.noted(self.beta))
        self.assertEqual(sorted(set(noted) - set(written)), [], "what fsync acknowledged is there")
        self.assertGreater(len(noted), ROUNDS * 3)
        print(f"{ROUNDS} failovers, {len(noted)} records acknowledged, {len(written)} there")


if __name__ == "__main__":
    unittest.main()
