"""Planning at scale: measured as a run does it, in a process a row."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.stores import MetadataConfig, open_metadata
from scripts.scale import ENCODER, Cost, commit_all, listing, main, table


def test_every_listed_file_is_committed(tmp_path: Path) -> None:
    """What is measured is real: all files are registered and done, and a second listing leaves nothing to do."""
    with open_metadata(MetadataConfig(), tmp_path) as metadata:
        catalog = metadata.catalog()
        assert catalog.register(listing(1_500), "run").new == 1_500
        commit_all(catalog)
        assert catalog.counts(ENCODER).done == 1_500
        assert catalog.register(listing(1_500), "again").unchanged == 1_500
        assert next(catalog.pending(ENCODER), None) is None


def test_a_row_comes_from_a_process_of_its_own(tmp_path: Path) -> None:
    """It says what each step took, and its memory is not ours."""
    command = [sys.executable, "-m", "scripts.scale", "--one", "sqlite", "200", str(tmp_path), ""]
    cost = Cost(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert cost.files == 200 and min(cost.register_s, cost.commit_s, cost.nothing_to_do_s) > 0
    assert 50 < cost.memory_mb < 1_000
    assert "| sqlite | 200 |" in table([cost])


def test_the_command_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes and stores as asked for; a wrong option is one line."""
    assert main(["sizes=[50]", "stores=[sqlite]"]) == 0
    assert "| sqlite | 50 |" in capsys.readouterr().out
    assert main(["size=3"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
