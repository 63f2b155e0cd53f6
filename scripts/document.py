"""docs/benchmarks.md: sections that commands write, each between its own marks, and the tables in them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Every section comes from the command it names; no figure is typed by hand. Machines are noisy: ratios within one
run say more than single figures.
"""


def write_section(
    title: str, command: str, body: str, document: Path = DOCUMENT, *, plots: Iterable[Path] = ()
) -> None:
    """Replace the section of this title, or add it at the end; `plots` are copied into the folder plots beside it."""
    text = document.read_text(encoding="utf-8") if document.exists() else HEAD
    date = datetime.now(UTC).date().isoformat()
    section = f"## {title}\n\n`{command}` · {date}\n\n{body.strip()}\n"
    found = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if found.search(text):
        text = found.sub(lambda _: section + "\n", text, count=1)
    else:
        text = text.rstrip() + "\n\n" + section
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text(text.rstrip() + "\n", encoding="utf-8")
    for plot in plots:
        place = document.parent / "plots" / plot.name
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(plot, place)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table in Markdown."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def slug(title: str) -> str:
    """
    >>> slug("Recognition of held-out music, 2")
    'recognition-of-held-out-music-2'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
