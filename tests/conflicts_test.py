# SPDX-License-Identifier: BSD-2-Clause
"""Every conflict in the sources has a row here: the system test that brings it about and runs the commands that status
prints, or why there is none. A new one fails this test until it has its row."""
import ast
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]

TARGET = "test_conflicts.py::Conflicts."
TREE = "test_tree_conflicts.py::TreeConflicts."
RARE = "test_conflicts_rare.py::RareConflicts."
RARE_TREE = "test_conflicts_rare.py::RareTreeConflicts."
FULL = "test_full_target.py::FullTarget.test_full_pool_is_named_and_takes_no_snapshot"
# Reasons for which there is no test.
ANSWER = "only the answer to a command: no pair is in trouble, status says nothing"
RACE = "only if something changes between a look and the command after it"
SEVERAL = "words of other conflicts together"
PASSES = "passes by itself"
REASONS = (ANSWER, RACE, SEVERAL, PASSES)

# Those that the two headers of conflicts declare.
DECLARED = {
    "target_missing": TARGET + "test_the_target_is_gone",
    "both_masters": RARE + "test_two_masters_of_different_epochs_settle_it_themselves",
    "not_our_pair": RARE + "test_what_a_hand_in_the_wrong_place_does",
    "taken_over": RARE + "test_what_was_written_to_the_copy_is_kept",
    "newer_on_target": TARGET + "test_the_target_has_newer_snapshots",
    "no_common": RARE + "test_what_was_written_to_the_copy_is_kept",
    "target_busy": PASSES,
    "target_full": FULL,
    "no_space": FULL,
    "place_taken": TREE + "test_of_one_member",
    "nothing_common": TREE + "test_of_one_member",
    "dead_partial": TREE + "test_of_one_member",
    "plain_below_encrypted": TREE + "test_of_one_member",
    "too_many": RARE_TREE + "test_too_many_members",
    "check_room_for_names": RARE_TREE + "test_names_that_are_too_long",
    "together": SEVERAL,
}

# All others, by words of their messages.
WRITTEN = {
    "daemon/failover/copies.cpp": {"is not a rescue; nothing": ANSWER, "is no rescue and no drill any more": ANSWER},
    "daemon/failover/check.cpp": {"neither side is the master": RARE + "test_neither_side_is_master",
                                  "is the master here already, and so is": ANSWER},
    "daemon/failover/copies_diff.cpp": {"is not a clone with snapshots": ANSWER},
    "daemon/failover/rescue.cpp": {
        "is too long for any copy beside it": RARE + "test_a_former_master_whose_snapshots_others_need"},
    "daemon/failover/rescue_plan.cpp": {
        "has no snapshot in common with the other side": RARE + "test_a_former_master_with_nothing_in_common",
        "the copy beside it holds something else": RACE,
        "is newer than the base": TARGET + "test_somebody_elses_bookmark_is_in_the_way_of_a_return"},
    "daemon/failover/roles_takeover.cpp": {"says that it handed over": RACE},
    "daemon/failover/roles_watch.cpp": {"are both master of epoch": TARGET + "test_both_sides_are_master"},
    "daemon/plan/accept.cpp": {"only inherits that it accepts": ANSWER},
    "daemon/plan/adopt.cpp": {"std::move(message)": ANSWER},
    "daemon/plan/displaced.cpp": {"is no number": RARE + "test_what_a_hand_in_the_wrong_place_does"},
    "daemon/plan/put_back.cpp": {"has snapshots that are not zrepd's": ANSWER, "which \" + master": ANSWER,
                                 "has a bookmark that is not zrepd's": ANSWER, "has not got that snapshot": ANSWER,
                                 "has no record that": ANSWER},
    "daemon/service_config.cpp": {"has no snapshot in common": ANSWER, "is marked as master too": ANSWER},
    "daemon/sync/init.cpp": {"which both had, is gone here": RACE},
    "daemon/sync/init_plan.cpp": {"holds no snapshot that this side still has": ANSWER, "it is being adopted": ANSWER},
    "daemon/sync/refusals.cpp": {"is the master too (epoch": ANSWER, "the other side took over": ANSWER},
    "daemon/sync/target_adopt.cpp": {"is no \"": ANSWER, "is part of another pair": ANSWER},
    "daemon/sync/target_receive.cpp": {"holds complete snapshots": RACE, "it is not rolled back past others": RACE},
    "daemon/sync/target_roll_back.cpp": {"its master of": ANSWER, "a recursive pair here, other": ANSWER,
                                         "is not there, or no part of": ANSWER},
    "daemon/sync/tree_sync_plan.cpp": {"it has to fit on both sides": RARE_TREE + "test_names_that_are_too_long"},
    "daemon/zfs/ack_program.cpp": {"another snapshot has the name": RACE},
}
# The constructors; what a method may answer; what zfs says where the look before it missed something.
ELSEWHERE = {"daemon/plan/conflicts.cpp", "daemon/plan/tree_conflicts.cpp", "daemon/control/registry.cpp",
             "daemon/zfs/parse_errors.cpp"}


def made_in(path):
    """What follows each place that makes a conflict, up to the next."""
    parts = re.split(r"(?<![=!]= )Code::(?:conflict|split_brain)\b", path.read_text())
    return [part[:900] for part in parts[1:]]


def system_tests():
    for path in (ROOT / "tests/system").glob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            for part in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(part, ast.FunctionDef) and part.name.startswith("test_"):
                    yield f"{path.name}::{node.name}.{part.name}"


class ConflictsAreWalked(unittest.TestCase):
    def test_each_that_is_declared_has_a_row(self):
        headers = "".join((ROOT / "daemon/plan" / name).read_text() for name in ("conflicts.hpp", "tree_conflicts.hpp"))
        found = re.findall(r"(?m)^(?:Conflict|std::optional<Conflict>) (\w+)\(", headers)
        self.assertEqual(sorted(found), sorted(DECLARED))

    def test_each_that_is_written_elsewhere_has_a_row(self):
        found = {str(path.relative_to(ROOT)): made_in(path) for path in (ROOT / "daemon").rglob("*.cpp")}
        for name, parts in found.items():
            rows = WRITTEN.get(name, {})
            if name in ELSEWHERE:
                continue
            for part in parts:
                with self.subTest(name):
                    self.assertTrue(any(words in part for words in rows), f"no row: {part[:200]}")
            with self.subTest(name):
                self.assertEqual(len(rows), len(parts))
        self.assertEqual(set(WRITTEN) - set(found), set())

    def test_each_test_that_is_named_exists(self):
        known = set(system_tests())
        rows = [DECLARED, *WRITTEN.values()]
        for shown in {shown for row in rows for shown in row.values()}:
            with self.subTest(shown):
                self.assertTrue(shown in known or shown in REASONS)


if __name__ == "__main__":
    unittest.main()
