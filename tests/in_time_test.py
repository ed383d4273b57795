# SPDX-License-Identifier: BSD-2-Clause
"""system/in_time.py: what begins in time runs and counts; what does not is skipped, and named."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

IN_TIME = pathlib.Path(__file__).resolve().parent / "system/in_time.py"
MODULE = """
import os, time, unittest
class Some(unittest.TestCase):
    def test_a(self):
        time.sleep(float(os.environ.get("TAKES", "0")))
    def test_b(self):
        self.assertEqual(os.environ.get("GOOD", "yes"), "yes")
"""


class InTime(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "some.py").write_text(MODULE)

    def run_some(self, until=None, **environment):
        left = self.folder / "left_out"
        left.unlink(missing_ok=True)
        environment = {**os.environ, "ZREPD_TESTS_LEFT_OUT": str(left), "PYTHONDONTWRITEBYTECODE": "1", **environment}
        environment.pop("ZREPD_TESTS_UNTIL", None)
        if until is not None:
            environment["ZREPD_TESTS_UNTIL"] = str(until)
        done = subprocess.run([sys.executable, IN_TIME, "some"], cwd=self.folder, env=environment, capture_output=True,
                              text=True, timeout=60)
        return done, left.read_text().split() if left.exists() else []

    def test_without_a_limit_all_run(self):
        done, left = self.run_some()
        self.assertEqual((done.returncode, left), (0, []))
        self.assertIn("Ran 2 tests", done.stderr)

    def test_what_fails_in_time_fails(self):
        for until in (None, time.time() + 600):
            done, left = self.run_some(until, GOOD="no")
            self.assertEqual((done.returncode, left), (1, []))

    def test_what_begins_too_late_is_named(self):
        done, left = self.run_some(time.time() + 1.5, TAKES="2")
        self.assertEqual((done.returncode, left), (0, ["some.Some.test_b"]), done.stderr)
        self.assertIn("no time is left for it", done.stderr)

    def test_a_whole_file_may_be_too_late(self):
        done, left = self.run_some(time.time() - 1)
        self.assertEqual((done.returncode, left), (0, ["some"]))
        self.assertNotIn("Ran", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
