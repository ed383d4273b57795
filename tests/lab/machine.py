# SPDX-License-Identifier: BSD-2-Clause
"""What the lab does on the machine itself: commands, processes, locks, network namespaces."""
import contextlib
import fcntl
import os
import pathlib
import shlex
import signal
import subprocess

NAMESPACES = pathlib.Path("/run/netns")
LOCKS = pathlib.Path("/run/lock")
# Says what the first lab made of /run/netns; its lock keeps other labs out meanwhile.
NAMESPACES_NOTE = LOCKS / "zrepd-lab.netns"


class LabError(Exception):
    """Something of the lab itself failed; a test that sees it proves nothing."""


def run_here(argv, check=True, timeout=60, **options):
    """Runs a command on the outer machine."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, errors="replace", **options)
    if check and done.returncode != 0:
        raise LabError(f"{shlex.join(map(str, argv))} exited {done.returncode}: {done.stderr.strip()}")
    return done


def kill_tree(pid):
    """Ends a process and all below it: a guest's processes are children of its kernel."""
    try:
        os.kill(pid, signal.SIGSTOP)  # so that it starts nothing while we look
    except ProcessLookupError:
        return
    children = run_here(["pgrep", "-P", str(pid)], check=False).stdout.split()
    for child in children:
        kill_tree(int(child))
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def lock_file(path, wait=True):
    """The locked file, or None where another has it. Whoever has it may remove it at the end, so one
    that is not at its path any more is tried again."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR, 0o600), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        except BlockingIOError:
            file.close()
            return None
        except FileNotFoundError:
            pass
        file.close()


def lab_lock(name):
    """The file whose lock says that a process uses this instance's hosts."""
    return LOCKS / f"zrepd-lab-{name}"


def namespaces():
    return {path.name for path in NAMESPACES.iterdir()} if NAMESPACES.is_dir() else set()


def is_mount_point(path):
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split()[4] == str(path) for line in lines)


def add_namespace(name):
    """`ip netns add` makes /run/netns and mounts it onto itself where it finds nothing; that is noted
    first, so that the last lab can take it away again."""
    with lock_file(NAMESPACES_NOTE) as note:
        if not note.read():
            note.write("was there" if is_mount_point(NAMESPACES) else
                       "mounted" if NAMESPACES.is_dir() else "made and mounted")
            note.flush()
        run_here(["ip", "netns", "add", name])


def delete_namespace(name):
    """Its processes, itself, and with the last of all labs what the first one made of /run/netns."""
    if not (NAMESPACES.is_dir() or NAMESPACES_NOTE.exists()):
        return
    with lock_file(NAMESPACES_NOTE) as note:
        if name in namespaces():
            for pid in run_here(["ip", "netns", "pids", name], check=False).stdout.split():
                kill_tree(int(pid))
            run_here(["ip", "netns", "del", name], check=False)
        if any(other.startswith("zrepd-lab-") for other in namespaces()):
            return
        found = note.read()
        if "mounted" in found and not namespaces() and is_mount_point(NAMESPACES):
            run_here(["umount", str(NAMESPACES)], check=False)
        if "made" in found:
            with contextlib.suppress(OSError):  # somebody else's are in it
                NAMESPACES.rmdir()
        NAMESPACES_NOTE.unlink()
