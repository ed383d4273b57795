# SPDX-License-Identifier: BSD-2-Clause
"""Runs what environment.py lists: the fault, what a sync says meanwhile, its end, and whether all is as promised."""
import itertools
import json
import time

from environment import IDLE, SCHEDULE, STREAM
from operations import FS, nothing
from outcome import error_in, printed
from pair import Broken
from points import Call, Point, Row
from runner import TROUBLE, keep_logs, make_anew
from support import wait_for

SYNC_SECONDS = 200  # a sync that is refused has waited for whatever did not answer
INTERVAL = "5s"  # between two of them the pair is idle, on a slow guest, too
BACKOFF_SECONDS = 330  # zrepd tries again every five minutes at least
OPTIONS = ("--stall-timeout", "10s")


def ask(pair):
    """A sync that is asked for now; its error, None where it worked."""
    done = pair.host(pair.master).run(["zrepctl", "sync", FS[pair.master], "--json"], check=False, timeout=SYNC_SECONDS)
    if done.code == 0:
        return None
    try:
        error = error_in(json.loads(done.out))
    except ValueError:
        error = None
    return error or {"kind": "none", "message": repr(done)}


def meanwhile(pair, scenario, moment, client):
    """What a sync says while the fault lasts; the refusal, where there is one."""
    if client:
        wait_for("the interrupted sync ends", SYNC_SECONDS, lambda: client.poll() is not None)
    if scenario.says is None:
        return None
    if moment != IDLE and scenario.writes:
        pair.write()
    error = ask(pair)
    if bool(error) != bool(scenario.says) or (error and error["kind"] not in scenario.says):
        raise Broken(f"meanwhile a sync said {error}, expected {scenario.says or 'success'}")
    return error


def follow(pair, remedy, text):
    """What the refusal says, done as it stands there."""
    for name, command in remedy:
        pair.host(name).run(printed(command, text), timeout=SYNC_SECONDS)


def newest(pair):
    return pair.host("beta").run(f"/usr/sbin/zfs list -Ho name -t snapshot -s createtxg -d 1 {FS['beta']} | tail -n 1").out


def schedule(pair, interval):
    pair.host(pair.master).run(f"zrepctl set {FS[pair.master]} interval={interval}")


def recovered(pair, moment):
    """Seconds until all is in order and a sync works; on a schedule, nobody asks for it."""
    seconds, begin = pair.recover(nothing), time.monotonic()
    if moment == SCHEDULE:
        before = newest(pair)
        pair.write()
        wait_for("a sync came by itself", BACKOFF_SECONDS, lambda: newest(pair) != before)
        schedule(pair, "none")
    if moment == STREAM:
        pair.host(pair.master).run(f"zrepctl set {FS[pair.master]} limit=")
    pair.sync()
    return seconds + time.monotonic() - begin


def trial(pair, scenario, moment):
    """One fault on a settled pair; the seconds to its recovery."""
    pair.write()
    if moment == SCHEDULE:
        schedule(pair, INTERVAL)
    client = pair.slow_sync() if moment == STREAM else None
    scenario.begins(pair)
    refusal = meanwhile(pair, scenario, moment, client)
    if scenario.remedy:
        follow(pair, scenario.remedy, refusal["remedy"])
    scenario.ends(pair)
    seconds = recovered(pair, moment)
    pair.check(loses=False)
    return seconds


def try_trial(pair, scenario, moment, number, logs=None):
    """The trial's row; after trouble the pair is made anew."""
    point = Point(Call("pair", number, scenario.name), moment, scenario.name)
    try:
        return Row(moment, point, scenario.name, trial(pair, scenario, moment))
    except TROUBLE as error:
        problems = tuple(map(str, error.args)) if isinstance(error, Broken) else (repr(error)[:1000],)
        row = Row(moment, point, scenario.name, None, problems)
        keep_logs(pair, row, logs)
        make_anew(pair)
        return row


def run_trials(chosen, pair, times=1, say=print, logs=None):
    """Each scenario at each of its moments, so many times; yields the rows."""
    pair.options = OPTIONS
    pools = None
    for scenario in chosen:
        for moment, number in itertools.product(scenario.moments, range(1, times + 1)):
            if scenario.pools != pools or pools:  # a pool that was suspended has room now, and would not be again
                pools, pair.pools = scenario.pools, dict(scenario.pools)
                make_anew(pair)
            begin = time.monotonic()
            row = try_trial(pair, scenario, moment, number, logs)
            say(f"{scenario.name} | {moment} | {row.outcome}" + (f" | {row.seconds:.1f} s" if row.seconds is not None else "") +
                f" | all of it {time.monotonic() - begin:.0f} s")
            yield row
