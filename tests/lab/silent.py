# SPDX-License-Identifier: BSD-2-Clause
"""What can be seen from outside of a guest whose kernel runs and does not answer."""
import pathlib
import socket
import struct
import tempfile
import time

MAGIC, VERSION = 0xCAFEBABE, 2  # arch/um/drivers/mconsole.h
TEXT_BYTES = 512
REPLY_SECONDS = 3
LAST_BYTES = 3000


def ask_kernel(socket_path, command):
    """The answer of the kernel's management console; it needs no process of the guest, but interrupts."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        asking.bind(f"{folder}/reply")
        asking.settimeout(REPLY_SECONDS)
        asking.sendto(struct.pack(f"=III{TEXT_BYTES}s", MAGIC, VERSION, len(command), command.encode()), str(socket_path))
        text, more = "", 1
        while more:
            answer = asking.recv(12 + TEXT_BYTES)
            _, more, length = struct.unpack_from("=iii", answer)
            text += answer[12:12 + length].rstrip(b"\0").decode(errors="replace")
        return text


def outside(pid):
    """Whether its process spins or sleeps, and in which call of the outer kernel."""
    def processor_ticks():
        return sum(map(int, pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))

    before = processor_ticks()
    time.sleep(1)
    lines = [f"{processor_ticks() - before} ticks of processor time in a second"]
    for file in ("wchan", "syscall"):
        lines.append(f"{file}: {pathlib.Path(f'/proc/{pid}/{file}').read_text().strip()}")
    status = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return "\n".join(lines + [line for line in status if line.startswith(("State", "Sig", "VmRSS"))])


def describe(pid, console_socket, log):
    """All of it, for the log of a test run; never raises, whatever is gone meanwhile."""
    parts = []
    for what, look in (("its process", lambda: outside(pid)),
                       ("blocked tasks", lambda: ask_kernel(console_socket, "sysrq w")),
                       ("memory", lambda: ask_kernel(console_socket, "sysrq m")),
                       ("console", lambda: pathlib.Path(log).read_text(errors="replace"))):
        try:
            parts.append(f"-- {what}:\n{look()[-LAST_BYTES:]}")
        except (OSError, ValueError, IndexError, struct.error) as error:
            parts.append(f"-- {what}: {error}")
    return "\n".join(parts)
