# SPDX-License-Identifier: BSD-2-Clause
"""What ZFS says about a pair, and what a finished sync leaves behind on both sides."""
import contextlib
import shlex

# Properties of the pair, as zrep-properties(7) has them.
PAIR_PROPERTIES = ("zrep:src-host", "zrep:src-fs", "zrep:dest-host", "zrep:dest-fs", "zrep:epoch")


class Facts:
    """The part of a test case that looks at datasets; it has the hosts alpha and beta of a lab."""

    def get(self, host, prop, name):
        """A property's value, or "-"."""
        return host.run(["zfs", "get", "-Hpo", "value", prop, name]).out.rstrip("\n")

    def source(self, host, prop, name):
        return host.run(["zfs", "get", "-Hpo", "source", prop, name]).out.rstrip("\n")

    def snapshots(self, host, dataset):
        """Snapshot names, oldest first."""
        out = host.run(["zfs", "list", "-Hpo", "name", "-t", "snapshot", "-s", "createtxg", "-d", "1",
                        dataset]).out
        return [line.split("@", 1)[1] for line in out.splitlines()]

    def guids(self, host, dataset):
        out = host.run(["zfs", "list", "-Hpo", "name,guid", "-t", "snapshot", "-s", "createtxg", "-d", "1",
                        dataset]).out
        return {line.split("\t")[0].split("@", 1)[1]: line.split("\t")[1] for line in out.splitlines()}

    def bookmarks(self, host, dataset):
        out = host.run(["zfs", "list", "-Hpo", "name", "-t", "bookmark", "-d", "1", dataset]).out
        return [line.split("#", 1)[1] for line in out.splitlines()]

    def holds(self, host, dataset):
        """{snapshot name: [tags]} of this dataset's snapshots."""
        out = {}
        for name in self.snapshots(host, dataset):
            lines = host.run(["zfs", "holds", "-H", f"{dataset}@{name}"]).out.splitlines()
            if lines:
                out[name] = [line.split("\t")[1] for line in lines]
        return out

    def write(self, dataset, name, megabytes=1, on="alpha"):
        """Random bytes in a file of a mounted filesystem."""
        host = self.lab.host(on)
        place = self.get(host, "mountpoint", dataset)
        host.run(f"dd if=/dev/urandom of={shlex.quote(place + '/' + name)} bs=1M count={megabytes} "
                 "status=none", timeout=120)

    def digest(self, host, dataset):
        """A sum over names, sizes and bytes of all files in the newest zrep snapshot. Of a volume, the host's
        only one, over its bytes as they are now."""
        snapshot = [name for name in self.snapshots(host, dataset) if name.startswith("zrep_")][-1]
        script = ('set -e; if [ "$(zfs get -Ho value type "$1")" = volume ]; then '
                  "was=$(zfs get -Ho value volmode \"$1\"); [ $was != none ] || zfs set volmode=full \"$1\"; "
                  "for i in $(seq 50); do [ ! -e /dev/zd0 ] || break; sleep 0.1; done; sha256sum </dev/zd0; "
                  "[ $was != none ] || zfs set volmode=none \"$1\"; exit; fi; "
                  "d=$(mktemp -d); mount -t zfs \"$1@$2\" $d; cd $d; "
                  "find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum | sha256sum; "
                  "cd /; umount $d; rmdir $d")
        done = host.run(["bash", "-c", script, "digest", dataset, snapshot], timeout=120)
        return snapshot, done.out.split()[0]

    def assert_same_data(self, source, target, to=None):
        here, there = self.digest(self.alpha, source), self.digest(to or self.beta, target)
        self.assertEqual(here, there)

    def facts(self, host, dataset):
        """What one side of a pair has, with one command: a guest's processes are expensive."""
        script = ("zfs list -Hpo name -t snapshot -s createtxg -d 1 \"$1\" | sed 's/.*@//'; echo ==; "
                  "zfs list -Hpo name -t bookmark -d 1 \"$1\" | sed 's/.*#//'; echo ==; "
                  "zfs get -Hpo property,value,source all \"$1\"; echo ==; "
                  "n=$(zfs list -Hpo name -t snapshot -s createtxg -d 1 \"$1\" | tail -n 1); "
                  "zfs get -Hpo property,value guid,zrep:sent \"$n\"; echo ==; "
                  "zfs list -Hpo name -t snapshot -d 1 \"$1\" | tr '\\n' '\\0' | xargs -0r zfs holds -H")
        parts = host.run(["sh", "-c", script, "facts", dataset]).out.split("==\n")
        snapshots, bookmarks = (part.splitlines() for part in parts[:2])
        rows = [line.split("\t") for line in parts[2].splitlines()]
        newest = dict(line.split("\t") for line in parts[3].splitlines())
        holds = [tuple(line.split("\t")[:2]) for line in parts[4].splitlines()]
        return {"snapshots": snapshots, "bookmarks": bookmarks, "newest": newest,
                "props": {row[0]: row[1] for row in rows}, "sources": {row[0]: row[2] for row in rows},
                "holds": [(name.split("@", 1)[1], tag) for name, tag in holds]}

    def assert_in_step(self, source, target, to=None):
        """Everything a finished sync leaves behind on both sides."""
        here, there = self.facts(self.alpha, source), self.facts(to or self.beta, target)
        name = here["snapshots"][-1]
        self.assertRegex(name, r"^zrep_[0-9a-f]{6}$")
        self.assertEqual(there["snapshots"][-1], name)
        self.assertRegex(here["newest"]["zrep:sent"], r"^\d{10}$")
        self.assertEqual(here["newest"], there["newest"])
        self.assertEqual(here["holds"], [(name, "zrep_base")])
        self.assertEqual(there["holds"], [(name, "zrep_base")])
        self.assertIn(f"zrep_{here['newest']['guid']}", here["bookmarks"])
        self.assertEqual(there["props"]["readonly"], "on")
        self.assertEqual(here["props"]["zrep:master"], "yes")
        self.assertNotEqual(there["props"].get("zrep:master"), "yes")
        for prop in PAIR_PROPERTIES:
            self.assertEqual(here["props"][prop], there["props"][prop], prop)
        self.assertRegex(here["props"]["zrep:epoch"], r"^[1-9]\d*$")
        if there["props"]["type"] == "filesystem":
            self.assertEqual((there["props"]["mounted"], there["props"]["canmount"]), ("no", "noauto"))
        for side in (here, there):
            self.assertGreaterEqual(int(side["props"]["zrep:savecount"]), 2)
            # Inherited, a pair would be one of a dataset above.
            for prop in (*PAIR_PROPERTIES, "zrep:savecount"):
                self.assertIn(side["sources"][prop], ("local", "received"), prop)
        self.assertEqual(here["sources"]["zrep:master"], "local")
        self.assertIn(there["sources"]["readonly"], ("local", "received"))

    def everything(self, name):
        """All that zrepd could leave on a host: datasets, snapshots, bookmarks, holds, properties,
        streams."""
        return self.lab.host(name).run(
            "zfs list -H -t all -o name,guid,userrefs,readonly; "
            "zfs get -H -s local,received -o name,property,value,source all | grep zrep: ; "
            "pgrep -a -x zfs | grep -E 'zfs (send|receive) '; true").out.splitlines()

    @contextlib.contextmanager
    def nothing_left(self):
        """What is done inside must not change either host."""
        before = {name: self.everything(name) for name in self.hosts}
        yield
        self.assertEqual({name: self.everything(name) for name in self.hosts}, before)
