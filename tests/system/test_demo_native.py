# SPDX-License-Identifier: BSD-2-Clause
"""tests/demo --native, on a machine that has OpenZFS: a lab host is one."""
import os
import pathlib
import unittest

from support import ROOT, Case, q

# On a lab host, mounts of its own hide what this machine has in /tmp and /run: the tree and the build
# are put where they are here, for reading.
SHOW = 'mkdir -p "$1" && mount -r -t hostfs -o "$1" tree "$1"'

LOOK = "mkdir -p /run/lock; zpool list -Ho name; zfs list -Ho name -t all; ls -A /var/tmp /run/lock; mount"


class DemoNative(Case):
    def test_demo_on_the_machines_own_zfs(self):
        build = pathlib.Path(os.environ.get("ZREPD_BUILD", ROOT / "build/release")).resolve()
        for folder in sorted({str(ROOT), str(build)}):
            self.alpha.run(["sh", "-c", SHOW, "show", folder])
            self.addCleanup(self.alpha.run, ["umount", folder])
        self.zrepd["alpha"].stop()
        before = self.alpha.run(LOOK).out
        done = self.alpha.run("cd / && ZREPD_BUILD=%s timeout 500 %s --native" % (q(str(build)), q(f"{ROOT}/tests/demo")),
                              check=False, timeout=520)
        self.assertEqual(done.code, 0, done)
        self.assertIn("file-backed pools of this machine's own zfs-" + self.lab.zfs, done.out)
        self.assertIn("resumed zrepd_demo_a/fs@zrep_000002", done.out)
        self.assertIn("equal on both sides, byte for byte", done.out)
        # A guest on a busy machine may be too slow for the README's time, which is said and no fault.
        self.assertEqual([line for line in done.err.splitlines() if " is more than the " not in line], [])
        self.assertEqual(self.alpha.run(LOOK).out, before)
        self.assertEqual(self.alpha.run("pgrep -x zrepd", check=False).out, "")


if __name__ == "__main__":
    unittest.main()
