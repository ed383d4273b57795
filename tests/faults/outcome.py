# SPDX-License-Identifier: BSD-2-Clause
"""What must hold once everything is back: look() gathers a side with one command, judge() says what is wrong. What
zrepd itself has not let go of: look_for_left() and left()."""
import dataclasses
import json
import re

# The real ones: a question of ours is not to wait behind the shim. Few programs: each costs a guest 20 ms and more.
LOOK = r"""
fs=$1 pool=${1%%/*} tab=$(printf '\t') newest= held= marks=; PATH=/usr/sbin:$PATH
part() { echo "== $1"; }
properties=$(zfs get -Hpo property,value all "$fs"); snapshots=$(zfs list -Hpo name,guid,userrefs -t snapshot,bookmark -s createtxg -d 1 "$fs")
case $properties in *"mounted${tab}yes"*) mounted=yes ;; *) mounted= ;; esac
part properties; echo "$properties"
part snapshots; while IFS=$tab read -r name guid holds; do
    case $name in "") continue ;; *"#"*) marks="$marks ${name#*#}"; continue ;; esac
    echo "${name#*@}$tab$guid"
    [ "$holds" = 0 ] || held="$held $name"
    case $name in *@zrep_*) newest=$name ;; esac
done <<END
$snapshots
END
part holds; [ -z "$held" ] || zfs holds -H $held | while IFS=$tab read -r name tag since; do echo "${name#*@}$tab$tag"; done
part bookmarks; [ -z "$marks" ] || printf '%s\n' $marks
part datasets; datasets=$(zfs list -rHo name "$pool"); echo "$datasets"
part orphans; ps -eo pid,ppid,comm,args --no-headers | awk '$2 == 1 && $3 ~ /^(zfs|zpool)$/ || $2 == 1 && $3 == "ssh" && !/\[mux\]/'
mkdir -p /run/look
part data; mount -t zfs "$newest" /run/look && { (cd /run/look && sha256sum *); umount /run/look; }
part files; [ -z "$mounted" ] || (cd /tank/fs && printf '%s\n' *)
part records; [ -z "$mounted" ] || cat /tank/fs/records
for d in $datasets; do
    case $d in "${fs}_diverged_"*) ;; *) continue ;; esac
    mount -t zfs -o ro,zfsutil "$d" /run/look || continue
    part rescued-files; (cd /run/look && printf '%s\n' *)
    part rescued-records; cat /run/look/records
    umount /run/look
done
part end
"""
# Nobody else may hold the lock file open: a child that inherited it would keep the next zrepd out.
LEFT = r"""
part() { echo "== $1"; }
part zrepd; cat /run/zrepd.pid
part holders; find /proc/[0-9]*/fd -lname /run/zrepd/zrepd.lock 2>/dev/null
part processes; ps -eo pid,ppid,comm,args --no-headers
part status; zrepctl status "$1" --json
part end
"""
BOOKMARKS = 9  # a sync takes away those that newer ones replaced, once there are more than eight


@dataclasses.dataclass
class Side:
    """What one host has."""
    properties: dict
    snapshots: list  # (name, guid), oldest first
    holds: list
    bookmarks: list
    datasets: list
    orphans: list
    data: list
    files: list
    records: list
    rescued_files: list
    rescued_records: list


@dataclasses.dataclass
class Expected:
    """`written`: all records that were fsynced, in order. `acknowledged`: those that were on the other side, too.
    `files`: names that must be somewhere. `loses`: what was not acknowledged may be in a rescue; `back`: the rest, too."""
    written: list
    acknowledged: list
    files: list
    loses: bool
    back: bool = False


def sections(text):
    """{name: lines} of what a look printed; those of one name are one."""
    parts = {}
    for line in text.splitlines():
        if line.startswith("== "):
            lines = parts.setdefault(line[3:], [])
        else:
            lines.append(line)
    if "end" not in parts:
        raise ValueError(f"only half a look: {text[-300:]!r}")
    return parts


def parse(text):
    parts = sections(text)

    def rows(name):
        return [tuple(line.split("\t")) for line in parts[name]]
    return Side(dict(row for row in rows("properties") if len(row) == 2), rows("snapshots"), rows("holds"),
                parts["bookmarks"], parts["datasets"], parts["orphans"], parts["data"], parts["files"], parts["records"], parts.get("rescued-files", []),
                parts.get("rescued-records", []))


def look(host, fs):
    return parse(host.run(["sh", "-c", LOOK, "look", fs], timeout=120).out)


def roles(here, there):
    """`here` and `there` are properties of the two hosts named alpha and beta; what is wrong with their roles."""
    sides = {"alpha": here, "beta": there}
    masters = [name for name, side in sides.items() if side.get("zrep:master") == "yes"]
    if len(masters) != 1:
        return [f"masters: {masters}"]
    master = masters[0]
    first, second = (here, there) if master == "alpha" else (there, here)
    wrong = []
    if first.get("readonly") != "off":
        wrong.append("the master is readonly")
    if first.get("mounted") != "yes":
        wrong.append("the master is not mounted")
    if second.get("readonly") != "on":
        wrong.append("the target is writable")
    if not first.get("zrep:epoch") or first.get("zrep:epoch") != second.get("zrep:epoch"):
        wrong.append(f"epochs {first.get('zrep:epoch')} and {second.get('zrep:epoch')}")
    for name, side in sides.items():
        if side.get("zrep:inprogress", "-") not in ("-", ""):
            wrong.append(f"a journal on {name}: {side['zrep:inprogress']}")
        if side.get("zrep:src-host") != master:
            wrong.append(f"{name} says the source is {side.get('zrep:src-host')}")
    return wrong


