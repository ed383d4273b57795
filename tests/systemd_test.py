# SPDX-License-Identifier: BSD-2-Clause
"""systemd's units: what they forbid, and that docs/hardening.md gives a reason for all that stays open."""
import json
import pathlib
import re
import shutil
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]
UNIT = ROOT / "systemd/zrepd.service"
HARDENING = (ROOT / "docs/hardening.md").read_text()
# Each of these gives the service a mount namespace of its own: what zrepd itself mounts then is seen by nobody else (tried with systemd 252).
OWN_MOUNTS = ("ProtectSystem ProtectHome PrivateTmp PrivateDevices PrivateMounts PrivateIPC PrivateUsers ProtectKernelTunables "
              "ProtectKernelModules ProtectKernelLogs ProtectControlGroups ProtectProc ProcSubset RootDirectory RootImage "
              "ReadOnlyPaths ReadWritePaths InaccessiblePaths ExecPaths NoExecPaths BindPaths BindReadOnlyPaths "
              "TemporaryFileSystem MountAPIVFS LogNamespace DynamicUser").split()
# These hide what zrepd looks at itself: mount points, a witness's folder, the state of pools.
BLINDERS = set("PrivateTmp RootDirectory RootImage ProcSubset InaccessiblePaths TemporaryFileSystem DynamicUser PrivateUsers".split())


def settings(path):
    """What the unit sets: (name, value) of each line."""
    return re.findall(r"(?m)^(\w+)=(.*)$", path.read_text())


def security(*options):
    return subprocess.run(["systemd-analyze", "security", "--no-pager", "--offline=yes", *options, str(UNIT)], capture_output=True,
                          text=True, timeout=60, check=False)


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
class Security(unittest.TestCase):
    def test_exposure_is_what_the_manual_says(self):
        said = re.search(r"exposure level of (\d)\.(\d)", HARDENING)
        done = security(f"--threshold={said[1]}{said[2]}")
        self.assertEqual(done.returncode, 0, done.stdout[-300:])
        self.assertLessEqual(int(said[1] + said[2]), 40)

    def test_all_that_stays_open_is_in_the_manual_with_its_reason(self):
        section = HARDENING.split("\n## What the unit leaves open", 1)[1]
        named = re.findall(r"`([^`]+)`", section.replace("\\|", "|"))
        for check in json.loads(security("--json=short").stdout):
            if check["exposure"] is None or float(check["exposure"]) == 0:
                continue
            for name in check["name"].split("/"):
                self.assertIn(name, named, check["description"])


class Units(unittest.TestCase):
    def test_what_it_starts_mounts_for_everyone(self):
        found = {name: value for name, value in settings(UNIT) if value not in ("no", "")}
        own = set(found) & set(OWN_MOUNTS)
        self.assertTrue(own)
        # Handed over by the program itself, outside of all that; kept for the next process, and taken from no other.
        self.assertEqual(found["ExecStartPre"], "+" + found["ExecStart"] + " --hand-over-mounts")
        self.assertEqual((found["FileDescriptorStoreMax"], found["NotifyAccess"]), ("2", "exec"))
        self.assertIn("mnt", found["RestrictNamespaces"].split())
        self.assertEqual(own & BLINDERS, set())
        self.assertEqual((found["ProtectSystem"], found["ProtectHome"]), ("full", "read-only"))

    def test_sockets_are_those_of_the_daemon_with_its_modes(self):
        found = {}
        for name in ("zrepd", "zrepd-ro"):
            unit = dict(settings(ROOT / f"systemd/{name}.socket"))
            found[unit["ListenStream"]] = unit["SocketMode"], unit["SocketGroup"]
            # A client must not start what an administrator stopped.
            self.assertEqual(unit["StopPropagatedFrom"], "zrepd.service")
        self.assertEqual(found, {"/run/zrepd/zrepd.sock": ("0660", "zrepd"), "/run/zrepd/zrepd-ro.sock": ("0666", "zrepd")})


if __name__ == "__main__":
    unittest.main()
