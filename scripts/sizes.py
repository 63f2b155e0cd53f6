"""`python -m scripts.sizes`: what catalogues of so many tracks need, as a table of docs/operations.md.

Each column is hours of audio times one measured figure: what an hour costs is taken to stay what it was at the size at
which it was measured. conf/sizes.yaml tells where each figure comes from.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from conf import compose
from scripts.entry import exit_code

HOUR_S, MINUTES, MB = 3600.0, 60.0, 1e6
HEAD = ("tracks", "hours", "CPU hours to ingest", "and to index", "Milvus: HNSW", "IVF_PQ", "vectors on disk")


@dataclass
class SizesConfig:
    """See conf/sizes.yaml."""

    tracks: list[int]
    track_minutes: float
    embed_speed_x: float
    gpu_speed_x: float | None
    index_cpu_s: float
    hnsw_mb: float
    pq_mb: float
    rows_mb: float


def main(arguments: Sequence[str]) -> int:
    return exit_code("sizes", lambda: print(table(compose("sizes", arguments, SizesConfig))))


def table(config: SizesConfig) -> str:
    """In Markdown; with a column of GPU hours where their speed is known."""
    head = [*HEAD, *(["GPU hours"] if config.gpu_speed_x else [])]
    lines = [head, ["---:"] * len(head), *(_row(config, tracks) for tracks in config.tracks)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines).replace(" ---: ", "---:")


def _row(config: SizesConfig, tracks: int) -> list[str]:
    hours = tracks * config.track_minutes / MINUTES
    cpu_hours = (hours / config.embed_speed_x, hours * config.index_cpu_s / HOUR_S)
    memory_and_disk = (config.hnsw_mb, config.pq_mb, config.rows_mb)
    return [
        f"{tracks:,}",
        f"{hours:,.0f}",
        *(rounded(value) for value in cpu_hours),
        *(in_bytes(hours * mb * MB) for mb in memory_and_disk),
        *([rounded(hours / config.gpu_speed_x)] if config.gpu_speed_x else []),
    ]


def rounded(value: float) -> str:
    """To two digits.

    >>> rounded(1587.3), rounded(15.87), rounded(0.694)
    ('1,600', '16', '0.69')
    """
    exact = float(f"{value:.1e}")
    return f"{exact:,.0f}" if exact >= 10 else f"{exact:g}"


def in_bytes(value: float) -> str:
    """
    >>> in_bytes(4.594e9), in_bytes(4.594e12), in_bytes(9.96e11)
    ('4.6 GB', '4.6 TB', '1 TB')
    """
    exact = float(f"{value:.1e}")
    return f"{rounded(exact / 1e12)} TB" if exact >= 1e12 else f"{rounded(exact / 1e9)} GB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
