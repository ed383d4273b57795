# SPDX-License-Identifier: BSD-2-Clause
"""Clients that may not, or do not keep to the protocol: told so, cut off, and never in others' way."""
import json
import unittest

from support import Case

NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups "
PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602

# Opens argv[1] connections and keeps them, makes a call on each, then runs zrepctl beside them.
CROWD = """
import json, resource, socket, subprocess, sys, time
call = b'{"jsonrpc":"2.0","id":1,"method":"daemon.version","params":{}}\\n'
clients, greeted, answered, busy = [], 0, 0, ""
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
for _ in range(int(sys.argv[1])):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect("/run/zrepd/zrepd.sock")
    clients.append(s)
for s in clients:
    try:
        s.sendall(call)
    except BrokenPipeError:
        pass  # refused already; why can still be read
    try:
        f = s.makefile("rb")
        first = json.loads(f.readline())
        if first.get("method") != "hello":
            busy = first["error"]["message"]
            continue
        greeted += 1
        answered += json.loads(f.readline())["id"] == 1
    except ConnectionResetError:
        busy = busy or "cut off"
beside = subprocess.run(["zrepctl", "version"], capture_output=True, text=True, timeout=30)
print(json.dumps({"greeted": greeted, "answered": answered, "busy": busy, "code": beside.returncode,
                  "err": beside.stderr}))
"""

# A thousand clients: a quarter in the middle of a line, a quarter that ask and never read, half that are answered and stay.
# Meanwhile one more client after the other asks for the status.
THOUSAND = """
import json, resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
status = b'{"jsonrpc":"2.0","id":1,"method":"status.get","params":{}}\\n'
def client(name="zrepd.sock"):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect("/run/zrepd/" + name)
    return s
def ask(s):
    f = s.makefile("rb")
    f.readline()
    s.sendall(status)
    return "result" in json.loads(f.readline())
kept, answered, took = [], 0, []
for i in range(1000):
    s = client("zrepd-ro.sock" if i % 2 else "zrepd.sock")
    kept.append(s)
    if i % 4 == 0:
        s.sendall(status[:30])
    elif i % 4 == 1:
        s.setblocking(False)
        try:
            for _ in range(20): s.send(status)
        except BlockingIOError:
            pass
    else:
        answered += ask(s)
for _ in range(41):
    began = time.monotonic()
    with client() as s:
        assert ask(s)
    took.append((time.monotonic() - began) * 1000)
took.sort()
print(json.dumps({"answered": answered, "median_ms": took[20], "worst_ms": took[-1]}))
"""

# Sends half a line and stays until the daemon ends it; another client comes and goes meanwhile.
HALF_LINE = """
import json, socket, subprocess, time
s = socket.socket(socket.AF_UNIX)
s.settimeout(100)
s.connect("/run/zrepd/zrepd.sock")
f = s.makefile("rb")
f.readline()
s.sendall(b'{"jsonrpc":"2.0","id":1,"meth')
began = time.monotonic()
beside = subprocess.run(["zrepctl", "version"], capture_output=True, timeout=30).returncode
said = json.loads(f.readline())
print(json.dumps({"beside": beside, "said": said, "closed": f.readline() == b"", "after": time.monotonic() - began}))
"""


