# SPDX-License-Identifier: BSD-2-Clause
"""What the fault injector decides without a host: which points, and what counts as broken."""
import json
import unittest

import tree
from environment import SCHEDULE, SHORT_TEN_MINUTES, TEN_MINUTES, scenarios
from outcome import Expected, Side, error_in, judge, left, parse, printed, roles, undone
from points import FAULTS, Call, Point, Row, by_fault, calls_of, failed, key_of, markdown, numbers, points, shortened, summary

CALLS = [Call("master", number, f"zfs call {number}") for number in range(1, 8)]
DATASETS = {"tank", "tank/fs"}


def side(**changes):
    """One side of a pair in step."""
    whole = Side(properties={"zrep:savecount": "2", "receive_resume_token": "-", "mounted": "no"},
                 snapshots=[("zrep_000001", "11"), ("zrep_000002", "22")], holds=[("zrep_000002", "zrep_base")], bookmarks=["zrep_11", "zrep_22"],
                 datasets=["tank", "tank/fs"], orphans=[], data=["sum ./records"], files=["records"],
                 records=["r1", "r2", "r3"], rescued_files=[], rescued_records=[])
    for name, value in changes.items():
        setattr(whole, name, value)
    return whole


def properties(**changes):
    """Properties of a master and its target, alpha and beta."""
    both = [{"zrep:master": "yes", "readonly": "off", "mounted": "yes"}, {"zrep:master": "no", "readonly": "on"}]
    for number, one in enumerate(both):
        one.update({"zrep:epoch": "3", "zrep:inprogress": "-", "zrep:src-host": "alpha"})
        for name, values in changes.items():
            one[name.replace("_", ":")] = values[number]
    return both


