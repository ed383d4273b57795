# SPDX-License-Identifier: BSD-2-Clause
"""zrep:fence: an old master that comes back, or that nobody hears any more, is written to by nobody, at no moment."""
import json
import time
import unittest

from roles import COPY, FS, Roles
from support import wait_for

# Tries to write to what is mounted at argv[1] every 50 ms, as a user would: not to the directory below it.
PROBER = """
import json, os, sys, time
path, log = sys.argv[1], open(sys.argv[2], "w", buffering=1)
while True:
    try:
        # A file in the directory below would be in the way of the next mount.
        device = os.stat(path).st_dev
        if device != os.stat(os.path.dirname(path)).st_dev:
            with open(os.path.join(path, "probe"), "w") as probe:
                if os.fstat(probe.fileno()).st_dev == device:
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


class Probed(Roles):
    """Users of /tank/fs on both hosts, who try to write all the time."""

    def probe(self, host):
        host.run("cat > /run/prober.py", input=PROBER)
        host.run("rm -f /run/probed; setsid python3 /run/prober.py /tank/fs /run/probed >/dev/null 2>&1 </dev/null & "
                 "echo $! > /run/prober.pid")
        self.addCleanup(host.run, "kill $(cat /run/prober.pid) 2>/dev/null; true", check=False)

    def probed(self, host):
        """When it succeeded."""
        return [json.loads(line) for line in host.run("cat /run/probed 2>/dev/null || true").out.splitlines()]


class Fence(Probed):
    def setUp(self):
        super().setUp()
        self.zrepctl("set", FS, "fence=boot")
        self.zrepctl("set", COPY, "fence=boot", on="beta")
        wait_for("canmount follows", 20, lambda: self.get(self.alpha, "canmount", FS) == "noauto")
        self.assertEqual(self.get(self.alpha, "mounted", FS), "yes")
        self.assertEqual(self.get(self.alpha, "zrep:canmount", FS), "on")

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


LEASE = 5
CLOCK_SECONDS = 0.5  # by which a guest's clock may differ from another's
WAIT = LEASE * 5 / 4 + 10


class Leased(Probed):
    """alpha is the master under a lease, and takes writes."""

    daemon_options = ("--lease-time", f"{LEASE}s")
    note = f"wait={int(WAIT * 1000)}ms"

    def setUp(self):
        super().setUp()
        self.zrepctl("set", FS, "fence=lease")
        self.zrepctl("set", COPY, "fence=lease", on="beta")
        wait_for("beta confirmed it", 30, lambda: "lease_confirmed" in self.zrepd["alpha"].log())
        wait_for("beta knows that alpha counts on it", 20, lambda: self.get(self.beta, "zrep:lease", COPY) == self.note)
        self.assertIsNone(self.status(FS).get("last_error"))
        for host in (self.alpha, self.beta):
            self.probe(host)
        wait_for("the master takes writes", 20, lambda: self.probed(self.alpha))

    def part(self, *names):
        """What these hosts send to the other one gets lost; the lab still reaches both."""
        for name in names:
            other = "beta" if name == "alpha" else "alpha"
            self.addCleanup(self.lab.link, name, "unmute", other)
            self.lab.link(name, "mute", other)

    def heal(self, *names):
        for name in names:
            self.lab.link(name, "unmute", "beta" if name == "alpha" else "alpha")

    def clocks_agree(self):
        """Both hosts have the clock of the machine that they run on, which a busy one's guests read late."""
        for host in (self.alpha, self.beta):
            before = time.time()
            there = float(host.run("date +%s.%N").out)
            self.assertLess(before - CLOCK_SECONDS, there)
            self.assertLess(there, time.time() + CLOCK_SECONDS)

    def take_over(self):
        """Of two sides that both live and cannot hear each other; when it began."""
        asked = time.time()
        dry = self.zrepctl("takeover", "-L", "--dry-run", COPY, on="beta").out
        self.assertIn("wait until the lease of alpha has run out", dry)
        self.zrepctl("takeover", "-L", COPY, on="beta")
        wait_for("the new master takes writes", 20, lambda: self.probed(self.beta))
        return asked

    def assert_one_after_the_other(self):
        self.clocks_agree()
        before, after = self.probed(self.alpha), self.probed(self.beta)
        print(f"alpha's last write {after[0] - before[-1]:.2f} s before beta's first one; "
              f"{len(before)} and {len(after)} writes", flush=True)
        self.assertLess(before[-1] + CLOCK_SECONDS, after[0])