class BadClient(Case):
    def setUp(self):
        super().setUp()
        self.alpha.run("zfs create tank/fs")
        self.enterContext(self.nothing_left())
        self.addCleanup(self.still_serves)

    def still_serves(self):
        """Whatever a client did, the same process goes on."""
        self.assertTrue(self.zrepd["alpha"].alive())
        self.zrepctl("version")
        log = self.zrepd["alpha"].log()
        self.assertNotIn(" critical ", log)

    def error_of(self, reply):
        self.assertIn("error", reply)
        return reply["error"]["code"], reply["error"]["data"]["kind"], reply["error"]["message"]

    def test_user_without_permission_on_the_socket(self):
        done = self.alpha.run(NOBODY + "zrepctl sync tank/fs", check=False)
        self.assertEqual(done.code, 5)
        self.assertIn("this user may not use /run/zrepd/zrepd.sock", done.err)
        self.assertIn("next: run it as root", done.err)
        for words in ("set tank/fs interval=1s", "init tank/fs beta backup/fs", "clear tank/fs"):
            self.assertEqual(self.alpha.run(f"{NOBODY}zrepctl {words}", check=False).code, 5, words)
        done = self.alpha.run(NOBODY + "zrepctl peer --as beta", check=False)
        self.assertEqual(done.code, 5)
        self.assertIn("no permission to use /run/zrepd/peer.sock", done.err)

    def test_user_without_permission_may_read(self):
        for words in ("version", "list", "status --json"):
            done = self.alpha.run(f"{NOBODY}zrepctl {words}", check=False)
            self.assertEqual((done.code, done.err), (0, ""), words)

    def test_reading_socket_changes_nothing_even_for_root(self):
        calls = [("pair.sync", {"all": True}), ("pair.expire", {"all": True}), ("pair.clear", {"dataset": "tank/fs"}),
                 ("pair.set", {"dataset": "tank/fs", "settings": {"interval": "1s"}}),
                 ("pair.pause", {"datasets": ["tank/fs"]}), ("pair.unpause", {"datasets": ["tank/fs"]}),
                 ("pair.init", {"dataset": "tank/fs", "host": "beta", "target": "backup/fs"})]
        for call, reply in zip(calls, self.ask(*calls, socket="zrepd-ro.sock")):
            code, kind, message = self.error_of(reply)
            self.assertEqual((code, kind), (-32001, "access_denied"), call)
            self.assertIn("this connection has read", message)
        done = self.alpha.run(["zrepctl", "--socket", "/run/zrepd/zrepd-ro.sock", "sync", "tank/fs"], check=False)
        self.assertEqual(done.code, 5)
        self.assertIn("use zrepd.sock, as root or as a member of its group", done.err)

    def test_lines_that_are_no_requests(self):
        """Answered once with id null, then closed; on the peer socket too."""
        for socket, too_long in (("zrepd.sock", "at most 1 MiB"), ("zrepd-ro.sock", "at most 64 KiB"),
                                 ("peer.sock", "longer than 1048576 bytes")):
            for what, payload, codes, says in (
                    ("10 MiB", 'b\'{"a":"\' + b"x" * (10 << 20) + b\'"}\\n\'', (PARSE_ERROR,), too_long),
                    ("10 MiB without an end", 'b"x" * (10 << 20)', (PARSE_ERROR,), too_long),
                    ("invalid UTF-8", 'b\'{"jsonrpc":"2.0","id":1,"method":"\\xff\\xfe"}\\n\'', (PARSE_ERROR,), "UTF-8"),
                    ("a lone surrogate", 'b\'{"jsonrpc":"2.0","id":1,"method":"\\\\ud800"}\\n\'', (PARSE_ERROR,), ""),
                    ("no JSON", 'b"GET / HTTP/1.1\\r\\n\\r\\n"', (PARSE_ERROR,), ""),
                    ("nested deeply", 'b"[" * 5000 + b"\\n"', (PARSE_ERROR, INVALID_REQUEST), ""),
                    ("a batch", 'b"[]\\n"', (INVALID_REQUEST,), ""),
                    ("a list of params", 'b\'{"jsonrpc":"2.0","id":1,"method":"daemon.version","params":[]}\\n\'',
                     (INVALID_REQUEST, INVALID_PARAMS), "params"),
                    ("no id", 'b\'{"jsonrpc":"2.0","method":"daemon.version"}\\n\'', (INVALID_REQUEST,), "")):
                with self.subTest(socket=socket, what=what):
                    replies, closed = self.talk(payload, 99, socket=socket)
                    self.assertEqual(len(replies), 1, replies)
                    self.assertIsNone(replies[0]["id"])
                    code, _, message = self.error_of(replies[0])
                    self.assertIn(code, codes, message)
                    self.assertIn(says, message)
                    self.assertTrue(closed)

    def test_unknown_methods_and_arguments(self):
        calls = [
            (("pair.destroy", {"dataset": "tank/fs"}), NO_METHOD, "no method 'pair.destroy'"),
            (("peer.commit", {}), NO_METHOD, "no method"),
            (("pair.sync", {"datasets": ["tank/fs"], "force": True}), INVALID_PARAMS, "force"),
            (("pair.sync", {"datasets": "tank/fs"}), INVALID_PARAMS, "datasets"),
            (("pair.sync", {"datasets": ["tank/fs", 7]}), INVALID_PARAMS, "datasets[1]"),
            (("pair.sync", {"datasets": ["tank/fs"], "all": True}), INVALID_PARAMS, "not both"),
            (("pair.sync", {}), INVALID_PARAMS, "no filesystem named"),
            (("pair.init", {"dataset": "tank/fs", "host": "beta"}), INVALID_PARAMS, "target"),
            (("pair.init", {"dataset": "tank/fs", "host": "beta", "target": "backup/x", "savecount": -1}),
             INVALID_PARAMS, "savecount"),
            (("pair.init", {"dataset": "tank/fs", "host": "beta", "target": "backup/x", "savecount": 2.5}),
             INVALID_PARAMS, "savecount"),
            (("pair.init", {"dataset": "tank/fs", "host": "beta", "target": "backup/x", "savecount": 1 << 70}),
             INVALID_PARAMS, "savecount"),
            (("pair.init", {"dataset": None, "host": "beta", "target": "backup/x"}), INVALID_PARAMS, "dataset"),
            (("pair.set", {"dataset": "tank/fs", "settings": {"zrep:master": "yes"}}), INVALID_PARAMS, "not a setting"),
            (("pair.set", {"dataset": "tank/fs", "settings": {"interval": 60}}), INVALID_PARAMS, "interval"),
            (("pair.set", {"dataset": "tank/fs", "settings": {"mountpoint": "/"}}), INVALID_PARAMS, "not a setting"),
            (("pair.pause", {"datasets": ["tank/fs"], "until": "tomorrow"}), INVALID_PARAMS, "is not a time"),
            (("run.get", {"run_id": "nope"}), -32004, "no run 'nope'"),
            (("daemon.version", {"verbose": True}), INVALID_PARAMS, "verbose")]
        for (call, code, says), reply in zip(calls, self.ask(*(call for call, _, _ in calls))):
            with self.subTest(call=call):
                self.assertEqual(self.error_of(reply)[0], code, reply)
                self.assertIn(says, self.error_of(reply)[2])

    def test_half_a_line_and_staying(self):
        done = json.loads(self.alpha.run(["python3", "-c", HALF_LINE], timeout=150).out)
        self.assertEqual(done["beside"], 0, "another client was not served meanwhile")
        self.assertEqual(done["said"]["error"]["data"]["kind"], "timed_out")
        self.assertIn("begun but not ended", done["said"]["error"]["message"])
        self.assertTrue(done["closed"])

    def test_200_clients_at_once(self):
        done = json.loads(self.alpha.run(["python3", "-c", CROWD, "200"], timeout=120).out)
        self.assertEqual(done, {"greeted": 200, "answered": 200, "busy": "", "code": 0, "err": ""})

    def test_a_thousand_clients_of_which_half_hang(self):
        done = json.loads(self.alpha.run(["python3", "-c", THOUSAND], timeout=120).out)
        print(f"\nstatus beside 1,000 clients: {done['median_ms']:.1f} ms, at worst {done['worst_ms']:.1f} ms")
        self.assertEqual(done["answered"], 500)

    def test_more_clients_than_there_is_room_for(self):
        done = json.loads(self.alpha.run(["python3", "-c", CROWD, "1700"], timeout=120).out)
        self.assertEqual(done["greeted"], 1536)
        self.assertEqual(done["busy"], "too many clients are connected to zrepd")
        self.assertEqual(done["code"], 5)
        self.assertIn("too many clients", done["err"])


if __name__ == "__main__":
    unittest.main()
