"""The matcher against exhaustive search."""

import numpy as np
import pytest

from ingest.fingerprint.grid import EMBEDDING_HOP_S
from serve.matching import MatcherSettings
from serve.matching.rescoring import Sheet, score_lines
from tests.matching.oracle import cosines_along, exhaust, strength_of
from tests.matching.world import Shelf, Song, clip, rank, segment_times_s

SETTINGS = MatcherSettings()


@pytest.mark.parametrize(
    ("offset_s", "speed", "cosine"),
    [(3.1, 1.0, 0.8), (7.77, 1.0, 0.45), (2.5, 1.2, 0.6), (9.3, 0.85, 0.6), (-1.5, 1.0, 0.7), (13.2, 1.06, 0.5)],
)
def test_finds_what_exhaustive_search_finds(offset_s: float, speed: float, cosine: float) -> None:
    """Same recording and place as the best of all lines; by the plain mean cosine hardly weaker than it.

    The matcher maximises the contrast above a background near 0, so four seconds leave the speed some play.
    """
    songs = {number: Song.draw(number, 18.0) for number in (1, 2, 3)}
    query = clip(songs[2], offset_s, 4.0, speed=speed, cosine=cosine, seed=5)
    truth = exhaust(query, songs, 0.096, 0.03, SETTINGS)
    found = rank(query, Shelf(songs).catalogue()).matches[0]
    assert found.recording_id == truth.recording_id == 2
    assert found.offset_s == pytest.approx(truth.offset_s, abs=0.2)
    assert found.speed == pytest.approx(truth.speed, rel=0.1)
    strength = strength_of(query, songs[2].stored(), found.offset_s, found.speed, SETTINGS)
    assert strength > truth.strength - 0.02


@pytest.mark.parametrize("seed", range(5))
def test_scores_a_line_as_defined(seed: int) -> None:
    """The gathered, vectorised score of any line equals the sum written out from the definition."""
    rng = np.random.default_rng(seed)
    song = Song.draw(seed, 12.0)
    stored = song.stored()
    query = clip(song, 4.0, 3.0, cosine=0.6, seed=seed)
    anchor_s, speed = float(rng.uniform(0, 12)), float(rng.uniform(0.8, 1.25))
    between = np.append((query.vectors[:-1] * query.vectors[1:]).sum(axis=1), 1.0)
    sheet = Sheet(
        similarity=(query.vectors @ stored.T)[None],
        background=np.zeros(len(query.vectors), np.float32),
        between=between.astype(np.float32),
        audible=query.audible,
        track_s=(segment_times_s(len(stored)) - anchor_s).astype(np.float32)[None],
        present=np.ones((1, len(stored)), np.bool_),
    )
    totals, pairs = score_lines(sheet, np.zeros((1, 1), np.float32), np.full((1, 1), speed, np.float32))
    clip_s = len(query.vectors) * EMBEDDING_HOP_S
    cosines = cosines_along(query, stored, anchor_s - speed * clip_s / 2, speed)
    assert pairs[0, 0] == len(cosines)
    assert totals[0, 0] == pytest.approx(cosines.sum(), abs=1e-3)
