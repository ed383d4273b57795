# SPDX-License-Identifier: BSD-2-Clause
"""A stream that is cut off goes on where it was, whatever cut it off, and nobody cleans up by hand."""
import unittest

from streams import StreamCase
from support import q, wait_for


class Resume(StreamCase):
    daemon_options = ("--stall-timeout", "5s")

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
        self.restart("alpha")
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
        self.restart("beta")
        self.assert_resumes("sync", "tank/fs")

    def test_init_whose_source_is_killed(self):
        self.alpha.run(["zfs", "create", "tank/fs"])
        client = self.begin("init", "tank/fs", "beta", "backup/fs")
        self.zrepd["alpha"].kill()
        self.ends(client, 3)
        self.restart("alpha")
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
        self.restart("beta")
        self.assert_resumes("init", "tank/fs", "beta", "backup/fs")

    def test_power_cut_of_the_target(self):
        self.make_pair()
        client = self.begin("sync", "tank/fs")
        self.beta.run("zpool sync backup")  # as happens by itself every few seconds
        self.beta.cut()
        error = self.ends(client, 1)
        self.assertIn("beta", error)
        self.assertIn("next:", error)
        self.beta.boot()
        self.start("beta")
        self.assert_resumes("sync", "tank/fs")

    def test_power_cut_of_the_source(self):
        self.make_pair()
        client = self.begin("sync", "tank/fs")
        self.beta.run("zpool sync backup")  # as happens by itself every few seconds
        self.alpha.cut()
        self.alpha.boot()
        self.start("alpha")
        self.assert_resumes("sync", "tank/fs")

    def test_encrypted_filesystem(self):
        self.alpha.run("echo secret-of-sixteen > /run/key; "
                       "zfs create -o encryption=on -o keyformat=passphrase -o keylocation=file:///run/key "
                       "tank/fs")
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")
        client = self.begin("sync", "tank/fs")
        self.zrepd["alpha"].kill()
        self.ends(client, 3)
        self.restart("alpha")
        self.beta.run("echo secret-of-sixteen > /run/key; zfs load-key -L file:///run/key backup/fs")
        self.assert_resumes("sync", "tank/fs")

    def test_volume(self):
        def write(_dataset, _name, megabytes):
            self.alpha.run(f"dd if=/dev/urandom of=/dev/zd0 bs=1M count={megabytes} status=none; sync; zpool sync tank")

        self.alpha.run("zfs create -s -V 32M tank/fs; for i in $(seq 50); do [ ! -e /dev/zd0 ] || break; sleep 0.1; done")
        write("tank/fs", "first", 1)
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")
        client = self.begin("sync", "tank/fs", write=write)
        self.zrepd["beta"].kill()
        self.ends(client, 1)
        self.restart("beta")
        self.assert_resumes("sync", "tank/fs")

    def test_other_pool_of_this_host(self):
        """One zrepd has both ends of the stream, and both end with it."""
        self.alpha.run("zpool create -f other /dev/ubdb; zfs create tank/fs")
        self.write("tank/fs", "first")
        self.zrepctl("init", "tank/fs", "localhost", "other/fs")
        client = self.begin("sync", "tank/fs")
        self.zrepd["alpha"].kill()
        self.assertIn("zrepd went away", self.ends(client, 3))
        self.restart("alpha")
        self.assert_resumes("sync", "tank/fs", target="other/fs", to=self.alpha)

    def test_token_whose_snapshot_is_gone(self):
        self.make_pair()
        client = self.begin("sync", "tank/fs")
        self.zrepd["alpha"].kill()
        self.ends(client, 3)
        self.assert_nothing_survives()
        self.alpha.run("zfs destroy tank/fs@zrep_000001")
        self.restart("alpha")
        self.zrepctl("set", "tank/fs", "limit=")
        plan = self.zrepctl("sync", "--dry-run", "tank/fs").out
        self.assertIn("discard the partly received stream", plan)
        done = self.zrepctl("sync", "tank/fs")
        self.assertIn("could not be continued, beta discarded", done.out)
        self.assertIn("dead_resume_token", self.zrepd["alpha"].log())
        self.assertEqual(self.get(self.beta, "receive_resume_token", "backup/fs"), "-")
        self.assert_in_step("tank/fs", "backup/fs")
        self.assert_same_data("tank/fs", "backup/fs")

    def test_token_of_another_filesystem_gets_nothing_of_it(self):
        """zfs sends what a token names, and the token comes from the other host."""
        self.alpha.run("zfs create tank/secret; head -c 8M /dev/urandom > /tank/secret/file; zfs snapshot tank/secret@zrep_000000; "
                       "zfs create tank/fs")
        client = self.begin("init", "tank/fs", "beta", "backup/fs")
        self.zrepd["beta"].kill()
        self.ends(client, 1)
        self.assert_nothing_survives()
        # What lies there now is the half of another stream, and looks as it did.
        kept = self.beta.run("zfs get -Hp -s local -o property,value all backup/fs").out.splitlines()
        options = " ".join("-o " + q("=".join(line.split("\t"))) for line in kept)
        self.beta.run("zfs receive -A backup/fs")
        self.alpha.run("zfs send tank/secret@zrep_000000 | head -c 3M | "
                       + q("ssh", "beta", f"zfs receive -s -u {options} backup/fs"), check=False)
        token = self.get(self.beta, "receive_resume_token", "backup/fs")
        self.assertIn("toname = tank/secret@zrep_000000", self.alpha.run(f"zfs send -nvt {token}").out)
        self.restart("beta")
        self.zrepctl("set", "tank/fs", "limit=")
        self.count_calls()
        wait_for("the copy is made", 90, lambda: self.try_again("init", "tank/fs", "beta", "backup/fs"), step=1)
        sends = [line for line in self.calls("alpha") if line.startswith("zfs send") and " -n" not in line]
        self.assertEqual([line for line in sends if " -t " in line or "secret" in line], [])
        self.assertIn("dead_resume_token", self.zrepd["alpha"].log())
        self.assert_in_step("tank/fs", "backup/fs")
        self.assert_same_data("tank/fs", "backup/fs")


if __name__ == "__main__":
    unittest.main()
