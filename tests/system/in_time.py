# SPDX-License-Identifier: BSD-2-Clause
"""usage: in_time.py MODULE...

python3 -m unittest -v, but no test begins after ZREPD_TESTS_UNTIL, in seconds since 1970: a machine that is slower
than others runs the tests that come first, and says which it left out. Those are skipped, and their names are appended
to the file ZREPD_TESTS_LEFT_OUT. Without ZREPD_TESTS_UNTIL all of them run."""
import os
import sys
import time
import unittest

UNTIL = float(os.environ.get("ZREPD_TESTS_UNTIL") or "inf")


def leave_out(test):
    path = os.environ.get("ZREPD_TESTS_LEFT_OUT")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(test + "\n")


def run_in_time(run):
    def wrapped(self, result=None):
        if time.time() < UNTIL or result is None:
            return run(self, result)
        leave_out(self.id())
        result.startTest(self)
        result.addSkip(self, "no time is left for it")
        result.stopTest(self)
        return result
    return wrapped


def main(modules):
    # Before the first class of a file boots its hosts for nothing.
    if time.time() >= UNTIL:
        for module in modules:
            leave_out(module)
            print(f"{module}: no time is left for it")
        return 0
    unittest.TestCase.run = run_in_time(unittest.TestCase.run)
    sys.path.insert(0, os.getcwd())
    result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromNames(modules))
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