def undone(moves, before, now):
    """A role change that reported success must not be undone by a recovery. `moves`: the role, or None: who knows."""
    if moves is None or moves == (before != now):
        return []
    return [f"it ended with success, the master was {before} and is {now}"]


def snapshots(master, target):
    """Both sides in step, and nothing piled up or left over."""
    here, there = ([row for row in side.snapshots if row[0].startswith("zrep_")] for side in (master, target))
    if not here or here[-1] not in there[-1:]:
        return [f"not in step: {here[-1:]} and {there[-1:]}"]
    # A snapshot whose sync was cut off may stay on the master alone until it expires with the others.
    wrong = []
    for name, side, own in (("master", master, here), ("target", target, there)):
        kept = int(side.properties.get("zrep:savecount", 0))
        if len(own) > kept + 1:
            wrong.append(f"{len(own)} snapshots on the {name}, which keeps {kept}")
        if side.holds != [(here[-1][0], "zrep_base")]:
            wrong.append(f"holds on the {name}: {side.holds}")
        if side.properties.get("receive_resume_token", "-") != "-":
            wrong.append(f"half a stream is left on the {name}")
        marks = [mark for mark in side.bookmarks if mark.startswith("zrep_")]
        if len(marks) > BOOKMARKS:
            wrong.append(f"{len(marks)} bookmarks on the {name}")
    if f"zrep_{here[-1][1]}" not in master.bookmarks:
        wrong.append(f"no bookmark of {here[-1]}")
    return wrong


def records(master, target, expected):
    """None lost, none twice, in order; what a loss took from the master is in a rescue."""
    have, wrong = master.records, []
    if len(set(have)) != len(have) or have != [record for record in expected.written if record in set(have)]:
        wrong.append(f"records out of order, twice or never written: {have}")
    if gone := [record for record in expected.acknowledged if record not in have and not expected.back]:
        wrong.append(f"acknowledged and lost: {gone}")
    somewhere, names = set(have), set(master.files)
    if expected.loses:
        for side in (master, target):
            somewhere |= set(side.rescued_records)
            names |= set(side.rescued_files)
    if gone := [record for record in expected.written if record not in somewhere]:
        wrong.append(f"lost: {gone}")
    if gone := [name for name in expected.files if name not in names]:
        wrong.append(f"lost: {gone}")
    return wrong


def judge(master, target, expected, datasets):
    """Everything that is wrong after a recovery and a sync, as texts. `datasets`: names that may be there, besides
    rescues after a loss."""
    wrong = snapshots(master, target) + records(master, target, expected)
    if master.data != target.data or not master.data:
        wrong.append(f"data differ: {sorted(set(master.data) ^ set(target.data))}")
    for name, side in (("master", master), ("target", target)):
        if side.orphans:
            wrong.append(f"survivors on the {name}: {side.orphans}")
        other = [dataset for dataset in side.datasets if dataset not in datasets and
                 not (expected.loses and "_diverged_" in dataset)]
        if other:
            wrong.append(f"datasets on the {name}: {other}")
    if target.properties.get("mounted") == "yes":
        wrong.append("the target is mounted")
    return wrong


def is_kept(program, arguments):
    """By a zrepd that has nothing to do: the zpool that sleeps until a pool changes, and the session with a peer."""
    return (program == "zpool" and " events -f" in arguments) or (program == "ssh" and "ControlMaster=yes" in arguments)


def left(text):
    """What zrepd has not let go of at the moment of a look_for_left(), as texts."""
    parts = sections(text)
    zrepd = "".join(parts["zrepd"]).strip()
    holders = {line.split("/")[2] for line in parts["holders"]}
    wrong = [] if holders == {zrepd} else [f"zrepd is {zrepd}, and the host's lock is open in {sorted(holders)}"]
    try:
        pairs = json.loads("\n".join(parts["status"]))["pairs"]
        wrong += [f"run {pair['running']['run_id']} holds {pair['dataset']}" for pair in pairs if pair.get("running")]
    except (ValueError, KeyError) as error:
        wrong.append(f"no status: {error!r}")
    for line in parts["processes"]:
        _, parent, program, arguments = line.split(None, 3)
        if parent == zrepd and program in ("zfs", "zpool", "ssh") and not is_kept(program, arguments):
            wrong.append(f"zrepd still has {line.strip()}")
    return wrong


def look_for_left(host, fs):
    return left(host.run(["sh", "-c", LEFT, "left", fs], timeout=120).out)


def error_in(document):
    """The first error in what zrepctl printed; None where there is none."""
    if isinstance(document, dict):
        if isinstance(document.get("error"), dict):
            return document["error"]
        document = list(document.values())
    found = (error_in(part) for part in document) if isinstance(document, list) else ()
    return next((error for error in found if error), None)


def printed(begin, text):
    """The command in the text that begins so, up to the text's next word or mark that is not of it."""
    at = text.find(begin)
    if at < 0:
        raise ValueError(f"the remedy does not have {begin!r}: {text}")
    return re.split(r";| and |, then ", text[at:])[0].strip()
