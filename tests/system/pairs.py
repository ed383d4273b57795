# SPDX-License-Identifier: BSD-2-Clause
"""Many pairs in a few processes, and the daemon's own costs.

What init leaves on disk is the whole state of a pair (docs/architecture.md), so writing it with
zfs(8) makes as real a pair as a hundred runs of init, in seconds instead of minutes."""
import json

from support import q, wait_for

# For every filesystem named: the properties and the bookmark of a pair whose first copy is done.
MAKE_PAIRS = """
local here, there, master, sent = (...)["argv"][1], (...)["argv"][2], (...)["argv"][3], (...)["argv"][4]
for child in zfs.list.children(master == "yes" and here or there) do
    local name = string.match(child, "[^/]*$")
    local snapshot = child .. "@zrep_000000"
    local properties = {
        ["zrep:src-host"] = "alpha", ["zrep:src-fs"] = here .. "/" .. name,
        ["zrep:dest-host"] = "beta", ["zrep:dest-fs"] = there .. "/" .. name,
        ["zrep:savecount"] = "5", ["zrep:epoch"] = "1",
    }
    if master ~= "yes" then
        properties["zrep:serve"] = "canmount=on mounted=yes mountpoint=/" .. here .. "/" .. name
    end
    if master == "yes" then
        properties["zrep:master"] = "yes"
        local guid = zfs.get_prop(snapshot, "guid")
        assert(zfs.sync.bookmark(snapshot, string.format("%s#zrep_%u", child, guid)) == 0)
    end
    for key, value in pairs(properties) do assert(zfs.sync.set_prop(child, key, value) == 0) end
    assert(zfs.sync.set_prop(snapshot, "zrep:sent", sent) == 0)
end
"""

# Calls a method `count` times over one connection; prints the last answer.
CALL = """
import json, socket, sys
method, params, count = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect("/run/zrepd/zrepd.sock")
lines = s.makefile("rw")
lines.readline()
for number in range(count):
    lines.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\\n")
    lines.flush()
    answer = lines.readline()
print(answer, end="")
"""

# Seconds of processor time of a process and its threads, exact where /proc counts in ticks.
CPU_SECONDS = "import sys, time; print(time.clock_gettime((~int(sys.argv[1]) << 3) | 2))"


def make_pairs(case, count, here="tank/all", there="backup/all"):
    """Filesystems here/f000, f001... on alpha, each with an empty first copy on beta."""
    alpha, beta = case.alpha, case.beta
    alpha.run(f"zfs create {q(here)}; for i in $(seq -w 0 {count - 1}); do "
              f"zfs create {q(here)}/f$i || exit 1; done; zfs snapshot -r {q(here)}@zrep_000000; "
              f"zfs send -R {q(here)}@zrep_000000 | "
              f"ssh -o ControlPath=none beta zfs receive -u {q(there)}", timeout=300)
    # Each its own, as init makes copies.
    beta.run(f"zfs list -rHo name {q(there)} | xargs zfs set readonly=on canmount=noauto", timeout=120)
    sent = alpha.run("date +%s").out.strip()
    for host, top, master in ((alpha, here, "yes"), (beta, there, "no")):
        pool = top.split("/")[0]
        host.run(f"zfs hold -r zrep_base {q(top)}@zrep_000000 && "
                 f"zfs program {q(pool)} - {q(here, there, master, sent)}", input=MAKE_PAIRS, timeout=120)
        wait_for(f"zrepd on {host.name} sees {count} pairs", 30,
                 lambda name=host.name: len(case.zrepctl_json("status", on=name)["pairs"]) == count)
    return [f"{here}/f{number:0{len(str(count - 1))}}" for number in range(count)]


def call(case, method, params, on="alpha", count=1):
    """What the control socket answers."""
    done = case.lab.host(on).run(["python3", "-c", CALL, method, json.dumps(params), str(count)])
    return json.loads(done.out)


def cpu_seconds(host, pid):
    return float(host.run(["python3", "-c", CPU_SECONDS, str(pid)]).out)


def proc_status(host, pid):
    """/proc/PID/status as a dictionary of its first words; counts are of the whole process."""
    fields = {}
    for line in host.run(f"cat /proc/{pid}/status").out.splitlines():
        key, _, value = line.partition(":")
        fields[key] = value.split()[0] if value.split() else ""
    return fields


def sleeps(host, pid):
    """How often the process has gone to sleep, which is how often it was woken up; all threads."""
    out = host.run(f"cat /proc/{pid}/task/*/status | grep ^voluntary_ctxt_switches").out
    return sum(int(line.split()[1]) for line in out.splitlines())
