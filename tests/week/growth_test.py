# SPDX-License-Identifier: BSD-2-Clause
"""That growth is seen where there is some, and not where there is none."""
import unittest

from growth import Sample, grown, head, line


def samples(count=12, host="alpha", life=1, **changes):
    """One every 100 syncs; `changes` are what each has, by its number."""
    steady = {"rss_kib": 15000, "descriptors": 20, "threads": 1, "children": 1, "snapshots": 100, "holds": 20, "bookmarks": 60,
              "datasets": 21, "log_bytes": 5000}
    return [Sample(host=host, life=life, syncs=100 * n, failovers=n, worked=100 * n,
                   **{**steady, **{key: change(n) for key, change in changes.items()}}) for n in range(count)]


class Growth(unittest.TestCase):
    def wrong(self, found, pairs=20, warm_up=300):
        return grown(found, pairs, warm_up)[0]

    def test_nothing_grows(self):
        wrong, seen = grown(samples(), 20, 300)
        self.assertEqual((wrong, len(seen)), ([], 8))

    def test_descriptors_more_than_a_connection(self):
        self.assertEqual(self.wrong(samples(descriptors=lambda n: 24 if n >= 9 else 20)), [])
        self.assertEqual(self.wrong(samples(descriptors=lambda n: 25 if n >= 9 else 20)),
                         ["zrepd 1 on alpha: descriptors grew from 20 to 25, 4 more are allowed"])

    def test_a_thread_more(self):
        self.assertEqual(self.wrong(samples(threads=lambda n: 2 if n >= 9 else 1)),
                         ["zrepd 1 on alpha: threads grew from 1 to 2, 0 more are allowed"])

    def test_children_more_than_a_connection(self):
        self.assertEqual(self.wrong(samples(children=lambda n: 2 if n >= 9 else 1)), [])
        self.assertEqual(self.wrong(samples(children=lambda n: 3 if n >= 9 else 1)),
                         ["zrepd 1 on alpha: children grew from 1 to 3, 1 more are allowed"])

    def test_a_single_look_at_a_busy_moment_is_not_growth(self):
        self.assertEqual(self.wrong(samples(descriptors=lambda n: 28 if n == 11 else 20)), [])

    def test_memory_that_grows_all_the_time(self):
        self.assertEqual(len(self.wrong(samples(rss_kib=lambda n: 15000 + 200 * n))), 1)

    def test_memory_of_the_warm_up_does_not_count(self):
        self.assertEqual(self.wrong(samples(rss_kib=lambda n: 15000 if n >= 3 else 9000)), [])

    def test_each_zrepd_is_judged_alone(self):
        later = samples(life=2, rss_kib=lambda n: 20000)
        self.assertEqual(self.wrong(samples() + later), [])

    def test_what_is_left_in_the_pools(self):
        for key, step in (("snapshots", 2), ("holds", 1), ("bookmarks", 2), ("datasets", 1)):
            self.assertEqual(len(self.wrong(samples(**{key: lambda n, step=step: 100 + step * n}))), 1, key)

    def test_too_few_looks_prove_nothing(self):
        wrong, seen = grown(samples(count=8), 20, 300)
        self.assertEqual((len(wrong), seen), (1, []))
        self.assertIn("nothing is known", wrong[0])

    def test_the_table_has_a_column_for_each_figure(self):
        self.assertEqual(head().splitlines()[0].count("|"), line(samples()[0]).count("|"))


if __name__ == "__main__":
    unittest.main()
