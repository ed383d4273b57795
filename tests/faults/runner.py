# SPDX-License-Identifier: BSD-2-Clause
"""Runs an operation once to find its calls, then once for every point, and checks what came of it."""
import queue
import subprocess
import sys
import threading
import time

from operations import FS, OTHER
from pair import Broken, LabError
from points import Call, Row, points, shortened

OPERATION_SECONDS = 90  # a guest is slow when the machine is busy
LINK_SECONDS = 10  # how long a cut link stays cut, unless the client ends earlier
SHOWN_LOG = 6000
TROUBLE = (Broken, LabError, AssertionError, OSError, ValueError, subprocess.SubprocessError)


def ended(pair, client):
    """A function for the injector: the client has ended, and nothing goes on behind it."""
    state = {"next": 0.0}

    def over():
        if client.poll() is None or time.monotonic() < state["next"]:
            return False
        state["next"] = time.monotonic() + 0.5
        state.setdefault("until", time.monotonic() + 20)
        alive = all(pair.host(name).alive() for name in FS)
        return time.monotonic() > state["until"] or (alive and not pair.settled()) or \
            (not alive and time.monotonic() > state["until"] - 17)
    return over


def count(pair, operation, changes=False):
    """The calls of a whole, uncut operation, and how its pair was afterwards."""
    pair.write()
    operation.prepare(pair)
    roles = {"master": pair.master, "target": OTHER[pair.master]}
    serials = {role: pair.injector.arm(roles[role], changes=changes) for role in roles}
    client = operation.begin(pair)
    if pair.injector.wait_reached(roles["master"], ended(pair, client), OPERATION_SECONDS):
        raise Broken("a point was reached that nobody asked for")
    client.kill()
    pair.injector.disarm()
    calls = [Call(role, number, line) for role in operation.roles
             for number, line in enumerate(pair.injector.calls(pair.host(roles[role]), serials[role]), 1)]
    pair.recover(operation.again)
    pair.check(operation.loses)
    return calls


def strike(pair, host, fault, client):
    """The fault, once the host waits for it; the host goes on when it has happened."""
    other = OTHER[host]
    if fault == "cut-here":
        pair.host(host).cut()
    elif fault == "cut-there":
        pair.host(other).cut()
    elif fault == "kill-there":
        # SIGKILL does not wait: what is still to be seen of it are milliseconds.
        pair.daemons[other].kill()
    elif fault == "link":
        pair.lab.link("beta", "down")
    pair.injector.go(host)
    if fault == "link":
        until = time.monotonic() + LINK_SECONDS
        while client.poll() is None and time.monotonic() < until:
            time.sleep(0.05)


def cut_at(pair, operation, point, changes=False):
    """One point on a settled pair: what was struck, or None; and the seconds to recovery."""
    pair.write()
    operation.prepare(pair)
    host = pair.master if point.call.role == "master" else OTHER[pair.master]
    pair.injector.arm(host, point, changes=changes)
    client = operation.begin(pair)
    struck = pair.injector.wait_reached(host, ended(pair, client), OPERATION_SECONDS)
    if struck is not None:
        strike(pair, host, point.fault, client)
    client.kill()
    pair.injector.disarm()
    seconds = pair.recover(operation.again)
    pair.check(operation.loses)
    return struck, seconds


def try_point(pair, operation, point, changes=False, say=print):
    """The point's row. After trouble the logs are shown, and the pair is made anew."""
    begin = time.monotonic()
    try:
        struck, seconds = cut_at(pair, operation, point, changes)
        row = Row(operation.name, point, struck, seconds)
    except TROUBLE as error:
        problems = tuple(map(str, error.args)) if isinstance(error, Broken) else (repr(error)[:300],)
        row = Row(operation.name, point, point.call.line, None, problems)
    say(f"{operation.name} | {point.call.role} {point.call.number} {shortened(row.struck or point.call.line)} | {point.when} | "
        f"{point.fault} | {row.outcome}" + (f" | {row.seconds:.1f} s" if row.seconds is not None else "") +
        f" | all of it {time.monotonic() - begin:.0f} s")
    if row.problems:
        show_logs(pair)
        pair.injector.disarm()
        pair.fresh()
    return row


def show_logs(pair):
    pair.lab.link("beta", "up")
    for name in FS:
        if pair.host(name).alive():
            print(f"---- zrepd on {name}:\n{pair.daemons[name].log()[-SHOWN_LOG:]}", file=sys.stderr)


def run_points(operation, pairs, faults=(), only=(), sample=0, changes=False, say=print):
    """All points of an operation, or those chosen, shared among pairs that are ready; their rows in order.
    `faults`: not those of the operation but these; `changes`: leaves out calls that only read."""
    pairs[0].fresh()
    calls = count(pairs[0], operation, changes)
    chosen = points(calls, [fault for fault in faults or operation.faults if fault in operation.faults],
                    only=only, sample=sample)
    say(f"{operation.name}: {len(calls)} calls, {len(chosen)} points")
    for call in calls:
        say(f"    {call.role} {call.number}: {call.line[:160]}")
    waiting, rows, errors = queue.SimpleQueue(), {}, []
    for item in enumerate(chosen):
        waiting.put(item)

    def work(pair):
        try:
            if pair is not pairs[0]:
                pair.fresh()
            while True:
                place, point = waiting.get_nowait()
                rows[place] = try_point(pair, operation, point, changes, say)
        except queue.Empty:
            pass
        except TROUBLE as error:  # not even a fresh pair could be made
            errors.append(error)

    threads = [threading.Thread(target=work, args=(pair,), daemon=True) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [rows[place] for place in sorted(rows)]