class Lease(Leased):
    def assert_taken_over_without_overlap(self, *cut):
        self.part(*cut)
        asked = self.take_over()
        # Not for want of trying: alpha wrote after the operator's command had been given.
        self.assertGreater(self.probed(self.beta)[0], asked + LEASE)
        self.assertEqual(self.get(self.alpha, "readonly", FS), "on")
        if cut:  # else it has heard of it already
            self.assertEqual(self.get(self.alpha, "mounted", FS), "yes")
        self.assert_one_after_the_other()
        self.heal(*cut)
        self.assert_master("beta", seconds=150)
        self.assert_one_after_the_other()
        self.assertFalse(self.status(FS)["fenced"])
        self.assertIn(self.get(self.beta, "zrep:lease", COPY), ("", "-"))

    def test_a_partition_of_two_hosts_that_live(self):
        self.assert_taken_over_without_overlap("alpha", "beta")

    def test_a_master_that_is_not_heard(self):
        self.assert_taken_over_without_overlap("alpha")

    def test_a_master_that_hears_nothing(self):
        self.assert_taken_over_without_overlap("beta")

    def test_no_partition_at_all(self):
        self.assert_taken_over_without_overlap()

    def test_without_a_takeover_it_is_writable_again_by_itself(self):
        cut_at = time.time()
        self.part("alpha", "beta")
        wait_for("it is readonly", LEASE + 10, lambda: self.get(self.alpha, "readonly", FS) == "on")
        status = self.status(FS)
        self.assertTrue(status["fenced"])
        self.assertEqual(status["fence"], "lease")
        self.assertIn("nobody confirmed in time", status["last_error"]["message"])
        self.assertIn("zrepctl unfence 'tank/fs'", status["last_error"]["remedy"])
        last = self.probed(self.alpha)[-1]
        self.assertLess(last, cut_at + LEASE + 2)
        self.heal("alpha", "beta")
        wait_for("it is writable", 120, lambda: self.probed(self.alpha)[-1] > last)
        wait_for("and all is well", 60, lambda: not self.status(FS)["fenced"])
        self.assert_master("alpha", seconds=30)
        self.assertEqual(self.probed(self.beta), [])

    def test_zrepd_that_is_started_anew_prolongs_nothing(self):
        self.part("alpha", "beta")
        cut_at = time.time()
        for _ in range(2):
            self.zrepd["alpha"].kill()
            self.zrepd["alpha"].start(*self.daemon_options)
        wait_for("it is readonly", LEASE + 10, lambda: self.get(self.alpha, "readonly", FS) == "on")
        self.assertLess(self.probed(self.alpha)[-1], cut_at + LEASE + 2)

    def test_an_operators_word_opens_it(self):
        self.part("alpha", "beta")
        wait_for("it is readonly", LEASE + 10, lambda: self.status(FS)["fenced"])
        last = self.probed(self.alpha)[-1]
        self.zrepctl("unfence", FS)
        wait_for("it is writable", 20, lambda: self.probed(self.alpha)[-1] > last)
        self.assertIn("not confirmed yet", self.status(FS)["last_error"]["message"])

    def test_an_operator_who_saw_that_the_master_is_off_need_not_wait(self):
        self.alpha.cut()
        asked = time.time()
        self.zrepctl("takeover", "-L", "--master-is-off", COPY, on="beta")
        wait_for("the new master takes writes", 20, lambda: self.probed(self.beta))
        self.assertLess(time.time(), asked + LEASE + 5)


class Witness(Leased):
    """With a folder that both hosts see."""

    daemon_options = (*Leased.daemon_options, "--witness", "/lab/witness")
    note = f"{Leased.note} witness=/lab/witness"

    def setUp(self):
        folder = self.lab.stage / "witness"
        folder.mkdir(exist_ok=True)
        for record in folder.iterdir():
            record.unlink()
        super().setUp()
        wait_for("both sides have a record there", 20, lambda: len(list(folder.iterdir())) == 2)
        self.part("alpha", "beta")

    def test_a_master_that_reaches_it_stays_and_is_not_taken_over(self):
        time.sleep(LEASE + 3)
        self.assertEqual(self.get(self.alpha, "readonly", FS), "off")
        refused = self.zrepctl("takeover", "-L", COPY, on="beta", code=5)
        self.assertIn("still holds its lease at the witness", refused.err)
        asked = time.time()
        wait_for("alpha goes on", 10, lambda: self.probed(self.alpha)[-1] > asked)
        self.assertEqual(self.probed(self.beta), [])
        self.heal("alpha", "beta")
        self.assert_master("alpha", seconds=30)

    def test_a_master_that_reaches_nobody_is_taken_over_after_its_last_write(self):
        # As where the shared folder is not mounted: an empty one, in which it hears itself alone.
        self.alpha.run("mount -t tmpfs none /lab/witness")
        self.addCleanup(self.alpha.run, "umount /lab/witness 2>/dev/null; true", check=False)
        self.take_over()
        self.assertEqual(self.get(self.alpha, "readonly", FS), "on")
        self.alpha.run("umount /lab/witness")
        time.sleep(2 * LEASE)
        self.assert_one_after_the_other()
        self.heal("alpha", "beta")
        self.assert_master("beta", seconds=150)
        self.assert_one_after_the_other()


if __name__ == "__main__":
    unittest.main()
