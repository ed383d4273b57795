# SPDX-License-Identifier: BSD-2-Clause
"""A thousand clients of the control socket, half of them stalled, and one more that asks for the status meanwhile."""
import json

from pairs import make_pairs, proc_status

CLIENTS = 1000
SECONDS = 8

# Runs in the guest. argv: clients, seconds. A child makes the crowd: a quarter sends half a line, a quarter asks for the
# status again and again and reads nothing, half asks and reads. The parent asks on a connection of its own each time.
CROWD = r"""
import json, os, resource, socket, sys, time
count, seconds = int(sys.argv[1]), float(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
STATUS = b'{"jsonrpc":"2.0","id":1,"method":"status.get"}\n'
VERSION = b'{"jsonrpc":"2.0","id":1,"method":"daemon.version"}\n'
def connect(number):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect("/run/zrepd/zrepd%s.sock" % ("-ro" if number % 2 else ""))
    return s
def line(s):
    got = b""
    while not got.endswith(b"\n"):
        more = s.recv(1 << 20)
        if not more:
            break
        got += more
    return got
def asked(wait):
    began = time.perf_counter()
    s = connect(0)
    s.sendall(STATUS)
    lines = b""
    while lines.count(b"\n") < 2:
        more = s.recv(1 << 20)
        assert more, "zrepd closed the connection"
        lines += more
    passed = time.perf_counter() - began
    s.close()
    assert b'"pairs"' in lines, lines[:200]
    time.sleep(wait)
    return 1000 * passed
def crowd(ready, leave):
    clients, well, answered = [], [], 0
    for number in range(count):
        s = connect(number)
        clients.append(s)
        kind = number // 2 % 4
        if kind == 0:
            s.sendall(STATUS[:20])
        elif kind == 1:
            s.sendall(STATUS * 8)
        else:
            assert b"hello" in line(s)
            s.sendall(VERSION)
            answered += b'"id":1' in line(s)
            well.append(s)
    os.write(ready, b"%d" % answered)
    while not os.get_blocking(leave):
        for s in well[:50]:  # some of them go on asking
            s.sendall(VERSION)
            line(s)
        well = well[50:] + well[:50]
        time.sleep(0.1)
        try:
            if not os.read(leave, 1):
                os._exit(0)
        except BlockingIOError:
            pass
quiet = [asked(0.02) for _ in range(100)]
ready, leave = os.pipe(), os.pipe()
os.set_blocking(ready[0], False); os.set_blocking(leave[0], False)
child = os.fork()
if child == 0:
    os.close(leave[1])
    crowd(ready[1], leave[0])
os.close(ready[1])  # the crowd's end is then seen here
connecting, answered = [], b""
while not answered:
    connecting.append(asked(0.02))
    try:
        answered = os.read(ready[0], 100)
        assert answered, "the crowd ended early"
    except BlockingIOError:
        pass
held, until = [], time.monotonic() + seconds
while time.monotonic() < until:
    held.append(asked(0.02))
resident = [l.split()[1] for l in open("/proc/%s/status" % open("/run/zrepd.pid").read().strip()) if l.startswith("VmRSS")][0]
os.close(leave[1])
os.waitpid(child, 0)
print(json.dumps({"answered": int(answered), "resident": int(resident), "quiet": quiet, "connecting": connecting, "held": held}))
"""


def share(values, part):
    """The value that so large a part of them does not pass."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def measure(case, rounds):
    """A dictionary per round: the times to an answer in ms, and zrepd's memory in KiB."""
    make_pairs(case, 100)
    case.zrepctl("sync", "all")
    pid, out = case.zrepd["alpha"].pid(), []
    for _ in range(rounds):
        before = int(proc_status(case.alpha, pid)["VmRSS"])
        done = json.loads(case.alpha.run(["python3", "-c", CROWD, str(CLIENTS), str(SECONDS)], timeout=300).out)
        assert done["answered"] == CLIENTS // 2, done["answered"]
        out.append({**done, "before": before})
    return out
