# SPDX-License-Identifier: BSD-2-Clause
"""The resource agent with the real zrepd: under ocf-tester, and in a real cluster of two hosts with fencing.

The hosts run Debian's corosync and Pacemaker. Their power switch is a folder that both see: the fencing
agent writes a request into it, this process cuts the host off and answers."""
import pathlib
import re
import shutil
import threading
import unittest

from roles import COPY, FS, Roles
from support import ROOT, wait_for

AGENT = ROOT / "systemd/zrepd-ocf"
INSTALLED = "/usr/lib/ocf/resource.d/zrepd/filesystem"
# Not in tests/lab/packages: their packages start a cluster of one node on the machine itself.
CLUSTER_PROGRAMS = ("corosync", "pacemakerd", "pcs")
INSTALL = f"mkdir -p {INSTALLED.rsplit('/', 1)[0]} /run/resource-agents && cat >{INSTALLED} && chmod 755 {INSTALLED}"

COROSYNC = """
totem {
    version: 2
    cluster_name: lab
    transport: udpu
}
quorum {
    provider: corosync_votequorum
    two_node: 1
}
logging {
    to_syslog: no
    to_logfile: yes
    logfile: /run/corosync.log
}
nodelist {
    node {
        name: alpha
        nodeid: 1
        ring0_addr: 10.77.0.1
    }
    node {
        name: beta
        nodeid: 2
        ring0_addr: 10.77.0.2
    }
}
"""
# Pacemaker gives the parameters on stdin, one NAME=VALUE a line.
FENCE_AGENT = r"""#!/bin/sh
while IFS='=' read -r name value; do
    case $name in action) action=$value ;; port) port=$value ;; esac
done
case $action in
    metadata) cat <<END
<?xml version="1.0"?>
<resource-agent name="fence_lab" shortdesc="The lab's power switch">
<longdesc>The lab's power switch</longdesc>
<parameters>
<parameter name="action" required="1">
<getopt mixed="-o"/><content type="string" default="off"/><shortdesc>Action</shortdesc>
</parameter>
<parameter name="port" required="0">
<getopt mixed="-n"/><content type="string"/><shortdesc>Host</shortdesc>
</parameter>
</parameters>
<actions>
<action name="off"/><action name="reboot"/><action name="monitor"/><action name="list"/><action name="metadata"/>
</actions>
</resource-agent>
END
    ;;
    off|reboot)
        rm -f /lab/power/$port.off
        echo off >/lab/power/$port.request
        for i in $(seq 100); do [ ! -e /lab/power/$port.off ] || exit 0; sleep 0.2; done
        exit 1 ;;
esac
"""
# Debian's init system would do this.
START_CLUSTER = ("mkdir -p /run/crm /var/log/pacemaker /var/log/corosync; rm -rf /var/lib/corosync/* "
                 "/var/lib/pacemaker/cib/* /var/lib/pacemaker/pengine/*; "
                 "chown -R hacluster:haclient /var/lib/pacemaker /run/crm /var/log/pacemaker; "
                 "corosync && { PCMK_logfile=/run/pacemaker.log "
                 "setsid pacemakerd -f </dev/null >/run/pacemakerd.out 2>&1 & }")


def example():
    """The `pcs` commands of docs/pacemaker.md, but for the devices."""
    page = (ROOT / "docs/pacemaker.md").read_text()
    lines = re.search(r"<!-- pcs -->\n(.*?)<!-- end -->", page, re.S)[1].replace("\\\n", " ").splitlines()
    own = [line.strip() for line in lines if "fence_ipmilan" not in line]
    devices = [f"pcs stonith create power-{name} fence_lab port={name} pcmk_host_list={name}"
               for name in ("alpha", "beta")]
    return " && ".join(devices + own)


class WithRealZrepd(Roles):
    def test_passes_ocf_tester_on_either_side(self):
        for host, dataset in self.sides():
            host.run(INSTALL, input=AGENT.read_text())
            # No cluster here: nobody asks for a score.
            done = host.run(f"HA_SBIN_DIR=/usr/bin ocf-tester -n fs -o dataset={dataset} {INSTALLED}",
                            check=False, timeout=300)
            self.assertEqual(done.code, 0, done)
            self.assertIn(f"{INSTALLED} passed all tests\n", done.out)
            # Each promotion there was a real one.
            self.assertEqual(self.role_of(host, dataset)["zrep:master"], "yes")


