# SPDX-License-Identifier: BSD-2-Clause
"""Arms the shim (shim.c) of a lab's hosts and does the faults that a host cannot do to itself."""
import pathlib
import shutil
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
POLL_SECONDS = 0.01
# Over the programs that zrepd finds first, so that taking it away leaves what was there.
INSTALL = ("mkdir -p /run/fault; cp /lab/faults/shim /run/fault/shim.new && mv /run/fault/shim.new /run/fault/shim; "
           "for t in zfs zpool; do umount -l /usr/local/sbin/$t 2>/dev/null; "
           "mount --bind /run/fault/shim /usr/local/sbin/$t || exit 1; done")
REMOVE = "for t in zfs zpool; do umount -l /usr/local/sbin/$t 2>/dev/null; done; rm -rf /run/fault; true"


class Injector:
    """Passes names through the lab's stage folder, which is /lab on the hosts; works over a cut link, too."""

    def __init__(self, lab):
        self.folder = lab.stage / "faults"
        self.number = 0
        self.serials = {}
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        subprocess.run(["gcc", "-O2", "-static", "-o", self.folder / "shim", HERE / "shim.c"], check=True, timeout=60)

    def arm(self, host, point=None, changes=False):
        """From now on zrepd's calls are numbered anew there; at the point, where there is one, it strikes."""
        for what in ("point", "reached"):
            (self.folder / f"{host}.{what}").unlink(missing_ok=True)
        self.number += 1
        number, when, fault = (point.call.nth, point.when, point.fault) if point else (0, "before", "none")
        key = "|".join(point.call.key) if point else "-"
        # The process's own time tells apart runs in one lab, whose hosts may still have the earlier one's files.
        self.serials[host] = f"{time.time_ns()}-{self.number}"
        (self.folder / f"{host}.point").symlink_to(
            f"{self.serials[host]} {number} {when} {fault} {'changes' if changes else 'all'} {key}")
        return self.serials[host]

    def disarm(self):
        for what in ("point", "reached"):
            for file in self.folder.glob(f"*.{what}"):
                file.unlink(missing_ok=True)

    def calls(self, host, serial):
        """What was called there since arm(), which returned the serial."""
        return host.run(f"cat /run/fault/calls.{serial} 2>/dev/null", check=False).out.splitlines()

    def wait_reached(self, host, ended, seconds):
        """The command line at which `host` waits for its fault; None once `ended()` or after `seconds`."""
        until = time.monotonic() + seconds
        file = self.folder / f"{host}.reached"
        while True:
            over = ended() or time.monotonic() > until  # asked first: it may be reached just before the end
            if file.is_symlink():
                # Those that boot again must not be struck again.
                (self.folder / f"{host}.point").unlink(missing_ok=True)
                return str(file.readlink())
            if over:
                return None
            time.sleep(POLL_SECONDS)

    def go(self, host):
        """Stays there: disarm() may come before a busy guest has seen it."""
        (self.folder / f"{host}.{self.serials[host]}").symlink_to("now")
