"""`python -m scripts.early`: clips heard as they arrive, answered early, or not at all."""

from pathlib import Path

import pytest

from scripts.early import main

SMALL = ["clips=6", "lengths=[4]", "conditions=[clean]", "look_s=1"]


def test_clips_are_heard_as_they_arrive(
    music: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One row a condition and length: how many were answered early and when, how many wrongly, of 6 each."""
    assert main([f"catalog.path={music}", f"encoder.weights={weights}", f"out={tmp_path}", *SMALL]) == 0
    told = capsys.readouterr()
    (row,) = [line.strip("| ").split(" | ") for line in told.out.splitlines() if line.startswith("| clean")]
    assert row[:2] == ["clean", "4 s"] and len(row) == 7
    assert "clean, 4 s" in told.err and "A look every 1 s" in told.out


def test_it_is_told_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without music there is nothing to hear: one line, exit code 2."""
    assert main([f"out={tmp_path}"]) == 2
    assert "catalog.path is not given" in capsys.readouterr().err
