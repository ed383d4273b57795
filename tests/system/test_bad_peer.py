# SPDX-License-Identifier: BSD-2-Clause
"""The other host refuses, or is not what it should be: said with host, reason and remedy;
nothing is left behind, and the same command works once the cause is gone."""
import unittest

from support import Case, wait_for

# zrepctl on beta becomes a program that alters what the real one says.
STAND_IN = """cat > /usr/bin/zrepctl.new && chmod 755 /usr/bin/zrepctl.new &&
cp /usr/bin/zrepctl /usr/bin/zrepctl.real && mv /usr/bin/zrepctl.new /usr/bin/zrepctl"""
# A master whose streams carry properties: zfs send -p.
WITH_PROPERTIES = """cp /usr/local/sbin/zfs /run/zfs.kept; cat > /usr/local/sbin/zfs.new <<'END'
#!/bin/sh
[ "$1" = send ] && [ "$2" != -nvP ] && { shift; set -- send -p "$@"; }
exec /usr/sbin/zfs "$@"
END
chmod +x /usr/local/sbin/zfs.new; mv /usr/local/sbin/zfs.new /usr/local/sbin/zfs"""
CHATTY = """#!/bin/sh
echo 'Welcome to beta'
exec zrepctl.real "$@"
"""


class BadPeer(Case):
    def setUp(self):
        super().setUp()
        self.alpha.run("zfs create tank/fs")
        self.alpha.run("cp -a /root/.ssh /run/ssh.kept")
        # The folder itself is a mount point (tests/lab/guest-main).
        self.addCleanup(self.alpha.run, "rm -f /root/.ssh/*; cp -a /run/ssh.kept/. /root/.ssh; rm -r /run/ssh.kept")

        # A stand-in may not outlive its test: the next would stand in for it.
        self.addCleanup(self.beta.run, "install /lab/bin/zrepctl /usr/bin/; install /lab/bin/zrepd /usr/sbin/")

    def install(self, protocol=""):
        """Another build on beta (`other_builds` in tests/CMakeLists.txt), as an upgrade or a downgrade brings it; or ours."""
        programs = f"/lab/builds/{protocol}" if protocol else "/lab/bin"
        self.zrepd["beta"].stop()
        self.zrepd["beta"].start(first=f"install {programs}/zrepd /usr/sbin/; install {programs}/zrepctl /usr/bin/")

    def init(self, code=0):
        return self.zrepctl("init", "tank/fs", "beta", "backup/fs", code=code)

    def init_fails(self, code, *expected):
        with self.nothing_left():
            said = self.init(code).err
        for text in expected:
            self.assertIn(text, said)
        self.assertIn("\n  next: ", said)
        wait_for("the end of ssh", 10, lambda: not self.alpha.run("pgrep -x ssh", check=False).out)

    def init_works(self):
        self.init()
        self.assert_in_step("tank/fs", "backup/fs")

    def test_a_stream_that_carries_properties_is_refused(self):
        self.init()
        self.alpha.run(WITH_PROPERTIES)
        self.addCleanup(self.alpha.run, "mv /run/zfs.kept /usr/local/sbin/zfs")
        self.alpha.run("zfs set mountpoint=/run/mine setuid=off exec=off zrep:accept=gamma tank/fs; "
                       "echo more > /run/mine/more")
        done = self.zrepctl("sync", "tank/fs", code=5)
        self.assertIn("the stream is a package", done.err)
        self.assertEqual(self.beta.run("zfs get -Ho property,value,source mountpoint,setuid,exec,zrep:accept backup/fs"
                                       ).out.replace("\t", " ").splitlines(),
                         ["mountpoint /backup/fs default", "setuid on default", "exec on default",
                          "zrep:accept alpha inherited from backup"])
        self.alpha.run("mv /run/zfs.kept /usr/local/sbin/zfs; cp /usr/local/sbin/zfs /run/zfs.kept")
        self.zrepctl("sync", "tank/fs")
        self.assert_in_step("tank/fs", "backup/fs")

    def test_no_ssh_key(self):
        self.alpha.run("rm /root/.ssh/id_ed25519")
        self.init_fails(1, "beta refused this host's ssh key", "Permission denied", "authorized_keys on beta",
                        'command="zrepctl peer --as alpha",restrict')
        self.alpha.run("cp /run/ssh.kept/id_ed25519 /root/.ssh/")
        self.init_works()

    def test_sync_without_key_takes_no_snapshot(self):
        self.init()
        self.write("tank/fs", "more")
        self.zrepd["alpha"].stop()
        self.alpha.run("rm /root/.ssh/id_ed25519")
        self.zrepd["alpha"].start()
        with self.nothing_left():
            for _ in range(2):
                done = self.zrepctl("sync", "tank/fs", code=1)
                self.assertIn("beta refused this host's ssh key", done.err)
        pair = self.status("tank/fs")
        self.assertEqual((pair["health"], pair["last_error"]["kind"]), ("failing", "peer_auth"))
        self.assertIn("ssh-copy-id beta", pair["last_error"]["remedy"])
        self.alpha.run("cp /run/ssh.kept/id_ed25519 /root/.ssh/")
        self.zrepctl("sync", "tank/fs")
        self.assert_in_step("tank/fs", "backup/fs")
        self.assertNotIn("last_error", self.status("tank/fs"))

    def test_wrong_and_unknown_host_key(self):
        self.alpha.run("rm -f /run/k /run/k.pub; ssh-keygen -q -t ed25519 -N '' -f /run/k; "
                       "echo \"beta,10.77.0.2 $(cut -d' ' -f1,2 /run/k.pub)\" > /root/.ssh/known_hosts")
        self.init_fails(1, "the ssh host key of beta is not the one this host knows", "ssh-keygen -R beta",
                        "fingerprint")
        self.alpha.run(": > /root/.ssh/known_hosts")
        self.init_fails(1, "this host does not know the ssh host key of beta", "compare the fingerprint")
        self.assertEqual(self.alpha.run("cat /root/.ssh/known_hosts").out, "", "the key was accepted unseen")
        self.alpha.run("cp /run/ssh.kept/known_hosts /root/.ssh/")
        self.init_works()

    def test_peer_without_zrepd(self):
        self.beta.run("mv /usr/bin/zrepctl /usr/bin/zrepctl.away")
        self.init_fails(1, "zrepctl is not installed on beta", "next: install zrepd on beta")
        self.beta.run("mv /usr/bin/zrepctl.away /usr/bin/zrepctl")
        self.zrepd["beta"].stop()
        self.init_fails(1, "zrepd is not running on beta", "next: start it there", "systemctl start zrepd")
        self.zrepd["beta"].start()
        self.init_works()

    def test_peer_with_another_protocol_version(self):
        self.install("2.0")
        self.init_fails(4, "beta speaks peer protocol '2.0' (zrepd '1.0.0')", "this host speaks '1.0'",
                        "upgrade zrepd on this host")
        self.install("0.9")
        self.init_fails(4, "beta speaks peer protocol '0.9'", "next: upgrade zrepd on beta")
        # A newer minor version is understood, in every verb.
        self.install("1.7")
        self.init_works()
        self.alpha.run("echo more > /tank/fs/more")
        self.zrepctl("sync", "tank/fs")
        for host, dataset in (("alpha", "tank/fs"), ("beta", "backup/fs")):
            self.zrepctl("failover", dataset, on=host)
        self.assert_in_step("tank/fs", "backup/fs")
        self.assertEqual(self.alpha.run("cat /tank/fs/more").out, "more\n")
        # A pair that was in order is refused as well, and goes on where it was.
        self.alpha.run("echo most > /tank/fs/more")
        self.install("2.0")
        self.assertIn("upgrade zrepd on this host", self.zrepctl("sync", "tank/fs", code=4).err)
        self.install()
        self.zrepctl("sync", "tank/fs")
        self.assert_in_step("tank/fs", "backup/fs")

    def test_peer_whose_login_prints_text(self):
        self.beta.run(STAND_IN, input=CHATTY)
        self.init_fails(4, "did not answer as zrepd does", "'Welcome to beta'", "ssh -T beta true")

    def test_peer_that_does_not_accept(self):
        for accepted in ("", "gamma", "alphabet,gamma"):
            with self.subTest(accepted=accepted):
                self.beta.run(["zrepctl", "set", "backup", f"zrep:accept={accepted}"])
                with self.nothing_left():
                    said = self.init(code=5).err
                self.assertIn("beta does not accept filesystems from alpha below backup", said)
                self.assertIn("next: on beta run: zrepctl set 'backup' zrep:accept=+alpha", said)
        self.beta.run("zrepctl set 'backup' zrep:accept=alpha")
        self.init_works()


if __name__ == "__main__":
    unittest.main()
