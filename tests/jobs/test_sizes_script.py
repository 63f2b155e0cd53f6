"""The table of sizes in docs/operations.md."""

import doctest
import re

import pytest

from conf import compose
from scripts import sizes
from scripts.sizes import SizesConfig, main, table
from tests.repository.paths import ROOT

BENCHMARKS = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")


def configured(*options: str) -> SizesConfig:
    return compose("sizes", options, SizesConfig)


def test_the_examples_hold() -> None:
    """Numbers are rounded as the docstrings show."""
    assert doctest.testmod(sizes).failed == 0


def test_the_document_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """No figure of the table is typed by hand."""
    assert main([]) == 0
    assert capsys.readouterr().out in (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def test_a_thousand_hours() -> None:
    """A thousand hours cost a thousand times what one does."""
    row = table(configured("tracks=[15000]", "embed_speed_x=420", "gpu_speed_x=10000")).splitlines()[-1]
    assert row == "| 15,000 | 1,000 | 2.4 | 1 | 5.5 GB | 0.97 GB | 3.6 GB | 0.1 |"


def measured(pattern: str) -> list[float]:
    (found,) = re.findall(pattern, BENCHMARKS)
    return [float(value) for value in (found if isinstance(found, tuple) else (found,))]


def test_the_figures_are_those_of_the_benchmarks() -> None:
    """Each option is what docs/benchmarks.md says now."""
    config = configured()
    assert [config.embed_speed_x] == measured(r"\| mp3 \| 2 \| (\d+) \|")
    assert [config.hnsw_mb] == measured(r"\| HNSW M 16 ef 128 \| [\d.]+ \| ([\d.]+) \(")
    assert [config.pq_mb] == measured(r"\| IVF_PQ nlist 1024 m 64 nprobe 32 \| [\d.]+ \| ([\d.]+) \(")
    assert [config.rows_mb] == measured(r"raw vectors are ([\d.]+) MB an hour on disk")
    (hours,), (server_min,) = measured(r"peaks \((\d+) h of audio\)"), measured(r"CPU of the server \| ([\d.]+) min")
    (loader_s,) = measured(r"CPU of the loader \| (\d+) s")
    assert config.index_cpu_s == pytest.approx((60 * server_min + loader_s) / hours, abs=0.005)
