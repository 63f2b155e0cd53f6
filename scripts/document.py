"""docs/benchmarks.md: sections that commands write, each between its own marks."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Every section comes from the command it names; no figure is typed by hand. Machines are noisy: ratios within one
run say more than single figures.
"""


def write_section(title: str, command: str, body: str, document: Path = DOCUMENT) -> None:
    """Replace the section of this title, or add it at the end."""
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