class PowerSwitch(threading.Thread):
    """Cuts off the hosts that a fencing agent asks for."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab, self.folder, self.cut, self.over = lab, pathlib.Path(lab.stage) / "power", [], threading.Event()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def run(self):
        while not self.over.wait(0.1):
            for request in self.folder.glob("*.request"):
                self.lab.host(request.stem).cut()
                self.cut.append(request.stem)
                request.unlink()
                request.with_suffix(".off").write_text("off\n")


class InCluster(Roles):
    """docs/pacemaker.md's example, with the lab's power switch for its own."""

    pair = (FS, COPY)

    def make_pair(self):
        """Roles has made it."""

    def setUp(self):
        super().setUp()
        self.make_pair()
        self.switch = PowerSwitch(self.lab)
        self.switch.start()
        self.addCleanup(self.switch.join)
        self.addCleanup(self.switch.over.set)
        for name in self.hosts:
            # No cluster is left to the next test.
            self.addCleanup(self.lab.host(name).cut)
            self.join(name)
        wait_for("both nodes are online", 120, lambda: "Online: [ alpha beta ]" in self.crm_mon())
        self.beta.run(example().replace("alpha=tank/fs;beta=backup/fs", "alpha={};beta={}".format(*self.pair)),
                      timeout=300)
        self.wait_promoted("alpha")

    def join(self, name):
        """Starts what makes a host a node of the cluster."""
        host = self.lab.host(name)
        for path, text in ((INSTALLED, AGENT.read_text()), ("/usr/sbin/fence_lab", FENCE_AGENT),
                           ("/etc/corosync/corosync.conf", COROSYNC)):
            host.run(f"mkdir -p {path.rsplit('/', 1)[0]} && cat >{path} && chmod 755 {path}", input=text)
        host.run(START_CLUSTER, timeout=60)

    def crm_mon(self, on="beta"):
        return self.lab.host(on).run("crm_mon -1", check=False).out

    def wait_promoted(self, name, on="beta", seconds=120):
        """`name` is the cluster's and zrepd's master, and the service runs there."""
        wait_for(f"{name} is promoted", seconds, lambda: f"Promoted: [ {name} ]" in self.crm_mon(on), step=1)
        wait_for(f"the service runs on {name}", 60, lambda: re.search(
            rf"service\s.*Started {name}\b", self.crm_mon(on)), step=1)
        host, dataset = self.lab.host(name), self.pair[self.hosts.index(name)]
        role = self.role_of(host, dataset)
        self.assertEqual((role["zrep:master"], role["readonly"], role["mounted"]), ("yes", "off", "yes"))

    def tearDown(self):
        if self.failed():
            for name in self.hosts:
                if self.lab.host(name).alive():
                    print(self.crm_mon(name), self.lab.host(name).run(
                        "grep -hE 'filesystem|fence|error|warning' /run/pacemaker.log | tail -60", check=False).out)
        super().tearDown()


NEEDS_CLUSTER = unittest.skipUnless(
    all(map(shutil.which, CLUSTER_PROGRAMS)),
    "no cluster here: apt-get install corosync pacemaker pcs starts services on this machine")


@NEEDS_CLUSTER
class Cluster(InCluster):
    def test_services_follow_the_role_and_nothing_else(self):
        """They stay when zrepd dies, and go with a move and with a failover by hand, which lose nothing."""
        self.zrepd["alpha"].kill()
        wait_for("the agent sees it", 60, lambda: "zrepd does not answer" in
                 self.alpha.run("cat /run/pacemaker.log").out, step=1)
        self.beta.run("sleep 25")  # two more of its monitor
        self.wait_promoted("alpha")
        self.zrepd["alpha"].start()
        self.write(FS, "last")
        self.beta.run("pcs resource move fs-clone beta --promoted", timeout=180)
        self.wait_promoted("beta")
        self.assert_master("beta", seconds=30)
        self.beta.run("test -s /tank/fs/last")
        # By hand, past Pacemaker: the service follows the role.
        self.zrepctl("failover", COPY, on="beta")
        self.wait_promoted("alpha")
        self.assertEqual(self.switch.cut, [])

    def test_a_dead_node_is_fenced_and_done_without(self):
        self.zrepctl("sync", FS)
        self.alpha.run("echo never > /tank/fs/never; zpool sync")
        self.alpha.cut()
        self.wait_promoted("beta", seconds=180)
        self.assertEqual(self.switch.cut, ["alpha"])
        self.assertIn("taking over with a copy that is", self.beta.run("cat /run/pacemaker.log").out)
        # It returns, with what it never sent beside it.
        self.alpha.boot()
        self.zrepd["alpha"].start(first="install /lab/bin/zrepd /usr/sbin/; install /lab/bin/zrepctl /usr/bin/")
        self.assert_master("beta", seconds=60)
        self.alpha.run("zfs mount tank/fs_diverged_2 && grep never /tank/fs_diverged_2/never")
        self.join("alpha")
        wait_for("alpha is the copy in the cluster", 120, lambda: "Unpromoted: [ alpha ]" in self.crm_mon(), step=1)
        self.wait_promoted("beta")


@NEEDS_CLUSTER
class SuspendedPool(InCluster):
    """The master's pool is on a file that finds no more room below it."""

    pair = ("thin/fs", "backup/thin")

    def make_pair(self):
        self.alpha.run("mkdir -p /run/thin; mount -t tmpfs -o size=160M tmpfs /run/thin; "
                       "truncate -s 1G /run/thin/disk; "
                       "zpool create -O compression=off -o failmode=wait thin /run/thin/disk; zfs create thin/fs")
        self.zrepctl("init", self.pair[0], "beta", self.pair[1])

    def test_is_fenced(self):
        self.alpha.run("(dd if=/dev/urandom of=/thin/fs/big bs=1M count=300 conv=fsync >/dev/null 2>&1 &)")
        self.wait_promoted("beta", seconds=240)
        self.assertEqual(self.switch.cut, ["alpha"])


if __name__ == "__main__":
    unittest.main()
