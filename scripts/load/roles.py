"""Which of the processes below this one is what, and what it uses of processor and memory."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from scripts.footprint import Processes
from serve.process_tree import Process, below, read_process

CALLERS = "callers"  # this process
RAY = "rest of Ray"
MILVUS = "Milvus"
TITLES = {  # what a command line holds, as Ray titles its workers
    "ServeReplica:refrain:api": "API",
    "ServeReplica:refrain:encoder": "encoder",
    "ProxyActor": "proxy",
    "milvus": MILVUS,
    "mariadbd": "MariaDB",
    "serve": RAY,
    "serve.noop": RAY,
}
ROLES = ("proxy", "API", "encoder", RAY, "Milvus", "MariaDB", CALLERS)
SERVICE = ("proxy", "API", "encoder", RAY, "Milvus", "MariaDB")


@dataclass(frozen=True)
class Use:
    """By role, so far: CPU seconds, and bytes of private memory."""

    cpu_s: Mapping[str, float] = field(default_factory=dict)
    memory: Mapping[str, int] = field(default_factory=dict)


def used() -> Use:
    """By every process below this one, and by this one. Of one that has ended nothing is known."""
    own = os.getpid()
    processes = {process.pid: process for process in below(own)}
    here = read_process(own)
    assert here is not None
    cpu_s: dict[str, float] = defaultdict(float, {CALLERS: here.cpu_s})
    memory: dict[str, int] = defaultdict(int)
    for process in processes.values():
        role = _role(process, processes)
        cpu_s[role] += process.cpu_s
        memory[role] += Processes((process.pid,)).memory()[0]
    return Use(dict(cpu_s), dict(memory))


def spent(before: Use, after: Use) -> dict[str, float]:
    """CPU seconds by role in between."""
    return {role: after.cpu_s[role] - before.cpu_s.get(role, 0.0) for role in ROLES if role in after.cpu_s}


def _role(process: Process, processes: Mapping[int, Process]) -> str:
    """Of the nearest one above it, or itself, that can be told by its command line."""
    at: Process | None = process
    while at is not None:
        words = _command(at.pid)
        for title, role in TITLES.items():
            if title in words[0] or title in words[1:]:
                return role
        at = processes.get(at.parent)
    return CALLERS


def _command(pid: int) -> list[str]:
    """The words of a command line; those of a process that has ended are none."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    return [""]
