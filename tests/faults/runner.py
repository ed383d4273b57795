# SPDX-License-Identifier: BSD-2-Clause
"""Runs an operation once to find its calls, then once for every point, and checks what came of it."""
import contextlib
import queue
import subprocess
import sys
import threading
import time

import outcome
from operations import FS, OTHER
from pair import SLOW_SECONDS, Broken, LabError
from points import WHEN, Row, calls_of, points, shortened

OPERATION_SECONDS = 90  # a guest is slow when the machine is busy
LINK_SECONDS = 10  # how long a cut link stays cut, unless the client ends earlier
FAULT_SECONDS = 5
SHOWN_LOG = 6000
SHOWN_ERROR = 1000
LAB_TROUBLE = (LabError, subprocess.SubprocessError)
TROUBLE = (Broken, AssertionError, OSError, ValueError, *LAB_TROUBLE)


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
    calls = [call for role in operation.roles
             for call in calls_of(role, pair.injector.calls(pair.host(roles[role]), serials[role]))]
    pair.recover(operation.again)
    pair.check(operation.loses, operation.back)
    return calls


def strike(pair, host, fault, client):
    """The fault, once the host waits for it; the host goes on when it has happened."""
    other = OTHER[host]
    if fault == "cut-here":
        pair.host(host).cut()
    elif fault == "cut-there":
        pair.host(other).cut()
    elif fault == "kill-there":
        pair.daemons[other].kill()
    elif fault == "link":
        pair.lab.link("beta", "down")
    elif fault.startswith("mute"):
        pair.mute(host if fault == "mute-here" else other)
    happened(pair, host, fault)
    pair.injector.go(host)
    if fault == "link" or fault.startswith("mute"):
        until = time.monotonic() + LINK_SECONDS
        while client.poll() is None and time.monotonic() < until:
            time.sleep(0.05)


def happened(pair, host, fault):
    """A fault that did not happen would prove nothing. zrepd may be a zombie of nobody's for a moment."""
    until = time.monotonic() + FAULT_SECONDS
    victim = host if fault.endswith("-here") else OTHER[host]
    if fault.startswith("kill"):
        while pair.serves(victim):
            if time.monotonic() > until:
                raise Broken(f"zrepd on {victim} was not killed")
    elif fault.startswith("cut") and pair.host(victim).alive():
        raise Broken(f"{victim} still has power")


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
    before = pair.master
    seconds = pair.recover(operation.again)
    if client.poll() == 0 and (wrong := outcome.undone(operation.moves, before, pair.master)):
        raise Broken(*wrong)
    pair.check(operation.loses, operation.back)
    return struck, seconds


def try_point(pair, operation, point, changes=False, say=print, logs=None):
    """The point's row. After trouble the logs are shown, and the pair is made anew. Where the lab itself failed
    nothing is proved or broken, so the point is tried once more."""
    for last in (False, True):
        begin = time.monotonic()
        try:
            row = Row(operation.name, point, *cut_at(pair, operation, point, changes))
            if logs and row.seconds is not None and row.seconds > SLOW_SECONDS:
                keep_logs(pair, row, logs)
        except TROUBLE as error:
            problems = tuple(map(str, error.args)) if isinstance(error, Broken) else (repr(error)[:SHOWN_ERROR],)
            row = Row(operation.name, point, point.call.line, None, problems)
            keep_logs(pair, row, logs)
            make_anew(pair)
            if not last and isinstance(error, LAB_TROUBLE):
                say(f"    once more, the lab failed: {row.outcome}")
                continue
        break
    say(f"{operation.name} | {point.call.role} {point.call.number} {shortened(row.struck or point.call.line)} | "
        f"{point.when} | {point.fault} | {row.outcome}" +
        (f" | {row.seconds:.1f} s" if row.seconds is not None else "") + f" | all of it {time.monotonic() - begin:.0f} s")
    return row


def keep_logs(pair, row, folder):
    """Both sides' stories in a file named after the point; their ends go to stderr where there is no folder."""
    pair.injector.disarm()
    with contextlib.suppress(*TROUBLE):
        pair.reconnect()
    whole = f"{row}\n"
    for name in FS:
        with contextlib.suppress(*TROUBLE):  # a host may be why there is trouble
            if pair.host(name).alive():
                story = pair.story(name)
                whole += f"---- {name}:\n{story if folder else story[-SHOWN_LOG:]}\n"
    if not folder:
        print(whole, file=sys.stderr)
        return
    folder.mkdir(parents=True, exist_ok=True)
    point = row.point
    (folder / f"{row.operation}-{point.call.role}-{point.call.number}-{point.when}-{point.fault}.log").write_text(
        whole, encoding="utf-8")


def make_anew(pair):
    try:
        pair.fresh()
    except TROUBLE as error:
        print(f"    hosts that do not recover are booted anew: {str(error)[:300]}", file=sys.stderr)
        for name in FS:
            pair.host(name).cut()
        pair.fresh()


def run_points(operation, pairs, faults=(), only=(), sample=0, changes=False, reads=False, when=WHEN, say=print,
               logs=None, lines=("",)):
    """All points of an operation, or those chosen, shared among pairs that are ready; yields their rows in the
    order they come. `faults`: of the operation's, only these; `changes`: leaves out calls that only read, `reads` all
    others; `lines`: calls that begin so, whatever their numbers are."""
    for pair in pairs:
        pair.options = operation.options
    make_anew(pairs[0])
    calls = [call for call in count(pairs[0], operation, changes) if (call.reads or not reads) and call.line.startswith(lines)]
    chosen = points(calls, [fault for fault in faults or operation.faults if fault in operation.faults],
                    only=only, sample=sample, when=when)
    say(f"{operation.name}: {len(calls)} calls, {len(chosen)} points")
    for call in calls:
        say(f"    {call.role} {call.number}: {call.line[:160]}")
    waiting, done = queue.SimpleQueue(), queue.SimpleQueue()
    for point in chosen:
        waiting.put(point)
    for pair in pairs:
        threading.Thread(target=work, args=(pair, pair is not pairs[0], operation, changes, waiting, done, say, logs),
                         daemon=True).start()
    for _ in chosen:
        row = done.get()
        if isinstance(row, Exception):
            raise row
        yield row


def work(pair, anew, operation, changes, waiting, done, say, logs):
    """One pair's share; an exception in `done` where not even a fresh pair can be made."""
    try:
        if anew:
            make_anew(pair)
        while True:
            done.put(try_point(pair, operation, waiting.get_nowait(), changes, say, logs))
    except queue.Empty:
        pass
    except Exception as error:  # pylint: disable=broad-except  (the other thread raises it)
        done.put(error)
