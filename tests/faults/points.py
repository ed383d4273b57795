# SPDX-License-Identifier: BSD-2-Clause
"""Where an operation is cut, and how: pure, without a host."""
import dataclasses
import math

FAULTS = ("kill-here", "kill-there", "cut-here", "cut-there", "link", "mute-here", "mute-there")
WHEN = ("before", "after")
DURING = "during"  # at another moment each time, on request
READING = ("get", "list", "holds", "status", "version", "history", "diff")  # as in shim.c
SHOWN = 60  # characters of a command line in the table


@dataclasses.dataclass(frozen=True)
class Call:
    """A zfs or zpool that zrepd started: the `number`th, from 1, on the host that had `role` at the beginning; the
    `nth` of those that have all parts of `key`."""
    role: str
    number: int
    line: str
    key: tuple = ()
    nth: int = 0

    @property
    def reads(self):
        return self.line.split()[1] in READING


def key_of(line):
    """What a command line is about, as parts of it, without names and numbers. A pair that was cut has more to tidy up
    than the one whose calls were counted: the number alone would hit something else."""
    words = line.split()
    key = [" ".join(words[:2])]
    key += [word.split("=", maxsplit=1)[0] + "=" if word.startswith(("zrep:serve=", "copied=")) else word
            for word in words if word.startswith(("zrep:inprogress", "zrep:master=", "zrep:serve=", "copied="))]
    # A send's -t is a token, another each time.
    key += ["-t 1-" if words[1] == "send" else f"-t {after}" for word, after in zip(words, words[1:]) if word == "-t"]
    key += [mark for mark in "#@" if words[1:2] == ["destroy"] and mark in words[-1]]
    return tuple(key)


def calls_of(role, lines):
    """The calls that were counted, each with its place among those like it."""
    calls = []
    for number, line in enumerate(lines, 1):
        key = key_of(line)
        nth = sum(all(part in earlier for part in key) for earlier in lines[:number])
        calls.append(Call(role, number, line, key, nth))
    return calls


@dataclasses.dataclass(frozen=True)
class Point:
    call: Call
    when: str
    fault: str


@dataclasses.dataclass(frozen=True)
class Row:
    """What came of a point; `struck` is the command line that was really hit, None where none was."""
    operation: str
    point: Point
    struck: str | None
    seconds: float | None
    problems: tuple = ()

    @property
    def outcome(self):
        return "BROKEN: " + "; ".join(self.problems) if self.problems else \
            "ok" if self.struck is not None else "not reached"


def numbers(text):
    """"3,7,target:2" as a set of (role, number), "" for either role; empty for all."""
    words = [word.rpartition(":") for word in text.split(",") if word]
    return {(role, int(number)) for role, _, number in words}


def points(calls, faults=FAULTS, only=(), sample=0, when=WHEN):
    """All points at these calls, or `sample` of them that are spread over calls, times and faults."""
    calls = [call for call in calls if not only or {("", call.number), (call.role, call.number)} & only]
    ways = [(fault, moment) for fault in faults for moment in when]
    if not sample or sample >= len(calls) * len(ways):
        return [Point(call, moment, fault) for call in calls for fault, moment in ways]
    # Faults take turns, and so do the times; neighbours at one call differ, so that no point comes twice.
    several = math.gcd(len(faults), len(when)) > 1  # else the same fault would meet the same time again
    turns = [(faults[i % len(faults)], when[(i + several * (i // len(faults))) % len(when)]) for i in range(len(ways))]
    chosen = ((calls[i * len(calls) // sample], turns[i % len(turns)]) for i in range(sample))
    return [Point(call, moment, fault) for call, (fault, moment) in chosen]


def shortened(line):
    """A command line for people: without options that say nothing, cut to a column's width."""
    words = [word for word in line.split() if word not in ("-H", "-p", "-Hp", "-Hpo", "-o")]
    text = " ".join(words)
    return text if len(text) <= SHOWN else text[:SHOWN - 1] + "…"


def markdown(rows):
    lines = ["| operation | host | call | when | fault | outcome | seconds to recovery |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
        cells = (row.operation, row.point.call.role, f"{row.point.call.number} `{shortened(row.struck or row.point.call.line)}`",
                 row.point.when, row.point.fault, row.outcome, seconds)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ")[:200] for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def by_fault(rows):
    """A line for each operation and fault."""
    lines = ["| operation | fault | points | recovered | not reached | broken | slowest recovery, seconds |",
             "|---|---|---|---|---|---|---|"]
    for operation, fault in dict.fromkeys((row.operation, row.point.fault) for row in rows):
        some = [row for row in rows if (row.operation, row.point.fault) == (operation, fault)]
        broken = sum(bool(row.problems) for row in some)
        missed = sum(row.struck is None and not row.problems for row in some)
        slowest = max((row.seconds for row in some if row.seconds is not None), default=0)
        lines.append(f"| {operation} | {fault} | {len(some)} | {len(some) - broken - missed} | {missed} | {broken} | {slowest:.1f} |")
    return "\n".join(lines) + "\n"


def summary(rows):
    hit = [row for row in rows if row.struck is not None]
    worst = max((row.seconds for row in hit if row.seconds is not None), default=0)
    broken = sum(bool(row.problems) for row in rows)
    return f"{len(hit)} points hit, {len(rows) - len(hit)} not reached, {broken} broken; slowest recovery {worst:.1f} s"


def failed(rows):
    """A run that hit nothing proves nothing."""
    return any(row.problems for row in rows) or not any(row.struck is not None for row in rows)
