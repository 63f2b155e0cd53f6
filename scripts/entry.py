"""What commands share as commands: exit codes, one readable line for every error, help."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from conf import describe
from ingest.errors import InfrastructureError, RefrainError


def exit_code(name: str, work: Callable[[], None], goes_on: str = "goes on where it was") -> int:
    """Of `work`, with its errors told: 0 · 1 a store or program failed · 2 configuration · 130 stopped by a person."""
    try:
        work()
    except RefrainError as error:
        print(f"{name}: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 1 if isinstance(error, InfrastructureError) else 2
    except KeyboardInterrupt:
        print(f"{name}: stopped; the same command {goes_on}", file=sys.stderr)
        return 130
    return 0


def run_entry(name: str, arguments: Sequence[str], usage: str, work: Callable[[Sequence[str]], None]) -> int:
    """The same, of a command that tells its usage when asked, or when told nothing."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(usage, describe(name), sep="\n", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    return exit_code(name, lambda: work(arguments))
