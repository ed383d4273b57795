# SPDX-License-Identifier: BSD-2-Clause
"""docs/monitoring: alerts, dashboard and manual name the same things; promtool finds no fault with the rules.

Without promtool (Debian: package prometheus) the rest is tested and the exit status is 77, which ctest shows as skipped."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FOLDER = DOCS / "monitoring"
# Of node_exporter and Prometheus.
FOREIGN = {"node_textfile_mtime_seconds", "up"}
SUFFIXES = {"summary": ("_count", "_sum"), "histogram": ("_bucket", "_count", "_sum")}


def metrics():
    """Those that the code has, by tests/unit/metrics_families_test.cpp: what a sample may be called, and its labels."""
    out = {}
    for name, kind, labels in re.findall(r"(?m)^\| `(\w+)` \| (\w+) \| ([\w, ]*) \|", (FOLDER / "metrics.md").read_text()):
        known = {label for label in labels.split(", ") if label} | ({"le"} if kind == "histogram" else set())
        for suffix in SUFFIXES.get(kind, ("",)):
            out[name + suffix] = known
    return out


def rules():
    """The text of each alert, by its name."""
    parts = re.split(r"(?m)^ +- alert: ", (FOLDER / "alerts.yml").read_text())[1:]
    return {part.split(None, 1)[0]: part for part in parts}


def expression(rule):
    return re.search(r"(?s)expr: (?:>-)?(.*?)\n +(?:for|labels):", rule).group(1)


def anchors():
    """As GitHub makes them of headings."""
    headings = re.findall(r"(?m)^#+ (.*)$", (DOCS / "operations.md").read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dashboard():
    return json.loads((FOLDER / "dashboard.json").read_text())


def queries():
    """Every query of the dashboard as Prometheus gets it."""
    board = dashboard()
    texts = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    texts += [note["expr"] for note in board["annotations"]["list"]]
    return [text.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$dataset", ".*") for text in texts]


class Monitoring(unittest.TestCase):
    maxDiff = None

    def check_query(self, query):
        known = metrics()
        for name, selector in re.findall(r"\b((?:zrepd|node|up)\w*)\b(?:\{(.*?)\})?", query):
            self.assertIn(name, set(known) | FOREIGN)
            for label in re.findall(r"(\w+)(?:=~|!=|!~|=)", selector if name in known else ""):
                self.assertIn(label, known[name] | {"instance", "job"}, name)

    def test_alerts_are_of_metrics_that_there_are(self):
        self.assertGreater(len(metrics()), 25)
        for name, rule in rules().items():
            with self.subTest(name):
                self.check_query(expression(rule))

    def test_the_dashboard_is_of_metrics_that_there_are(self):
        self.assertGreater(len(queries()), 15)
        for query in queries():
            with self.subTest(query):
                self.check_query(query)

    def test_panels_have_a_place_of_their_own(self):
        taken = {}
        for panel in dashboard()["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
                self.assertNotIn(cell, taken, panel["title"])
                taken[cell] = panel["title"]
        numbers = [panel["id"] for panel in dashboard()["panels"]]
        self.assertEqual(len(numbers), len(set(numbers)))

    def test_every_alert_names_its_paragraph_and_every_paragraph_an_alert(self):
        known = anchors()
        for name, rule in rules().items():
            with self.subTest(name):
                page, anchor = re.search(r"runbook: (\S+)#(\S+)\n", rule).groups()
                self.assertEqual((page, anchor), ("docs/operations.md", name.lower()))
                self.assertIn(anchor, known)
                self.assertRegex(rule, r"severity: (critical|warning)\n")
                self.assertIn("summary: ", rule)
        described = re.findall(r"(?m)^#### (Zrepd\w+)$", (DOCS / "operations.md").read_text())
        self.assertEqual(sorted(described), sorted(rules()))

    def test_links_lead_somewhere(self):
        known = anchors()
        for page in (DOCS / "operations.md", FOLDER / "README.md"):
            for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
                path, _, anchor = link.partition("#")
                with self.subTest(link):
                    self.assertTrue(link.startswith("http") or (page.parent / path).exists())
                    if anchor and (path.endswith("operations.md") or (not path and page.name == "operations.md")):
                        self.assertIn(anchor, known)

    def test_every_alert_is_shown_to_fire_and_to_wait(self):
        parts = re.split(r"(?m)^ +alertname: ", (FOLDER / "alerts_test.yml").read_text())[1:]
        fires = {part.split(None, 1)[0] for part in parts if "exp_labels" in part}
        waits = {part.split(None, 1)[0] for part in parts if re.match(r"\w+\n +exp_alerts: \[\]", part)}
        self.assertEqual(sorted(fires), sorted(rules()))
        delayed = {name for name, rule in rules().items() if "\n        for: " in rule}
        self.assertEqual(sorted(delayed - waits), [])


class Promtool(unittest.TestCase):
    def promtool(self, *words, cwd=FOLDER):
        done = subprocess.run(["promtool", *words], cwd=cwd, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_rules_are_right(self):
        self.promtool("check", "rules", "--lint-fatal", "alerts.yml")

    def test_rules_fire_when_they_are_to(self):
        self.promtool("test", "rules", "alerts_test.yml")

    def test_queries_of_the_dashboard_are_right(self):
        with tempfile.TemporaryDirectory() as folder:
            rows = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries())]
            # JSON is YAML.
            document = {"groups": [{"name": "dashboard", "rules": rows}]}
            (pathlib.Path(folder) / "queries.yml").write_text(json.dumps(document))
            self.promtool("check", "rules", "queries.yml", cwd=folder)


if __name__ == "__main__":
    there = shutil.which("promtool") is not None
    parts = [Monitoring] + ([Promtool] if there else [])
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromTestCase(part) for part in parts)
    good = unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful()
    if good and not there:
        print("promtool is missing: the rules were not tried (Debian: package prometheus)")
        sys.exit(77)
    sys.exit(0 if good else 1)
