"""Hard negatives: a phrase that returns otherwise is an echo, the same recording again is none."""

from pathlib import Path

import numpy as np
import pytest

from ingest.fingerprint import SAMPLE_RATE, Embedder
from ingest.fingerprint.grid import EMBEDDING_HOP, EMBEDDING_HOP_S
from ingest.training.corpus import Corpus
from ingest.training.echoes import OWN, PASSAGE_CELLS, SHIFT, Echoes, correlation, find_echoes
from tests.fingerprint.signals import melody
from tests.training.corpora import corpus

PHRASE = 4 * PASSAGE_CELLS * EMBEDDING_HOP_S  # 8.192 s: a whole number of passages
PHRASE_PASSAGES = 4


def phrase(seed: int, voice: int | None = None) -> np.ndarray:
    alone = melody(PHRASE, seed)[: round(PHRASE * SAMPLE_RATE)]
    return alone if voice is None else 0.6 * alone + 0.5 * melody(PHRASE, voice)[: len(alone)]


@pytest.fixture(scope="module")
def music() -> Corpus:
    """A B A' A, where A' has another voice added, and a second piece: C, and A with a third voice."""
    first = np.concatenate([phrase(1), phrase(2), phrase(1, voice=5), phrase(1)])
    second = np.concatenate([phrase(3), phrase(1, voice=6)])
    return corpus(first, second)


@pytest.fixture(scope="module")
def echoes(music: Corpus) -> Echoes:
    return find_echoes(Embedder.load(threads=1), music)


def found(echoes: Echoes, passage: int) -> set[tuple[int, int]]:
    """(recording, passage of it) of the echoes of one."""
    row = zip(echoes.recordings[passage], echoes.cells[passage], strict=True)
    return {(int(owner), round(cell / PASSAGE_CELLS)) for owner, cell in row if cell >= 0}


def test_what_returns_with_another_voice_is_an_echo(echoes: Echoes) -> None:
    """Within the piece and in another one, at the same place of the phrase, to the cell."""
    inside = range(1, PHRASE_PASSAGES - 1)  # not at a seam, where the surroundings differ
    for passage in inside:
        assert (0, passage + 2 * PHRASE_PASSAGES) in found(echoes, passage)
        assert (1, passage + PHRASE_PASSAGES) in found(echoes, passage)
        own = [cell for cell in echoes.cells[passage, :OWN] if cell >= 0]
        assert min(abs(cell - (passage + 2 * PHRASE_PASSAGES) * PASSAGE_CELLS) for cell in own) <= 1


def test_the_same_again_is_no_echo(echoes: Echoes) -> None:
    """The phrase that returns note for note, sample for sample, is never drawn as something else."""
    for passage in range(1, PHRASE_PASSAGES - 1):
        assert (0, passage + 3 * PHRASE_PASSAGES) not in found(echoes, passage)
        assert (0, passage) not in found(echoes, passage + 3 * PHRASE_PASSAGES)


def test_an_echo_is_drawn_where_the_moment_is(echoes: Echoes) -> None:
    """A draw moves with the moment inside the passage; all echoes of it come up, and nothing else."""
    rng = np.random.default_rng(1)
    inside = 300
    sample = PASSAGE_CELLS * EMBEDDING_HOP + inside
    drawn = {echoes.draw(rng, 0, sample) for _ in range(200)}
    expected = {
        (int(owner), int(cell) * EMBEDDING_HOP + inside)
        for owner, cell in zip(echoes.recordings[1], echoes.cells[1], strict=True)
        if cell >= 0
    }
    assert drawn == expected


def test_passages_are_counted_within_their_recording() -> None:
    """The last passage of one recording is not the first of the next; nothing alike draws nothing."""
    echoes = Echoes(np.array([0, 2]), np.array([[0], [1], [0]], np.int32), np.array([[-1], [8], [4]], np.int32))
    rng = np.random.default_rng(1)
    far = 50 * PASSAGE_CELLS * EMBEDDING_HOP
    assert echoes.draw(rng, 0, 0) is None
    assert echoes.draw(rng, 0, far) == (1, far + (8 - PASSAGE_CELLS) * EMBEDDING_HOP)
    assert echoes.draw(rng, 1, 0) == (0, 4 * EMBEDDING_HOP)
    assert echoes.share() == pytest.approx(2 / 3)


def test_echoes_are_kept(echoes: Echoes, tmp_path: Path) -> None:
    """What is read is what was written, and nothing unfinished is left."""
    echoes.save(tmp_path / "echoes.npz")
    again = Echoes.load(tmp_path / "echoes.npz")
    assert all(np.array_equal(value, vars(again)[name]) for name, value in vars(echoes).items())
    assert [path.name for path in tmp_path.iterdir()] == ["echoes.npz"]


def test_one_piece_alone() -> None:
    """A corpus of one short recording has echoes in no other."""
    echoes = find_echoes(Embedder.load(threads=1), corpus(melody(3.0, 1)))
    assert (echoes.cells[:, OWN:] == -1).all() and (echoes.recordings[echoes.cells >= 0] == 0).all()


def test_correlation_finds_the_shift() -> None:
    """1 for the same waveform anywhere within the shift and at any level, little for another, 0 for silence."""
    rng = np.random.default_rng(2)
    heard = rng.standard_normal(4_000)
    longer = np.zeros((3, 4_000 + 2 * SHIFT))
    longer[0, 77:4_077] = 3 * heard
    longer[1] = rng.standard_normal(longer.shape[1])
    same, other, silent = correlation(heard, longer)
    assert same == pytest.approx(1.0) and abs(other) < 0.2 and silent == 0
