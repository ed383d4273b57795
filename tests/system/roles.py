# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of role changes share."""
from support import Case, wait_for

FS, COPY = "tank/fs", "backup/fs"


class Roles(Case):
    """A pair tank/fs -> beta:backup/fs with one file in it."""

    def setUp(self):
        super().setUp()
        self.alpha.run(["zfs", "create", FS])
        self.write(FS, "first")
        self.zrepctl("init", FS, "beta", COPY)

    def sides(self):
        """(host, dataset) of alpha's and beta's side."""
        return (self.alpha, FS), (self.beta, COPY)

    def role_of(self, host, dataset):
        names = ("zrep:master", "zrep:epoch", "zrep:inprogress", "readonly", "mounted", "zrep:src-host",
                 "zrep:src-fs", "zrep:dest-host", "zrep:dest-fs")
        out = host.run(["zfs", "get", "-Hpo", "property,value", ",".join(names), dataset]).out
        return dict(line.split("\t") for line in out.splitlines())

    def settled(self, master):
        """One master, `master` ("alpha" or "beta"), writable; the other readonly; equal epochs; no journal."""
        here, there = self.role_of(self.alpha, FS), self.role_of(self.beta, COPY)
        first, second = (here, there) if master == "alpha" else (there, here)
        return (first["zrep:master"] == "yes" and second["zrep:master"] != "yes" and
                first["readonly"] == "off" and second["readonly"] == "on" and
                first["zrep:epoch"] == second["zrep:epoch"] and
                first["zrep:inprogress"] in ("-", "") and second["zrep:inprogress"] in ("-", "") and
                first["zrep:src-host"] == second["zrep:src-host"] == master)

    def assert_master(self, master, seconds=0):
        wait_for(f"{master} is the master and all is settled: {self.role_of(self.alpha, FS)}, "
                 f"{self.role_of(self.beta, COPY)}", seconds, lambda: self.settled(master))

    def path(self, host, dataset):
        return self.get(host, "mountpoint", dataset)
