"""Which recordings are asked about, and how they fall into two folds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from conf import compose
from ingest.config import CatalogConfig
from ingest.errors import ConfigurationError
from ingest.fingerprint import SEGMENT_BITS
from scripts.evaluation.folds import FOLDS, Collection, in_two_folds
from scripts.evaluation.listing import Listed, list_recordings
from scripts.evaluation.options import CalibrateConfig
from scripts.evaluation.tracks import EvaluatedTrack


def catalog(path: Path) -> CatalogConfig:
    return compose("calibrate", [f"catalog.path={path}", "out=x"], CalibrateConfig).catalog


def listed(path: Path) -> list[Listed]:
    return list_recordings(catalog(path), path / "none")[0]


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def track(
    name: str, group: str = "", held_out: bool = True, segments: int = 0, stored: Path = Path()
) -> EvaluatedTrack:
    return EvaluatedTrack(name, group or name, held_out, 8_000, segments, Path(name), stored)


def test_a_folder_is_asked_about_whole(tmp_path: Path) -> None:
    """Every audio file below a folder, by its path in it; other files are not listed."""
    for name in ("b/2.wav", "a.mp3", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [(one.name, one.group, one.held_out) for one in listed(tmp_path)] == [
        ("a.mp3", "a.mp3", True),
        ("b/2.wav", "b/2.wav", True),
    ]


@pytest.mark.parametrize(("folders", "together"), [(7, False), (8, True)])
def test_files_of_one_folder_stay_together(folders: int, together: bool, tmp_path: Path) -> None:
    """From eight folders on, a folder is one group; below that every file is its own."""
    names = [f"album {n}/{side}.wav" for n in range(folders) for side in "ab"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    csv = written(tmp_path / "list.csv", "file", *names)
    for found in (listed(tmp_path), listed(csv)):
        assert len({one.group for one in found}) == (folders if together else 2 * folders)


def test_a_csv_says_split_and_source(tmp_path: Path) -> None:
    """Split train is never asked about; sources are groups; each file counts once, relative to the CSV."""
    path = written(
        tmp_path / "list.csv",
        "file,split,source,other",
        "x.wav,train,s,1",
        "y.wav,dev,t,2",
        "z.wav,,u,3",
        "y.wav,dev,t,4",
    )
    found = {one.name: one for one in listed(path)}
    assert {name: one.held_out for name, one in found.items()} == {"x.wav": False, "y.wav": True, "z.wav": True}
    assert [found[name].group for name in ("x.wav", "y.wav", "z.wav")] == ["s", "t", "u"]
    assert found["y.wav"].path == tmp_path / "y.wav"


def test_a_manifest_of_ingest_will_do(tmp_path: Path) -> None:
    """The column may be called uri; without split all are asked about, without source each is a group."""
    found = listed(written(tmp_path / "songs.csv", "uri,title", "a.wav,A", "b.wav,B"))
    assert [(one.name, one.group, one.held_out) for one in found] == [
        ("a.wav", "a.wav", True),
        ("b.wav", "b.wav", True),
    ]


@pytest.mark.parametrize(
    ("lines", "told"),
    [(["title", "A"], "no CSV with rows and a column file"), ([], "column file"), (["file"], "column file")],
)
def test_what_is_no_list_is_refused(lines: list[str], told: str, tmp_path: Path) -> None:
    """A CSV without the column, or without rows, is a configuration error."""
    with pytest.raises(ConfigurationError, match=told):
        listed(written(tmp_path / "list.csv", *lines))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """A folder without audio is a configuration error, as is one that is not there."""
    with pytest.raises(ConfigurationError, match="lists no audio files"):
        listed(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        listed(tmp_path / "nowhere")


def test_every_held_out_track_is_known_once_and_unknown_once() -> None:
    """Groups stay whole, halves are about equal, what the encoder has heard is always in the catalogue."""
    tracks = [track(f"{g}{n}", g) for g in "abcde" for n in range(3)] + [track("heard", held_out=False)]
    found = in_two_folds(tracks, [], seed=3)
    assert {found.tracks[i].name for i in found.asked_about()} == {t.name for t in tracks if t.held_out}
    assert abs(found.halves[0] - found.halves[1]) <= 3
    for i, one in enumerate(found.tracks):
        known = [i in found.indexed(fold) for fold in FOLDS]
        assert known == ([True, True] if not one.held_out else [found.half(i) == fold for fold in FOLDS])
    halves = [{found.tracks[i].group for i in found.asked_about() if found.half(i) == half} for half in FOLDS]
    assert not halves[0] & halves[1]


def test_folds_are_drawn_by_the_seed() -> None:
    """The same seed gives the same halves, another one others."""
    tracks = [track(str(n)) for n in range(20)]

    def half(seed: int) -> set[str]:
        found = in_two_folds(tracks, [], seed)
        return {found.tracks[i].name for i in found.asked_about() if found.half(i) == 0}

    assert half(1) == half(1) != half(2)


@pytest.mark.parametrize("tracks", [[], [track("a")], [track("a", "s"), track("b", "s")]])
def test_one_source_is_too_few(tracks: Sequence[EvaluatedTrack]) -> None:
    """With fewer than two groups nothing can be unknown while another is known."""
    with pytest.raises(ConfigurationError, match="two are needed"):
        in_two_folds(tracks, [], 1)


def test_the_rows_of_a_fold_are_those_of_its_tracks(tmp_path: Path) -> None:
    """Keys name recording and segment, and the stretch of a fold holds exactly its tracks' rows."""
    tracks = []
    for n in range(4):
        stored = tmp_path / f"{n}.npz"
        np.savez(
            stored,
            segments=np.arange(n + 1, dtype=np.int32) * 2,
            vectors=np.full((n + 1, 3), n, np.float16),
            peaks=np.full((n + 1, 16), n, np.uint16),
        )
        tracks.append(track(str(n), segments=n + 1, stored=stored))
    found = Collection(tuple(tracks), (1, 2))
    rows = found.rows()
    assert rows.vectors.dtype == np.float32 and len(rows.keys) == 10
    for fold in FOLDS:
        recordings = np.unique(rows.keys[found.rows_of(fold)] >> SEGMENT_BITS)
        assert recordings.tolist() == [i + 1 for i in found.indexed(fold)]
    assert (rows.keys[-4:] & (1 << SEGMENT_BITS) - 1).tolist() == [0, 2, 4, 6]
    assert found.name_of(4) == "3" and found.name_of(5) == "a simulated track"
