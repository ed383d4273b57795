# SPDX-License-Identifier: BSD-2-Clause
"""A tree as one pair (docs/adr/0015), for tests: makes one, compares both sides."""
import json

from streams import StreamCase

BELOW = ("", "/a", "/a/deep", "/vol")


class TreeCase(StreamCase):
    def make_tree(self):
        self.alpha.run("zfs create tank/fs && zfs create tank/fs/a && zfs create tank/fs/a/deep && "
                       "zfs create -V 8M tank/fs/vol && "
                       "for d in /tank/fs /tank/fs/a /tank/fs/a/deep; do echo $d >$d/name; done")
        return self.zrepctl("init", "-r", "tank/fs", "beta", "backup/fs")

    def sides(self, host, root):
        """{name below the root: newest snapshot's name, guid, createtxg, zrep:sent, holds} in one command."""
        script = ("zfs list -rHpo name -t filesystem,volume \"$1\" | while read -r d; do "
                  "s=$(zfs list -Hpo name -t snapshot -s createtxg -d 1 \"$d\" | tail -n 1); "
                  "[ -n \"$s\" ] || { echo \"$d\"; continue; }; "
                  "echo \"$d $s $(zfs get -Hpo value guid,createtxg,zrep:sent,userrefs \"$s\" | tr '\\n' ' ')\"; done")
        out = {}
        for line in host.run(["sh", "-c", script, "sides", root], timeout=120).out.splitlines():
            words = line.split()
            out[words[0][len(root):]] = (words[1].split("@")[1], *words[2:]) if len(words) > 1 else None
        return out

    def assert_tree_in_step(self, below=BELOW):
        here, there = self.sides(self.alpha, "tank/fs"), self.sides(self.beta, "backup/fs")
        for name in below:
            self.assertEqual(here[name][:2] + here[name][3:], there[name][:2] + there[name][3:], name)
            self.assertRegex(here[name][3], r"^\d{10}$")
            self.assertEqual(here[name][4], "1", "one hold")
            self.assertEqual(here[name][0], here[""][0], "the same snapshot of all")
            self.assertEqual(here[name][2], here[""][2], "one transaction group")

    def events(self, kind):
        """How many of this kind there were."""
        lines = self.zrepctl("events", "-n", "1000", "--json").out.splitlines()
        return sum(json.loads(line)["event"] == kind for line in lines)

    def change(self):
        self.alpha.run("date +%N >/tank/fs/a/deep/changed; date +%N >/tank/fs/changed")
