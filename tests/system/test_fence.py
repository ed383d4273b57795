# SPDX-License-Identifier: BSD-2-Clause
"""zrep:fence=boot: an old master that comes back is written to by nobody, at no moment."""
import json
import unittest

from roles import COPY, FS, Roles
from support import wait_for

# Tries to write to what is mounted at argv[1] every 50 ms, as a user would: not to the directory below it.
PROBER = """
import json, os, sys, time
path, log = sys.argv[1], open(sys.argv[2], "w", buffering=1)
while True:
    try:
        below = os.stat(os.path.dirname(path)).st_dev
        with open(os.path.join(path, "probe"), "w") as probe:
            if os.fstat(probe.fileno()).st_dev != below:
                probe.write("x")
                probe.flush()
                os.fsync(probe.fileno())
                log.write(json.dumps(time.time()) + "\\n")
            else:
                os.unlink(probe.name)
    except OSError:
        pass
    time.sleep(0.05)
"""
INSTALL = "install /lab/bin/zrepd /usr/sbin/; install /lab/bin/zrepctl /usr/bin/"


class Fence(Roles):
    def setUp(self):
        super().setUp()
        self.zrepctl("set", FS, "fence=boot")
        self.zrepctl("set", COPY, "fence=boot", on="beta")
        wait_for("canmount follows", 20, lambda: self.get(self.alpha, "canmount", FS) == "noauto")
        self.assertEqual(self.get(self.alpha, "mounted", FS), "yes")
        self.assertEqual(self.get(self.alpha, "zrep:canmount", FS), "on")

    def probe(self, host):
        host.run("cat > /run/prober.py", input=PROBER)
        host.run("setsid python3 /run/prober.py /tank/fs /run/probed >/dev/null 2>&1 </dev/null & ")

    def probed(self, host):
        """When it succeeded."""
        return [json.loads(line) for line in host.run("cat /run/probed 2>/dev/null || true").out.splitlines()]

    def power_cycle(self, zrepd=True):
        self.alpha.cut()
        self.alpha.boot()
        self.probe(self.alpha)
        if zrepd:
            self.zrepd["alpha"].start(first=INSTALL)

    def test_an_old_master_that_boots_is_never_written_to(self):
        self.alpha.run("echo late > /tank/fs/late; zpool sync")
        self.alpha.cut()
        self.zrepctl("takeover", "-L", COPY, on="beta")
        self.probe(self.beta)
        wait_for("the new master takes writes", 20, lambda: self.probed(self.beta))
        # Nobody hears anybody: what it cannot know yet is what it must not guess.
        self.addCleanup(self.lab.link, "beta", "up")
        self.lab.link("beta", "down")
        self.alpha.boot()
        self.probe(self.alpha)
        self.alpha.run("zfs mount -a")
        self.zrepd["alpha"].start(first=INSTALL)
        wait_for("status says what it waits for", 60, lambda: self.status(FS)["fenced"])
        error = self.status(FS)["last_error"]
        self.assertIn("zrepctl unfence 'tank/fs'", error["remedy"])
        self.assertEqual(self.get(self.alpha, "mounted", FS), "no")
        self.lab.link("beta", "up")
        self.assert_master("beta", seconds=150)
        self.assertEqual(self.probed(self.alpha), [])
        self.assertFalse(self.status(FS)["fenced"])
        self.assertEqual(self.get(self.beta, "canmount", COPY), "noauto")
        self.assertEqual(self.get(self.beta, "mounted", COPY), "yes")

    def test_a_master_that_was_not_overtaken_is_served_again(self):
        self.power_cycle()
        wait_for("it is mounted", 60, lambda: self.get(self.alpha, "mounted", FS) == "yes")
        wait_for("it is written to", 20, lambda: self.probed(self.alpha))
        self.assertFalse(self.status(FS)["fenced"])
        # zrepd alone: nothing changes for those who use it.
        self.addCleanup(self.lab.link, "beta", "up")
        self.lab.link("beta", "down")
        self.zrepd["alpha"].kill()
        self.zrepd["alpha"].start()
        self.assertEqual(self.get(self.alpha, "mounted", FS), "yes")
        self.assertFalse(self.status(FS)["fenced"])

    def test_without_the_peer_an_operator_decides(self):
        self.addCleanup(self.lab.link, "beta", "up")
        self.lab.link("beta", "down")
        self.power_cycle()
        wait_for("it waits", 60, lambda: self.status(FS)["fenced"])
        self.assertEqual(self.probed(self.alpha), [])
        self.assertIn("without the word of beta", self.zrepctl("unfence", "--dry-run", FS).out)
        self.zrepctl("unfence", FS)
        wait_for("it is written to", 20, lambda: self.probed(self.alpha))
        self.assertFalse(self.status(FS)["fenced"])
        self.zrepctl("unfence", FS, code=5)

    def test_taken_away_it_leaves_no_trace(self):
        self.zrepctl("set", FS, "fence=off")
        wait_for("canmount is back", 20, lambda: self.get(self.alpha, "canmount", FS) == "on")
        wait_for("so is all else", 20, lambda: self.get(self.alpha, "zrep:canmount", FS) == "-")
        self.assertEqual(self.get(self.alpha, "mounted", FS), "yes")
        self.power_cycle(zrepd=False)
        self.assertEqual(self.get(self.alpha, "mounted", FS), "yes")
        self.zrepd["alpha"].start(first=INSTALL)


if __name__ == "__main__":
    unittest.main()
