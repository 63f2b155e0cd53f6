"""Among good files lie hostile ones: each is in or named with its reason, and nothing else suffers."""

import csv
import time
from pathlib import Path

import numpy as np
import pytest

from ingest.errors import BadInput
from ingest.stores import MetadataConfig, open_metadata
from tests.stages.world import decoder
from tests.system.catalogue import ingest
from tests.system.hostile import KINDS, audio, write_hostile

CODES = {error.code for error in BadInput.__subclasses__()}
DECODED_S = 20.0  # at most, of one file


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_ends_in_windows_or_in_a_reject(kind: str, tmp_path: Path) -> None:
    """Three of each: closed by a last window or a known code, in bounded time; nothing is raised."""
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        KINDS[kind](np.random.default_rng(seed), folder / "file")
        (path,) = folder.iterdir()
        started = time.monotonic()
        rows = list(decoder(window_s=600.0).rows(1, str(path)))
        assert time.monotonic() - started < DECODED_S
        assert rows[-1].get("last") or rows[-1]["code"] in CODES
        if rows[-1].get("code"):
            assert 0 < len(rows[-1]["reason"]) < 300 and "passwd" not in rows[-1]["reason"]


@pytest.mark.long
@pytest.mark.integration
@pytest.mark.timeout(1_500)
def test_a_thousand_files_of_which_two_hundred_are_hostile(tmp_path: Path) -> None:
    """The job ends with exit 5, all 800 good files answer, and each reject stands with its code and a reason."""
    music, home = tmp_path / "music", tmp_path / "home"
    write_hostile(music / "hostile", 200, seed=7)
    good = music / "good"
    good.mkdir()
    suffixes = (".mp3", ".ogg", ".flac", ".wav")
    for number in range(800):
        suffix = suffixes[number % 4]
        (good / f"{number:04}{suffix}").write_bytes(audio(number, suffix, seconds=3.0))
    done = ingest(home, music, timeout_s=1_200)
    assert done.returncode == 5, done.stdout[-2_000:] + done.stderr[-2_000:]
    with open_metadata(MetadataConfig(), home) as metadata:
        catalog = metadata.catalog()
        generation = catalog.active_generation()
        assert generation is not None
        rejected = {reject.uri: reject for reject in catalog.rejects(generation.encoder)}
        counts = catalog.counts(generation.encoder)
    assert counts.tracks == 1_000 and counts.pending == 0 and counts.done + counts.rejected == 1_000
    assert all("/hostile/" in uri for uri in rejected)
    assert all(reject.code in CODES and reject.reason for reject in rejected.values())
    with next((home / "runs").glob("*/rejects.csv")).open(newline="") as file:
        assert {row["uri"] for row in csv.DictReader(file)} == set(rejected)
