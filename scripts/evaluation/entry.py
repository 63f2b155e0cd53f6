"""What the two commands share as commands: help, exit codes, one readable line for every error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from conf import describe
from ingest.errors import InfrastructureError, RefrainError


def run_entry(name: str, arguments: Sequence[str], usage: str, work: Callable[[Sequence[str]], None]) -> int:
    """The exit code."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(usage, describe(name), sep="\n", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    try:
        work(arguments)
    except RefrainError as error:
        print(f"{name}: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 1 if isinstance(error, InfrastructureError) else 2
    except KeyboardInterrupt:
        print(f"{name}: stopped; the same command goes on where it was", file=sys.stderr)
        return 130
    return 0