class Points(unittest.TestCase):
    def test_all_points_are_every_call_time_and_fault(self):
        self.assertEqual(len(set(points(CALLS))), 7 * 2 * len(FAULTS))
        self.assertEqual({point.call.number for point in points(CALLS, only=numbers("3,7"))}, {3, 7})
        self.assertEqual({point.call.number for point in points(CALLS, only=numbers("master:3,target:7"))}, {3})

    def test_no_point_of_a_sample_comes_twice(self):
        for faults in range(1, len(FAULTS) + 1):
            whole = 7 * 2 * faults
            for sample in range(1, whole + 2):
                chosen = points(CALLS, FAULTS[:faults], sample=sample)
                self.assertEqual(len(set(chosen)), min(sample, whole), (faults, sample))
                some = points(CALLS, FAULTS[:faults], sample=sample, when=("during",))
                self.assertEqual(len(set(some)), min(sample, whole // 2), (faults, sample))

    def test_a_sample_spreads_over_calls_faults_and_times(self):
        chosen = points(CALLS, sample=len(FAULTS))
        self.assertEqual({point.fault for point in chosen}, set(FAULTS))
        self.assertEqual({point.when for point in chosen}, {"before", "after"})
        self.assertEqual(len({point.call for point in chosen}), 7)
        self.assertGreater(chosen[-1].call.number, 5)

    def test_a_call_is_known_by_what_it_is_about(self):
        for line, key in (
                ("zfs set readonly=on zrep:inprogress=handed_over base=12 zrep:epoch=2 zrep:master=no tank/fs",
                 ("zfs set", "zrep:inprogress=handed_over", "zrep:master=no")),
                ("zfs set zrep:inprogress=rejoining base=1 copied=7 tank/fs", ("zfs set", "zrep:inprogress=rejoining", "copied=")),
                ("zfs set zrep:serve=canmount=on mounted=yes backup/fs", ("zfs set", "zrep:serve=")),
                ("zfs inherit zrep:inprogress tank/fs", ("zfs inherit", "zrep:inprogress")),
                ("zfs get -Hp -d 1 -t snapshot,bookmark -o name tank/fs", ("zfs get", "-t snapshot,bookmark")),
                ("zfs send -L -c -e -t 1-3ac-f0-789c", ("zfs send", "-t 1-")),
                ("zfs destroy tank/fs#zrep_9", ("zfs destroy", "#")), ("zfs destroy tank/fs@zrep_9", ("zfs destroy", "@")),
                ("zpool sync tank", ("zpool sync",))):
            self.assertEqual(key_of(line), key)
            self.assertTrue(all(part in line for part in key))

    def test_calls_that_only_read(self):
        calls = calls_of("master", ["zpool sync a", "zfs get -Hp all a", "zfs holds a@b", "zpool list -Hp"])
        self.assertEqual([call.number for call in calls if call.reads], [2, 3, 4])

    def test_a_call_has_its_place_among_those_like_it(self):
        calls = calls_of("master", ["zpool sync a", "zfs hold x", "zpool sync a"])
        self.assertEqual([(call.number, call.nth) for call in calls], [(1, 1), (2, 1), (3, 2)])

    def test_numbers(self):
        self.assertEqual((numbers("3,target:7"), numbers("")), ({("", 3), ("target", 7)}, set()))

    def test_table(self):
        point = Point(CALLS[0], "before", "link")
        rows = [Row("sync", point, "zfs send a|b", 1.25), Row("sync", point, None, 0.5),
                Row("sync", point, "zfs x", None, ("lost: r1",))]
        table = markdown(rows)
        self.assertIn("| sync | master | 1 `zfs send a\\|b` | before | link | ok | 1.2 |", table)
        self.assertIn("| not reached | 0.5 |", table)
        self.assertIn("| BROKEN: lost: r1 |  |", table)
        self.assertIn("2 points hit, 1 not reached, 1 broken; slowest recovery 1.2 s", summary(rows))
        other = Row("sync", Point(CALLS[1], "after", "cut-here"), "zfs y", 3.0)
        self.assertEqual(by_fault([*rows, other]).splitlines()[2:],
                         ["| sync | link | 3 | 1 | 1 | 1 | 1.2 |", "| sync | cut-here | 1 | 1 | 0 | 0 | 3.0 |"])
        self.assertEqual([failed(rows), failed(rows[:2]), failed(rows[:1]), failed(rows[1:2]), failed([])],
                         [True, False, False, True, True])
        self.assertEqual(len(shortened("zfs " + "x" * 200)), 60)


class Environment(unittest.TestCase):
    def test_each_fault_comes_once_at_each_moment_and_only_a_refusal_has_a_remedy(self):
        every = [(scenario.name, moment) for scenario in scenarios() for moment in scenario.moments]
        self.assertEqual(len(every), len(set(every)))
        self.assertGreater(len(every), 70)
        for scenario in scenarios():
            self.assertTrue(scenario.says or not scenario.remedy, scenario.name)

    def test_those_that_share_pools_stand_together(self):
        pools = [scenario.pools for scenario in scenarios()]
        self.assertEqual(len(list(dict.fromkeys(pools))), 1 + sum(a != b for a, b in zip(pools, pools[1:])))

    def test_the_long_outage_is_long_only_on_request_and_says_so(self):
        for long, seconds in ((False, SHORT_TEN_MINUTES), (True, TEN_MINUTES)):
            names = [scenario.name for scenario in scenarios(long) if SCHEDULE in scenario.moments]
            self.assertIn(f"{seconds} s without a link", names)

    def test_an_error_is_found_wherever_it_stands(self):
        error = {"kind": "conflict", "message": "m"}
        for document in ({"error": error}, {"runs": [{"results": [{"dataset": "a"}, {"error": error}]}]}):
            self.assertEqual(error_in(document), error)
        self.assertIsNone(error_in({"runs": [{"results": [{"outcome": "done"}]}]}))

    def test_a_command_is_taken_from_the_text(self):
        text = "on beta: then zfs release zrep_base b/fs@zrep_00a and zfs destroy b/fs@zrep_00a; here: zrepctl sync t/fs"
        for begin, whole in (("zfs release", "zfs release zrep_base b/fs@zrep_00a"), ("zfs destroy", "zfs destroy b/fs@zrep_00a"),
                             ("zrepctl sync", "zrepctl sync t/fs")):
            self.assertEqual(printed(begin, text), whole)
        with self.assertRaisesRegex(ValueError, "does not have"):
            printed("zfs rename", text)


class Roles(unittest.TestCase):
    def test_a_settled_pair(self):
        self.assertEqual(roles(*properties()), [])

    def test_what_is_wrong_is_said(self):
        for changes, words in (
                ({"zrep_master": ("yes", "yes")}, "masters: ['alpha', 'beta']"),
                ({"zrep_master": ("no", "no")}, "masters: []"),
                ({"readonly": ("on", "on")}, "the master is readonly"),
                ({"mounted": ("no", "no")}, "the master is not mounted"),
                ({"readonly": ("off", "off")}, "the target is writable"),
                ({"zrep_epoch": ("3", "4")}, "epochs 3 and 4"),
                ({"zrep_inprogress": ("-", "handed_over")}, "a journal on beta: handed_over"),
                ({"zrep_src-host": ("alpha", "beta")}, "beta says the source is beta")):
            self.assertEqual(roles(*properties(**changes)), [words])


class Undone(unittest.TestCase):
    def test_what_was_reported_has_to_last(self):
        self.assertEqual([bool(undone(moves, "alpha", now)) for moves in (True, False, None) for now in ("alpha", "beta")],
                         [True, False, False, True, False, False])


class Judge(unittest.TestCase):
    """Each promise, broken once."""

    def verdict(self, master=None, target=None, loses=False, files=()):
        expected = Expected(["r1", "r2", "r3"], ["r1", "r2"], list(files), loses)
        return judge(master or side(), target or side(), expected, DATASETS)

    def test_a_pair_in_step(self):
        self.assertEqual(self.verdict(), [])

    def test_a_snapshot_that_was_never_sent_expires_later(self):
        self.assertEqual(self.verdict(side(snapshots=[("zrep_000000", "9"), *side().snapshots])), [])

    def test_each_broken_promise(self):
        many = [(f"zrep_00000{number}", str(number)) for number in range(9)]
        holds = [("zrep_000008", "zrep_base")]
        marks = [f"zrep_{number}" for number in range(9, 19)]
        for master, target, words in (
                (side(snapshots=[("zrep_000002", "23")]), side(), "not in step"),
                (side(snapshots=many, holds=holds), side(snapshots=many, holds=holds), "9 snapshots on the target, which keeps 2"),
                (side(), side(holds=[*holds, *side().holds]), "holds on the target"),
                (side(), side(properties={**side().properties, "receive_resume_token": "1-x"}), "half a stream"),
                (side(bookmarks=["zrep_22", *marks]), side(), "11 bookmarks on the master"),
                (side(bookmarks=["zrep_11"]), side(), "no bookmark of ('zrep_000002', '22')"),
                (side(), side(properties={**side().properties, "mounted": "yes"}), "the target is mounted"),
                (side(), side(data=["other ./records"]), "data differ"),
                (side(), side(orphans=["17 1 zfs zfs receive"]), "survivors on the target"),
                (side(), side(datasets=["tank", "tank/fs", "tank/fs_diverged_2"]), "datasets on the target"),
                (side(records=["r1", "r2"]), side(), "lost: ['r3']"),
                (side(records=["r1", "r3", "r2"]), side(), "out of order"),
                (side(records=["r1", "r2", "r3", "r3"]), side(), "twice")):
            self.assertIn(words, " ".join(self.verdict(master, target)))

    def test_a_loss_is_in_a_rescue_but_never_what_was_acknowledged(self):
        self.assertEqual(self.verdict(side(records=["r1", "r2"]), side(rescued_records=["r1", "r2", "r3"]), loses=True), [])
        self.assertEqual(self.verdict(side(records=["r1", "r2"]), loses=True), ["lost: ['r3']"])
        everything = side(rescued_records=["r1", "r2", "r3"])
        self.assertEqual(self.verdict(side(records=["r1", "r3"]), everything, loses=True), ["acknowledged and lost: ['r2']"])
        gone_back = judge(side(records=["r1"]), everything, Expected(["r1", "r2", "r3"], ["r1", "r2"], [], True, back=True), DATASETS)
        self.assertEqual(gone_back, [])
        self.assertEqual(self.verdict(files=["theirs"], loses=True), ["lost: ['theirs']"])
        self.assertEqual(self.verdict(target=side(rescued_files=["theirs"]), files=["theirs"], loses=True), [])

    def test_half_a_look_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "only half a look"):
            parse("== properties\nreadonly\ton\n== snapshots\n")

    def test_a_look_is_read(self):
        text = "".join(f"== {name}\n{rows}" for name, rows in (
            ("properties", "readonly\ton\nzrep:epoch\t3\n"), ("snapshots", "zrep_000001\t7\n"), ("holds", ""), ("bookmarks", ""),
            ("datasets", "tank\n"), ("orphans", ""), ("data", "sum ./records\n"), ("files", ""), ("records", ""),
            ("rescued-files", "a\n"), ("rescued-records", "r1\n"), ("rescued-files", "b\n"), ("rescued-records", "r2\n"),
            ("end", "")))
        found = parse(text)
        self.assertEqual((found.properties["zrep:epoch"], found.snapshots), ("3", [("zrep_000001", "7")]))
        self.assertEqual((found.rescued_files, found.rescued_records), (["a", "b"], ["r1", "r2"]))


class Left(unittest.TestCase):
    """What a zrepd has not let go of."""

    IDLE = ("  70     1 zrepd           zrepd --log-level debug",
            "  81    70 zpool           zpool events -f -v -H",
            "  82    70 ssh             ssh -o ControlPersist=no -o ControlMaster=yes -o ControlPath=/run/x -- beta zrepctl peer",
            "  83    60 zfs             zfs list")
    STREAM = "  84    70 ssh             ssh -o ControlPersist=no -o ControlMaster=no -o ControlPath=/run/x -- beta zrepctl peer"

    def left(self, *more, holders=("70",), status=None):
        pairs = status or [{"dataset": "tank/fs"}]
        return left("\n".join(["== zrepd", "70", "== holders", *(f"/proc/{pid}/fd/9" for pid in holders),
                               "== processes", *self.IDLE, *more, "== status", json.dumps({"pairs": pairs}, indent=2), "== end"]))

    def test_what_an_idle_one_keeps_is_nothing(self):
        self.assertEqual(self.left(), [])

    def test_a_lock_that_somebody_else_has_open(self):
        self.assertEqual(self.left(holders=("70", "84")), ["zrepd is 70, and the host's lock is open in ['70', '84']"])
        self.assertEqual(self.left(holders=("69",)), ["zrepd is 70, and the host's lock is open in ['69']"])
        self.assertEqual(len(self.left(holders=())), 1)

    def test_a_run_that_goes_on(self):
        running = [{"dataset": "tank/fs", "running": {"run_id": "6b-4", "phase": "sending"}}]
        self.assertEqual(self.left(status=running), ["run 6b-4 holds tank/fs"])
        self.assertIn("no status", " ".join(left("== zrepd\n70\n== holders\n/proc/70/fd/9\n== processes\n== status\n== end\n")))

    def test_a_process_of_a_zrepd_that_lives(self):
        for line in (self.STREAM, "  85    70 zfs             zfs receive -u -s backup/fs", "  86    70 zpool           zpool sync tank",
                     "  87    70 zfs <defunct>   [zfs] <defunct>"):
            self.assertEqual(self.left(line), ["zrepd still has " + line.strip()])


class Tree(unittest.TestCase):
    """What is wrong with a tree's member is said."""

    @staticmethod
    def side(master, **changes):
        ways = ("yes", "off", "on") if master else ("no", "on", "noauto")
        names = ("mounted", "readonly", "canmount")
        whole = {"properties": [f"{name}\t{value}" for name, value in zip(names, ways)] + ["zrep:inprogress\t-"],
                 "guid": ["77"], "root": ["r1", "r2"], "member": ["r1", "r2"], "end": []}
        return {**whole, **changes}

    def judge(self, master=None, target=None, written=("r1", "r2"), loses=False):
        return tree.judge(self.side(True, **master or {}), self.side(False, **target or {}), written, loses)

    def test_order(self):
        self.assertEqual(self.judge(), [])

    def test_two_moments(self):
        self.assertIn("two moments on the target", self.judge(target={"member": ["r1"]})[0])
        self.assertIn("two moments on the master", self.judge(master={"root": ["r1"]})[0])

    def test_how_it_is_served(self):
        shown = ["mounted\tyes", "readonly\ton", "canmount\tnoauto", "zrep:inprogress\trejoining base=1"]
        self.assertEqual(self.judge(target={"properties": shown}),
                         ["the target's member has mounted=yes", "a journal on the target's member: rejoining base=1"])

    def test_lost_unless_rescued(self):
        self.assertEqual(self.judge(written=("r1", "r2", "r3")), ["lost of the member: ['r3']"])
        self.assertEqual(self.judge(written=("r1", "r2", "r3"), loses=True, target={"rescued": ["r3"]}), [])
        self.assertEqual(self.judge(written=("r1", "r2", "r3"), target={"rescued": ["r3"]}), ["lost of the member: ['r3']"])

    def test_not_in_step(self):
        self.assertIn("not in step", self.judge(target={"guid": ["78"]})[0])


if __name__ == "__main__":
    unittest.main()
