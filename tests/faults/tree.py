# SPDX-License-Identifier: BSD-2-Clause
"""A pair of a tree (--tree): its one member has the root's records, written after them; never of another moment."""
import re

from outcome import sections

MEMBER = "member"

LOOK = r"""
fs=$1 member=$1/member; PATH=/usr/sbin:$PATH
part() { echo "== $1"; }
part properties; zfs get -Hpo property,value mounted,readonly,canmount,zrep:inprogress "$member"
newest=$(zfs list -Ho name -t snapshot -s createtxg -d 1 "$fs" | grep @zrep_0 | tail -n 1)
part guid; zfs get -Hpo value guid "$member@${newest#*@}"
show() { mount -t zfs $3 "$2" /run/look && { part "$1"; cat /run/look/records; umount /run/look; }; }
mkdir -p /run/look
show root "$newest"; show member "$member@${newest#*@}"
for d in $(zfs list -Ho name | grep "^${member}_diverged_"); do show rescued "$d" "-o ro,zfsutil"; done
part end
"""


def look(host, fs):
    return sections(host.run(["sh", "-c", LOOK, "look", fs], timeout=120).out)


def ways(properties, master):
    """What is wrong with how a side serves the member."""
    wanted = {"mounted": "yes", "readonly": "off", "canmount": "on"} if master else \
        {"mounted": "no", "readonly": "on", "canmount": "noauto"}
    side = "master" if master else "target"
    wrong = [f"the {side}'s member has {name}={properties.get(name)}" for name, value in wanted.items()
             if properties.get(name) != value]
    if properties.get("zrep:inprogress", "-") not in ("-", ""):
        wrong.append(f"a journal on the {side}'s member: {properties['zrep:inprogress']}")
    return wrong


def judge(master, target, written, loses):
    """Everything that is wrong with the member after a recovery and a sync, as texts."""
    wrong = []
    for side, parts in (("master", master), ("target", target)):
        wrong += ways(dict(line.split("\t") for line in parts["properties"]), side == "master")
        if parts.get("root") != parts.get("member") or not parts.get("root"):
            wrong.append(f"two moments on the {side}: {parts.get('root')} and {parts.get('member')}")
    if master["guid"] != target["guid"] or not re.fullmatch(r"\d+", " ".join(master["guid"])):
        wrong.append(f"the member is not in step: {master['guid']} and {target['guid']}")
    somewhere = set(master.get("member", []))
    if loses:
        somewhere |= {*master.get("rescued", []), *target.get("rescued", [])}
    if gone := [record for record in written if record not in somewhere]:
        wrong.append(f"lost of the member: {gone}")
    return wrong
