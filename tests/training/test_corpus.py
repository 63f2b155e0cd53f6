"""The corpus: decoded once, cached whole, chosen by split and by name."""

from pathlib import Path

import numpy as np
import pytest

from ingest.errors import UnreadableAudio
from ingest.fingerprint.pcm import to_float
from ingest.training.corpus import folder_audio, load_corpus, split_audio, stretch
from tests.fingerprint.signals import float_wav, melody, tone


def folder(tmp_path: Path) -> list[Path]:
    for place, hz in [("b.wav", 440), ("a/x.WAV", 550), ("a/notes.txt", 660)]:
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(float_wav(tone(hz, 0.5)))
    return folder_audio(tmp_path)


def test_audio_files_of_a_folder(tmp_path: Path) -> None:
    """Every audio file below the folder by its suffix, in order."""
    assert folder(tmp_path) == [tmp_path / "a/x.WAV", tmp_path / "b.wav"]


def test_waveforms_are_decoded_to_16_bit(tmp_path: Path) -> None:
    """Samples are those of the files, in their order; the hours add up."""
    corpus = load_corpus(folder(tmp_path))
    assert corpus.names == (str(tmp_path / "a/x.WAV"), str(tmp_path / "b.wav"))
    assert np.allclose(to_float(corpus.samples[1]), tone(440, 0.5), atol=1e-3)
    assert corpus.hours() == pytest.approx(1 / 3_600)


def test_the_cache_gives_the_same_and_is_not_stale(tmp_path: Path) -> None:
    """A second call reads the cache; changed or other files are decoded anew; nothing half written stays."""
    paths, cache = folder(tmp_path), tmp_path / "cache"
    first = load_corpus(paths, cache)
    assert len(list(cache.iterdir())) == 1
    again = load_corpus(paths, cache)
    assert all(np.array_equal(a, b) for a, b in zip(first.samples, again.samples, strict=True))
    paths[1].write_bytes(float_wav(melody(0.7)))
    changed = load_corpus(paths, cache)
    assert len(changed.samples[1]) == 5_600
    assert [path.suffix for path in cache.iterdir()] == [".npz", ".npz"]
    assert not [path for path in cache.iterdir() if "tmp" in path.name]


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    """A file that cannot be decoded stops the loading, and the error says which."""
    bad = tmp_path / "bad.mp3"
    bad.write_text("no music")
    with pytest.raises(UnreadableAudio, match=r"bad\.mp3: no decoder makes sense of it"):
        load_corpus([bad])


def test_parts_of_a_corpus(tmp_path: Path) -> None:
    """By index and by stem, names and samples stay together."""
    corpus = load_corpus(folder(tmp_path))
    assert corpus.without(["b"]).names == corpus.only([0]).names == (corpus.names[0],)
    assert np.array_equal(corpus.without(["x"]).samples[0], corpus.samples[1])
    assert corpus.without([]) == corpus


def test_a_split_of_a_catalogue(tmp_path: Path) -> None:
    """Files of one split, relative to the catalogue, in order."""
    catalogue = tmp_path / "catalogue.csv"
    catalogue.write_text('file,split,title\nb.wav,train,B\n"a/x, y.wav",train,X\nc.wav,dev,C\n', encoding="utf-8")
    assert split_audio(catalogue, "train") == [tmp_path / "a/x, y.wav", tmp_path / "b.wav"]
    assert split_audio(catalogue, "dev") == [tmp_path / "c.wav"]


def test_a_stretch_outside_is_silent() -> None:
    """Before the beginning and behind the end there are zeros."""
    samples = np.arange(1, 11, dtype=np.int16) * 1_000
    scaled = samples / np.float32(8_192)
    assert np.array_equal(stretch(samples, -3, 6), np.concatenate([np.zeros(3), scaled[:3]]).astype(np.float32))
    assert np.array_equal(stretch(samples, 8, 5), np.concatenate([scaled[8:], np.zeros(3)]).astype(np.float32))
    assert not stretch(samples, 20, 4).any() and not stretch(samples, -9, 4).any()
