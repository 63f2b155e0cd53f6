"""Programs that note how they are called, in the place of the real ones."""

import csv
import stat
from pathlib import Path


def stand_in(programs: Path, name: str, does: str) -> None:
    """A program that notes its arguments and then `does` a line of shell."""
    program = programs / name
    program.write_text(f'#!{programs}/sh\necho "{name} $*" >> "{programs.parent}/calls"\n{does}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def calls(programs: Path) -> list[str]:
    noted = programs.parent / "calls"
    return noted.read_text().splitlines() if noted.exists() else []


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "SOURCES.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))
