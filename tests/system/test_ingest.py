"""The ingest command as a whole, as processes on real stores."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.music import compose
from scripts.music.files import FORMATS, Tags, write
from tests.system.catalogue import (
    ROOT,
    SAMPLE_RATE,
    SMALL,
    command,
    environment,
    ingest,
    left_in,
    named_files,
    write_piece,
    write_pieces,
)
from tests.system.scrape import documented, metrics_ports, scraping

pytestmark = pytest.mark.integration


def test_a_second_run_does_nothing_and_changes_are_noticed(tmp_path: Path) -> None:
    """Running again changes nothing and says so; a new, a changed and a removed file are noticed."""
    music, home = tmp_path / "My Songs (2020), [x] ü#~ $HOME", tmp_path / "home"
    paths = write_pieces(music, 4)
    first = ingest(home, music)
    assert first.returncode == 0, first.stderr
    before = left_in(home, [str(path) for path in paths])
    assert set(before.tracks) == {str(path) for path in paths}
    assert before.tracks[str(paths[1])][2:5] == ("Piece 1", "The Composer", "XXABC2600001")
    assert all(before.keys.values()) and before.vectors_stored == sum(map(len, before.keys.values()))

    again = ingest(home, music)
    assert again.returncode == 0 and "nothing to do" in again.stdout, again.stdout + again.stderr
    assert left_in(home, [str(path) for path in paths]) == before

    new = write_piece(music, 7)
    write_piece(music, 2, duration_s=12.0)
    paths[3].unlink()
    changed = ingest(home, music)
    assert changed.returncode == 0, changed.stderr
    assert "1 new" in changed.stdout and "1 changed" in changed.stdout and "1 removed" in changed.stdout, changed.stdout
    removed = (max((home / "runs").iterdir()) / "removed.csv").read_text().splitlines()
    assert removed == ["track_id,uri", f'{before.tracks[str(paths[3])][0]},"{paths[3]}"'], "the comma in it is quoted"
    after = left_in(home, [str(path) for path in [*paths, new]])
    assert after.keys[str(new)]
    assert after.tracks[str(paths[0])] == before.tracks[str(paths[0])]
    assert after.tracks[str(paths[2])][0] == before.tracks[str(paths[2])][0], "the public id stays"
    assert after.tracks[str(paths[2])][1] != before.tracks[str(paths[2])][1], "the recording is another"
    assert after.vectors_stored == sum(map(len, after.keys.values())), "the old recording's vectors are gone"
    named, lying = named_files(home)
    assert named <= lying


def test_bad_files_are_named_and_good_ones_are_in(tmp_path: Path) -> None:
    """Text, emptiness, silence and broken files are rejected with their reasons, exit 5; all else gets in."""
    music, home = tmp_path / "music", tmp_path / "home"
    good = write_pieces(music, 4)
    (music / "text.mp3").write_text("These are words, not music.\n" * 200)
    (music / "empty.mp3").touch()
    tags = Tags("", "", "", None)
    write(music / "silent.wav", np.zeros((1, 20 * SAMPLE_RATE), np.float32), SAMPLE_RATE, tags, FORMATS["wav"])
    write(music / "short.wav", compose(9, 0.4, SAMPLE_RATE)[None], SAMPLE_RATE, tags, FORMATS["wav"])
    write(music / "whole.mp3", compose(11, 30.0, SAMPLE_RATE)[None], SAMPLE_RATE, tags, FORMATS["mp3"])
    whole = (music / "whole.mp3").read_bytes()
    (music / "whole.mp3").unlink()
    truncated = music / "truncated.mp3"
    truncated.write_bytes(whole[: len(whole) // 2])
    long = music / "long.flac"
    pieces = [compose(seed, 30.0, SAMPLE_RATE) for seed in range(20, 24)]
    write(long, np.concatenate(pieces)[None], SAMPLE_RATE, tags, FORMATS["flac"])
    (music / "notes.txt").write_text("not listed as audio")

    done = ingest(home, music, "audio.window_s=32")
    assert done.returncode == 5, done.stdout + done.stderr
    run = max((home / "runs").iterdir())
    rejects = (run / "rejects.csv").read_text().splitlines()[1:]
    found = {Path(line.split(",")[0]).name: line.split(",")[1] for line in rejects}
    assert found == {
        "text.mp3": "unreadable", "empty.mp3": "unreadable", "silent.wav": "silent", "short.wav": "too_short",
    }  # fmt: skip
    uris = sorted(str(path) for path in music.iterdir() if path.suffix != ".txt")
    left = left_in(home, uris)
    for path in [*good, truncated, long]:
        assert left.keys[str(path)], f"{path.name} has vectors"
    assert len(left.keys[str(long)]) == 120 * 1000 // 512 + 1, "every half second of the long one, across its windows"
    exit0 = ingest(home, music, "on_rejects=exit0")
    assert exit0.returncode == 0, "the rejects stand, but the caller does not mind"


@pytest.mark.long
def test_a_manifest_names_what_the_tags_do_not(tmp_path: Path) -> None:
    """Columns of a manifest win over tags, its relative uris lie beside it, and nothing is written outside home."""
    paths = write_pieces(tmp_path / "music", 2)
    manifest, elsewhere = tmp_path / "list.csv", tmp_path / "elsewhere"
    elsewhere.mkdir()
    manifest.write_text(f'uri,title\nmusic/{paths[0].name},"Given, in the list"\nmusic/{paths[1].name},\n')
    home = tmp_path / "home"
    done = subprocess.run(
        [sys.executable, "-m", "ingest", f"home={home}", "catalog=manifest", f"catalog.path={manifest}", *SMALL],
        capture_output=True, text=True, timeout=280, cwd=elsewhere, env={**environment(), "HOME": str(elsewhere)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not [path for path in elsewhere.rglob("*") if path.is_file()], list(elsewhere.rglob("*"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "home", "list.csv", "music"]
    left = left_in(home, [f"music/{path.name}" for path in paths])
    assert [row[2] for row in left.tracks.values()] == ["Given, in the list", "Piece 1"]
    assert [row[3] for row in left.tracks.values()] == ["The Composer", "The Composer"]


def test_vectors_that_are_lost_come_back_from_the_lake(tmp_path: Path) -> None:
    """A job notices them and fails; `action=reindex` fills another collection without any audio, `promote` lets it
    answer, and after `prune` the first one is gone.
    """
    from ingest.stores import VectorsConfig, open_vectors

    music, home = tmp_path / "music", tmp_path / "home"
    uris = [str(path) for path in write_pieces(music, 2)]
    assert ingest(home, music).returncode == 0
    before = left_in(home, uris)

    def collections() -> list[str]:
        with open_vectors(VectorsConfig(), home) as vectors:
            return vectors.list()

    (first,) = collections()
    with open_vectors(VectorsConfig(), home) as vectors:
        vectors.delete_recordings(first, [int(before.tracks[uris[0]][1])])
    failed = ingest(home, music)
    assert failed.returncode == 1 and "the ledger says" in failed.stderr, failed.stderr
    for path in music.iterdir():
        path.unlink()
    again = ingest(home, music, "action=reindex")
    assert again.returncode == 0 and "is ready; action=promote lets it answer" in again.stdout, (
        again.stdout + again.stderr
    )
    assert ingest(home, music, "action=promote").returncode == 0
    assert left_in(home, uris) == before
    pruned = ingest(home, music, "action=prune")
    assert pruned.returncode == 0 and f"dropped: {first}" in pruned.stdout
    assert len(collections()) == 1 and first not in collections()


def test_a_second_job_on_the_same_catalogue_is_refused(tmp_path: Path) -> None:
    """While one job holds the catalogue, another ends with exit 3 and one line."""
    from ingest.stores import MetadataConfig, open_metadata

    music, home = tmp_path / "music", tmp_path / "home"
    write_pieces(music, 1)
    with open_metadata(MetadataConfig(), home) as metadata, metadata.catalog("default").lock():
        refused = ingest(home, music)
    assert refused.returncode == 3
    assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr


@pytest.mark.long
def test_a_job_on_one_machine_exports_its_figures(tmp_path: Path) -> None:
    """All that the documentation names comes out while the job's own Ray runs, rejects by their code among it."""
    music = tmp_path / "music"
    for path in write_pieces(music, 4):
        for number in range(30):
            (music / f"{number:02d} {path.name}").hardlink_to(path)
    (music / "00 text.mp3").write_text("These are words, not music.\n" * 200)
    often = {"RAY_metrics_report_interval_ms": "300"}
    arguments = command(tmp_path / "home", music, "compute.sink_windows=8", "on_rejects=exit0")
    with (
        subprocess.Popen(
            arguments, cwd=ROOT, env=environment() | often, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as job,
        scraping(lambda: metrics_ports(job.pid)) as figures,
    ):
        try:
            assert job.wait(280) == 0
        finally:
            job.terminate()
    assert documented() <= figures.names
    assert set(figures.of("ray_refrain_ingest_rejects_total", code="unreadable", catalog="default")) == {1.0}
    done = figures.of("ray_refrain_ingest_files_total", outcome="done")
    assert done == sorted(done) and 0 < done[-1] <= 4 * 31
    left = figures.of("ray_refrain_ingest_files_left")
    assert left == sorted(left, reverse=True) and max(left) <= 4 * 31 + 1
