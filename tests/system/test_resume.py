# SPDX-License-Identifier: BSD-2-Clause
"""A stream that is cut off goes on where it was, whatever cut it off, and nobody cleans up by hand."""
import json
import unittest

from support import Case, wait_for

MEGA = 1 << 20
WHOLE = 24  # MiB of the stream that is cut off
ENOUGH = 8  # MiB that are over before it is
LIMIT = "4M"  # a second, so that there is time to do it


class Resume(Case):
    daemon_options = ("--stall-timeout", "5s")

    def make_pair(self):
        self.alpha.run(["zfs", "create", "tank/fs"])
        self.write("tank/fs", "first")
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")

    def begin(self, *words):
        """Starts a slow run; returns its client once it is in the middle of the stream."""
        self.write("tank/fs", "big", WHOLE)
        self.zrepctl("set", "tank/fs", "limit=" + LIMIT)
        client = self.alpha.spawn(["zrepctl", *words])
        self.addCleanup(client.kill)
        wait_for("the stream is in its middle", 40, self.in_the_middle, step=0.5)
        return client

    def in_the_middle(self):
        done = self.alpha.run("zrepctl status --json tank/fs", check=False)
        running = json.loads(done.out)["pairs"][0].get("running") if done.code == 0 else None
        return running and running["phase"] == "sending" and running["bytes"] >= ENOUGH * MEGA

    def ends(self, client, code):
        """What the client of the cut-off run said."""
        out, err = client.communicate(timeout=90)
        self.assertEqual(client.returncode, code, out + err)
        return err

    def make_durable(self):
        """What the target has received is on disk, as it is some seconds later anyway."""
        self.beta.run("zpool sync backup")

    def restart(self, name):
        self.lab.host(name).boot()
        self.zrepd[name].start(*self.daemon_options)

    def assert_nothing_survives(self):
        """No zfs, ssh or zrepctl peer on a host whose zrepd was killed, nor what it had started elsewhere."""
        def left():
            return self.children("alpha") + self.children("beta") + [
                line for line in self.beta.run("ps -eo args --no-headers").out.splitlines()
                if line.startswith("zrepctl peer")]
        wait_for("no child survives", 10, lambda: not left())

    def assert_resumes(self, *words, source="tank/fs", target="backup/fs"):
        """The next try sends the rest, no more, and both sides are in step."""
        self.assertNotEqual(self.get(self.beta, "receive_resume_token", target), "-")
        self.zrepctl("set", source, "limit=")
        self.count_calls()
        # A link that was down is tried again by itself; how soon is not what is tested here.
        wait_for(f"{words} works again", 60,
                 lambda: self.try_again(*words), step=1)
        result = self.last["runs"][0]["results"][0]
        self.assertTrue(result["resumed"], result)
        self.assertIn("resumed", result["text"])
        self.assertLess(result["bytes"], (WHOLE - 2) * MEGA, result)
        sends = [line for line in self.calls("alpha") if line.startswith("zfs send") and " -n" not in line]
        self.assertEqual(len([line for line in sends if " -t " in line]), 1, sends)
        self.assertEqual(self.get(self.beta, "receive_resume_token", target), "-")
        self.assert_in_step(source, target)
        self.assert_same_data(source, target)

    def try_again(self, *words):
        done = self.alpha.run(["zrepctl", *words, "--json"], check=False, timeout=120)
        self.last = json.loads(done.out)
        return done.code == 0

    def test_cut_link(self):
        self.make_pair()
        client = self.begin("sync", "tank/fs")
        self.lab.link("beta", "down")
        error = self.ends(client, 1)
        self.assertIn("no byte moved for 5 s", error)
        self.assertIn("beta", error)
        self.assertIn("next:", error)
        pair = self.status("tank/fs")
        self.assertEqual(pair["health"], "failing")
        self.assertEqual(pair["last_error"]["kind"], "stalled")
        self.lab.link("beta", "up")
        self.assert_resumes("sync", "tank/fs")

    def test_killed_source(self):
        self.make_pair()
        client = self.begin("sync", "tank/fs")
        self.zrepd["alpha"].kill()
        self.assertIn("zrepd went away", self.ends(client, 3))
        self.assert_nothing_survives()
        self.zrepd["alpha"].start(*self.daemon_options)
        self.assertEqual(self.status("tank/fs")["pending_snapshots"], 1)
        self.assert_resumes("sync", "tank/fs")
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000000", "zrep_000001"])

    def test_killed_target(self):
        self.make_pair()
        client = self.begin("sync", "tank/fs")
        self.zrepd["beta"].kill()
        error = self.ends(client, 1)
        self.assertIn("beta", error)
        self.assertIn("next:", error)
        self.assert_nothing_survives()
        self.zrepd["beta"].start(*self.daemon_options)
        self.assert_resumes("sync", "tank/fs")

    def test_init_whose_source_is_killed(self):
        self.alpha.run(["zfs", "create", "tank/fs"])
        client = self.begin("init", "tank/fs", "beta", "backup/fs")
        self.zrepd["alpha"].kill()
        self.ends(client, 3)
        self.assert_nothing_survives()
        self.zrepd["alpha"].start(*self.daemon_options)
        pair = self.status("tank/fs")
        self.assertEqual((pair["role"], pair["health"]), ("initializing", "failing"))
        done = self.zrepctl("sync", "tank/fs", code=5)
        self.assertIn("zrepctl init 'tank/fs' beta 'backup/fs' again", done.err)
        self.assert_resumes("init", "tank/fs", "beta", "backup/fs")
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000000"])
        self.assertEqual(self.get(self.alpha, "zrep:inprogress", "tank/fs"), "-")

    def test_init_whose_target_is_killed(self):
        self.alpha.run(["zfs", "create", "tank/fs"])
        client = self.begin("init", "tank/fs", "beta", "backup/fs")
        self.zrepd["beta"].kill()
        self.assertIn("again; it continues", self.ends(client, 1))
        self.zrepd["beta"].start(*self.daemon_options)
        self.assert_resumes("init", "tank/fs", "beta", "backup/fs")

    def test_power_cut_of_the_target(self):
        self.make_pair()
        client = self.begin("sync", "tank/fs")
        self.make_durable()
        self.beta.cut()
        error = self.ends(client, 1)
        self.assertIn("beta", error)
        self.restart("beta")
        self.assert_resumes("sync", "tank/fs")

    def test_power_cut_of_the_source(self):
        self.make_pair()
        client = self.begin("sync", "tank/fs")
        self.make_durable()
        self.alpha.cut()
        client.wait(timeout=30)
        self.restart("alpha")
        self.assert_resumes("sync", "tank/fs")

    def test_encrypted(self):
        self.alpha.run("echo secret-of-sixteen > /run/key; "
                       "zfs create -o encryption=on -o keyformat=passphrase -o keylocation=file:///run/key "
                       "tank/fs")
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")
        client = self.begin("sync", "tank/fs")
        self.zrepd["alpha"].kill()
        self.ends(client, 3)
        self.zrepd["alpha"].start(*self.daemon_options)
        self.beta.run("echo secret-of-sixteen > /run/key; zfs set keylocation=file:///run/key backup/fs", check=False)
        self.zrepctl("set", "tank/fs", "limit=")
        self.zrepctl("sync", "tank/fs")
        self.beta.run("zfs load-key -L file:///run/key backup/fs")
        self.assert_in_step("tank/fs", "backup/fs")
        self.assert_same_data("tank/fs", "backup/fs")

    def test_token_whose_snapshot_is_gone(self):
        self.make_pair()
        client = self.begin("sync", "tank/fs")
        self.zrepd["alpha"].kill()
        self.ends(client, 3)
        self.assert_nothing_survives()
        self.alpha.run("zfs destroy tank/fs@zrep_000001")
        self.zrepd["alpha"].start(*self.daemon_options)
        self.zrepctl("set", "tank/fs", "limit=")
        plan = self.zrepctl("sync", "--dry-run", "tank/fs").out
        self.assertIn("discard the partly received stream", plan)
        self.zrepctl("sync", "tank/fs")
        self.assertIn("zrep_000001", self.zrepd["alpha"].log())
        self.assertEqual(self.get(self.beta, "receive_resume_token", "backup/fs"), "-")
        self.assert_in_step("tank/fs", "backup/fs")
        self.assert_same_data("tank/fs", "backup/fs")


if __name__ == "__main__":
    unittest.main()
