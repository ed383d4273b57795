# SPDX-License-Identifier: BSD-2-Clause
"""docs/hazards.md against the sources: no hazard left out, no row without a state, no test or file that is not there."""
import ast
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]
STATES = ("handled", "handled, no test yet", "decided against", "open")
HAZARDS = [f"H{number}" for number in range(1, 38)] + ["H32b", "H32c"]
COMPLAINTS = [f"C{number}" for number in range(1, 35)]


def rows():
    """Those of the page's tables that have an id: [id, elsewhere, zrepd, state, shown by]."""
    text = (ROOT / "docs/hazards.md").read_text()
    lines = re.findall(r"(?m)^\| *([A-Z]\d+[a-z]?) *\|(.*)\|$", text)
    return [[found, *(cell.strip() for cell in rest.split("|"))] for found, rest in lines]


def gtest_names():
    text = "\n".join(path.read_text() for folder in ("unit", "component")
                     for path in (ROOT / "tests" / folder).rglob("*.cpp"))
    return {f"{suite}.{name}" for suite, name in re.findall(r"(?m)^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", text)}


def system_names():
    for path in (ROOT / "tests/system").glob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            for part in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(part, ast.FunctionDef) and part.name.startswith("test_"):
                    yield f"{path.name}::{node.name}.{part.name}"


class Hazards(unittest.TestCase):
    maxDiff = None

    def test_every_hazard_and_complaint_has_one_row(self):
        found = [row[0] for row in rows()]
        self.assertEqual(sorted(name for name in found if name[0] in "HC"), sorted(HAZARDS + COMPLAINTS))
        self.assertEqual(len(found), len(set(found)))

    def test_every_row_is_whole_and_has_a_state(self):
        for row in rows():
            with self.subTest(row[0]):
                self.assertEqual(len(row), 5, "columns")
                self.assertNotIn("", row[:4])
                self.assertIn(row[3], STATES)

    def test_what_is_handled_is_shown_by_a_test(self):
        for name, *_, state, shown in rows():
            with self.subTest(name):
                self.assertTrue(shown or state not in ("handled", "decided against"))

    def test_every_test_that_is_named_exists(self):
        known = gtest_names() | set(system_names())
        for name, *_, shown in rows():
            named = re.findall(r"`([^`]*)`", shown)
            with self.subTest(name):
                self.assertEqual(re.sub(r"`[^`]*`", "", shown).strip(), "", "only names of tests")
                self.assertEqual([test for test in named if test not in known], [])

    def test_every_file_that_is_named_exists(self):
        named = re.findall(r"`((?:common|ctl|daemon|docs|tests)/[\w./-]+)`", (ROOT / "docs/hazards.md").read_text())
        self.assertGreater(len(named), len(HAZARDS))
        self.assertEqual([path for path in named if not (ROOT / path).exists()], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
