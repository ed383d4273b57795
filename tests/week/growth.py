# SPDX-License-Identifier: BSD-2-Clause
"""What is looked at while zrepd works for a long time, and whether any of it grows. Pure."""
import dataclasses
import statistics

# Of a zrepd, from its start to its end, after the warm-up: what may come on top of the first third's median. The lists
# that zrepd keeps (runs, events, answers) are full by then; the rest is the allocator's.
# A connection to the other host may be open or not: a process and four descriptors.
OF_A_DAEMON = {"rss_kib": 1024, "descriptors": 4, "threads": 0, "children": 1}
# Of a host, from the warm-up to the end; for each pair.
OF_A_HOST = {"snapshots": 0.5, "holds": 0, "bookmarks": 0.5, "datasets": 0}
LOOKS = 6  # fewer prove nothing


@dataclasses.dataclass
class Sample:
    """One look at one host. `life` counts its zrepds, `worked` the syncs since this one was started."""
    host: str
    life: int
    syncs: int
    failovers: int
    worked: int
    rss_kib: int
    descriptors: int
    threads: int
    children: int
    snapshots: int
    holds: int
    bookmarks: int
    datasets: int
    log_bytes: int


HEAD = ("host", "zrepd", "syncs", "failovers", "KiB", "descriptors", "threads", "children", "snapshots", "holds", "bookmarks", "datasets",
        "log bytes")


def line(sample):
    """A row of the table, in Markdown."""
    given = dataclasses.asdict(sample)
    del given["worked"]
    return "| " + " | ".join(map(str, given.values())) + " |"


def head():
    return "| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|"


def lives(samples):
    """{(host, life): its samples}"""
    out = {}
    for sample in samples:
        out.setdefault((sample.host, sample.life), []).append(sample)
    return out


def thirds(samples, key):
    """The medians of the first and of the last third; None of too few."""
    values = [getattr(sample, key) for sample in samples]
    if len(values) < LOOKS:
        return None
    third = len(values) // 3
    return statistics.median(values[:third]), statistics.median(values[-third:])


def grown(samples, pairs, warm_up):
    """What grew beyond its bound, in words; and whatever could be judged, as (what, from, to)."""
    wrong, seen = [], []
    parts = [(f"zrepd {life} on {host}", [s for s in found if s.worked >= warm_up], OF_A_DAEMON, 1)
             for (host, life), found in lives(samples).items()]
    parts += [(host, [s for s in samples if s.host == host and s.syncs >= warm_up], OF_A_HOST, pairs)
              for host in sorted({s.host for s in samples})]
    for name, found, bounds, times in parts:
        for key, bound in bounds.items():
            both = thirds(found, key)
            if not both:
                continue
            seen.append((f"{name}: {key}", *both))
            if both[1] - both[0] > bound * times:
                wrong.append(f"{name}: {key} grew from {both[0]:g} to {both[1]:g}, {bound * times:g} more are allowed")
    if not any("rss_kib" in what for what, _, _ in seen):
        wrong.append(f"no zrepd was looked at {LOOKS} times after its first {warm_up} syncs: nothing is known of its memory")
    return wrong, seen
