# SPDX-License-Identifier: BSD-2-Clause
"""For tests of conflicts: what status says of one, and the commands of its remedy run as they stand there."""


class Remedies:
    def conflict(self, kind="conflict", dataset="tank/fs", on="alpha"):
        """What status says of a sync that was refused; what it can't do without is there."""
        self.zrepctl("sync", dataset, on=on, code=5)
        pair = self.status(dataset, on=on)
        self.assertIn(pair["health"], ("conflict", "split_brain"))
        trouble = pair["last_error"]
        self.assertEqual(trouble["kind"], kind)
        self.assertRegex(trouble["since"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        shown = self.zrepctl("status", dataset, on=on).out
        self.assertIn(trouble["remedy"].split(";")[0].split(" (")[0][:40], " ".join(shown.split()))
        return trouble["remedy"]

    def run_printed(self, remedy, *commands):
        """(host, command) each, which has to stand in the text."""
        for host, command in commands:
            self.assertIn(command, remedy)
            host.run(command, timeout=120)
