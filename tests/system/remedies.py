# SPDX-License-Identifier: BSD-2-Clause
"""For tests of conflicts: what status says of one, and the commands of its remedy run as they stand there."""
import json

from support import wait_for

TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"


class Remedies:
    def conflict(self, kind="conflict", dataset="tank/fs", on="alpha"):
        """What status says of a sync that was refused; what it can't do without is there."""
        self.zrepctl("sync", dataset, on=on, code=5)
        return self.remedy_of(self.status(dataset, on=on), kind, on)

    def remedy_of(self, pair, kind="conflict", on="alpha"):
        """Of this pair in status --json; people are shown it as well."""
        self.assertEqual(pair["health"], kind if kind in ("conflict", "split_brain") else "failing")
        trouble = pair["last_error"]
        self.assertEqual(trouble["kind"], kind)
        self.assertRegex(trouble["since"], TIME)
        shown = self.zrepctl("status", pair["dataset"], on=on).out
        self.assertIn(trouble["remedy"].split(";")[0].split(" (")[0][:40], " ".join(shown.split()))
        return trouble["remedy"]

    def told(self, message, kind="conflict", dataset="tank/fs", on="alpha"):
        """The remedy of what status tells by itself, once it does. A role change that is tried again finds the same
        once more, and between the two there is nothing to tell."""
        def tells():
            done = self.lab.host(on).run(["zrepctl", "status", "--json", dataset], check=False)
            pairs = json.loads(done.out).get("pairs", [])
            if not pairs or message not in (pairs[0].get("last_error") or {}).get("message", ""):
                return None
            try:
                return self.remedy_of(pairs[0], kind, on)
            except AssertionError as error:
                why.append(error)
        why = []
        try:
            return wait_for(f"status on {on} tells of {message!r}", 40, tells)
        except AssertionError as error:
            raise AssertionError(f"{error} {why[-1:]}") from None

    def problem(self, message, on="alpha"):
        """The remedy of what keeps a pair from being seen as one."""
        def tells():
            done = self.lab.host(on).run("zrepctl list >/dev/null 2>&1; zrepctl status --json", check=False)
            return message in (json.loads(done.out).get("problem") or {}).get("message", "")
        wait_for(f"status on {on} tells of {message!r}", 20, tells)
        problem = self.zrepctl_json("status", on=on, code=1)["problem"]
        self.assertRegex(problem["since"], TIME)
        return problem["remedy"]

    def run_printed(self, remedy, *commands):
        """(host, command) each, which has to stand in the text; a third part fills in what stands for somebody's choice."""
        for host, command, *filled in commands:
            self.assertIn(command, remedy)
            for name, value in (filled[0] if filled else {}).items():
                self.assertIn(name, command)
                command = command.replace(name, value)
            self.run_when_free(host, command)

    def run_when_free(self, host, command):
        """What zrepd tries by itself meanwhile may be in the way, which says to run it again."""
        def done():
            result = host.run(command, check=False, timeout=120)
            return None if "is under way" in result.err else result
        result = wait_for(f"nothing else is under way for {command}", 60, done, step=1)
        self.assertEqual(result.code, 0, result)
