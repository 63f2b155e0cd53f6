"""What processes hold in memory and use of the processor, as /proc shows it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from serve.process_tree import below, read_process


@dataclass(frozen=True)
class Processes:
    """Some processes, looked at together; one that is gone holds and uses nothing."""

    pids: tuple[int, ...]

    @classmethod
    def of_milvus(cls) -> Processes:
        """Those of the session that the newest Milvus server started by this process leads."""
        found = below(os.getpid())
        servers = [process for process in found if process.parent == os.getpid() and _is_milvus(process.pid)]
        leader = max(servers, key=lambda process: process.started).pid
        return cls(tuple(process.pid for process in found if process.session == leader))

    def cpu_s(self) -> float:
        """Used so far."""
        return sum(process.cpu_s for pid in self.pids if (process := read_process(pid)))

    def memory(self) -> tuple[int, int]:
        """Bytes (private, of files)."""
        totals = [0, 0]
        for pid in self.pids:
            lines = _status(pid)
            for place, name in enumerate(("RssAnon", "RssFile")):
                totals[place] += 1024 * int(lines.get(name, "0").split()[0])
        return totals[0], totals[1]


@dataclass
class Peak:
    """The most memory, in bytes, that processes were seen to hold: all of it, and what is private."""

    resident: int = 0
    private: int = 0

    def look(self, processes: Processes) -> None:
        private, mapped = processes.memory()
        self.private = max(self.private, private)
        self.resident = max(self.resident, private + mapped)


def _is_milvus(pid: int) -> bool:
    try:
        return b"milvus" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _status(pid: int) -> dict[str, str]:
    """The lines of a process's status by their names; of one that has ended few are left, or none."""
    try:
        told = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return {}
    return dict(line.split(":", 1) for line in told.splitlines())
