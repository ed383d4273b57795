# SPDX-License-Identifier: BSD-2-Clause
"""For tests that do something to a stream while it runs: tank/fs goes to backup/fs slowly enough."""
import json

from support import Case, q, wait_for

MEGA = 1 << 20
WHOLE = 12  # MiB of the stream
ENOUGH = 4  # MiB after which it is in its middle
SURVIVAL_SECONDS = 5  # a guest's processes are slow; what is orphaned stays for ever
LIMIT = "1M"  # a second, so that there is time to do it


class StreamCase(Case):
    def make_pair(self):
        self.alpha.run(["zfs", "create", "tank/fs"])
        self.write("tank/fs", "first")
        self.zrepctl("init", "tank/fs", "beta", "backup/fs")

    def begin(self, *words, write=None, limit=LIMIT):
        """Writes much and starts a slow run; returns its client once it is in the middle of the stream."""
        return self.begin_line(q("zrepctl", *words), write, limit)

    def begin_line(self, line, write=None, limit=LIMIT):
        """The same from a shell line."""
        (write or self.write)("tank/fs", "big", WHOLE)
        self.zrepctl("set", "tank/fs", "limit=" + limit)
        client = self.alpha.spawn(line)
        self.addCleanup(self.close, client)
        wait_for("the stream is in its middle", 60, self.in_the_middle, step=0.5)
        return client

    def in_the_middle(self):
        running = self.running()
        return running and running["phase"] == "sending" and running["bytes"] >= ENOUGH * MEGA

    def running(self):
        """Progress of what runs on tank/fs, or None."""
        done = self.alpha.run("zrepctl status --json tank/fs", check=False)
        return json.loads(done.out)["pairs"][0].get("running") if done.code == 0 else None

    @staticmethod
    def close(client):
        client.kill()
        client.wait()
        client.stdout.close()
        client.stderr.close()

    def ends(self, client, code):
        """What the client of the run said in the end."""
        out, err = client.communicate(timeout=90)
        self.assertEqual(client.returncode, code, out + err)
        return err

    def restart(self, name):
        """After a kill: what it had started must have ended by itself."""
        self.assert_nothing_survives()
        self.start(name)

    def start(self, name):
        self.zrepd[name].start(*self.daemon_options)

    def assert_nothing_survives(self):
        """Neither zfs nor ssh, nor what ssh had started elsewhere."""
        def gone():
            self.survivors = self.children("alpha") + self.children("beta")
            return not self.survivors
        try:
            wait_for("no child survives", SURVIVAL_SECONDS, gone)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.survivors}") from None

    def assert_resumes(self, *words, source="tank/fs", target="backup/fs", to=None):
        """The next try sends the rest, no more, and both sides are in step."""
        to = to or self.beta
        self.assertNotEqual(self.get(to, "receive_resume_token", target), "-")
        self.zrepctl("set", source, "limit=")
        self.count_calls()
        # A link that was down is tried again by itself; how soon is not what is tested here.
        wait_for(f"{words} works again", 60,
                 lambda: self.try_again(*words), step=1)
        result = self.last["runs"][0]["results"][0]
        self.assertTrue(result["resumed"], result)
        self.assertIn("resumed", result["text"])
        self.assertLess(result["bytes"], (WHOLE - 1) * MEGA, result)
        sends = [line for line in self.calls("alpha") if line.startswith("zfs send") and " -n" not in line]
        self.assertEqual(len([line for line in sends if " -t " in line]), 1, sends)
        self.assertEqual(self.get(to, "receive_resume_token", target), "-")
        self.assert_in_step(source, target, to=to)
        self.assert_same_data(source, target, to=to)

    def try_again(self, *words):
        done = self.alpha.run(["zrepctl", *words, "--json"], check=False, timeout=120)
        self.last = json.loads(done.out)
        return done.code == 0
