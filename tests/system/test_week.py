# SPDX-License-Identifier: BSD-2-Clause
"""The short form of tests/week/run: syncs, failovers, rotated logs and restarts, and every record on both sides after
them. Too short to see memory grow; what is left in the pools is seen."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "week"))
import week as work  # noqa: E402  (the path has to be set first)

PAIRS, SYNCS, FAILOVERS, RESTARTS = 2, 12, 2, 2


class ShortWeek(unittest.TestCase):
    def test_nothing_is_lost_or_left(self):
        week = work.Week(PAIRS)
        work.run(week, SYNCS, FAILOVERS, RESTARTS, every=SYNCS // 2)
        self.assertGreaterEqual((week.syncs, week.failovers), (SYNCS, FAILOVERS))
        self.assertEqual(week.restarts, RESTARTS)
        for host in work.HOSTS:
            last = [sample for sample in week.samples if sample.host == host][-1]
            self.assertEqual((last.holds, last.datasets), (PAIRS, PAIRS + 1), last)
            self.assertLessEqual(last.snapshots, 6 * PAIRS, last)


if __name__ == "__main__":
    unittest.main()
