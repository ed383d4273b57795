# SPDX-License-Identifier: BSD-2-Clause
"""The control socket of a real daemon, as programs use it."""
import json
import re
import unittest

from streams import WHOLE, StreamCase
from support import ROOT

AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
# Sends its lines and prints what comes back, up to the line with the given words in it.
TALK = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
s.connect(sys.argv[1])
f = s.makefile("rw")
for line in sys.argv[3:]:
    f.write(line + "\\n")
f.flush()
for line in f:
    sys.stdout.write(line)
    if sys.argv[2] in line:
        break
"""


class Control(StreamCase):
    def talk(self, socket, *requests, until=None):
        """The hello and what follows it, by default up to the last answer."""
        until = until or f'"id":{len(requests)},'
        lines = [json.dumps({"jsonrpc": "2.0", "id": number, **request})
                 for number, request in enumerate(requests, start=1)]
        out = self.alpha.run(["/usr/bin/python3", "-c", TALK, socket, until, *lines], timeout=90).out
        return [json.loads(line) for line in out.splitlines()]

    def test_reading_socket_answers_everybody_and_changes_nothing(self):
        self.make_pair()
        done = self.alpha.run([*AS_NOBODY, "zrepctl", "status"])
        self.assertIn("tank/fs", done.out)
        done = self.alpha.run([*AS_NOBODY, "zrepctl", "sync", "tank/fs"], check=False)
        self.assertEqual(done.code, 5, done)
        self.assertIn("run it as root", done.err)
        self.write("tank/fs", "second")
        socket = "/run/zrepd/zrepd-ro.sock"
        done = self.zrepctl("--socket", socket, "sync", "tank/fs", code=5)
        self.assertIn("access", done.err)
        calls = [{"method": "pair.sync", "params": {"all": True}},
                 {"method": "pair.clear", "params": {"dataset": "tank/fs"}}, {"method": "status.get"}]
        hello, *answers = self.talk(socket, *calls)
        self.assertEqual(hello["params"]["access"], "read")
        self.assertEqual([one.get("error", {}).get("data", {}).get("kind") for one in answers],
                         ["access_denied", "access_denied", None])
        self.assertEqual(self.snapshots(self.alpha, "tank/fs"), ["zrep_000000"])

    def test_discover_lists_every_method_of_the_documentation(self):
        _, answer = self.talk("/run/zrepd/zrepd.sock", {"method": "rpc.discover"})
        documented = re.findall(r"^### ([a-z]+\.[a-z_]+)$", (ROOT / "docs/control-api.md").read_text(), re.M)
        self.assertGreater(len(documented), 10)
        self.assertEqual([method["name"] for method in answer["result"]["methods"]], documented)

    def test_subscribers_see_a_run_from_its_start_to_its_end(self):
        self.make_pair()
        self.write("tank/fs", "big", WHOLE)
        self.zrepctl("set", "tank/fs", "limit=8M")
        sync = {"method": "pair.sync", "params": {"datasets": ["tank/fs"], "request_key": "k1"}}
        messages = self.talk("/run/zrepd/zrepd.sock", {"method": "events.subscribe"}, sync, until="run_finished")
        run_id = next(m["result"]["run_id"] for m in messages if m.get("id") == 2)
        events = [m["params"] for m in messages if m.get("method") == "event"]
        self.assertEqual([int(e["seq"]) for e in events], sorted({int(e["seq"]) for e in events}))
        self.assertEqual(events[-1]["event"], "run_finished")
        self.assertEqual(events[-1]["run"]["run_id"], run_id)
        moved = [e["progress"]["bytes"] for e in events if e["event"] == "run_progress"]
        self.assertGreater(len(moved), 2)
        self.assertEqual(moved, sorted(moved))
        # The same key again starts nothing.
        _, again = self.talk("/run/zrepd/zrepd.sock", sync)
        self.assertEqual(again["result"]["run_id"], run_id)
        self.assert_in_step("tank/fs", "backup/fs")


if __name__ == "__main__":
    unittest.main()
