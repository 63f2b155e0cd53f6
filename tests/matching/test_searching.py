"""Which embeddings are searched, and which hits count."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.fingerprint.grid import STORED_STRIDE
from serve.matching import MatcherSettings
from serve.matching.searching import hit_list, in_quarter, search_order

SETTINGS = MatcherSettings()


@given(st.integers(0, 400))
def test_a_quarter_meets_every_phase(start: int) -> None:
    """From any position on, 32 embeddings hold 8 of the first search, two of each phase of the stored grid."""
    positions = np.arange(start, start + 32)
    chosen = positions[in_quarter(positions)]
    assert np.bincount(chosen % STORED_STRIDE).tolist() == [2, 2, 2, 2]


@given(st.lists(st.booleans(), max_size=300), st.integers(1, 200))
def test_every_audible_embedding_is_searched_once(heard: list[bool], most: int) -> None:
    """The searches part the audible positions, or as many as may be searched, without overlap."""
    audible = np.array(heard, np.bool_)
    order = search_order(audible, MatcherSettings(max_searched=most))
    together = np.concatenate([*order, np.empty(0, np.int64)]).astype(int)
    assert len(set(together)) == len(together) == min(int(audible.sum()), most)
    assert audible[together].all()
    assert all(len(part) >= SETTINGS.first_search for part in order[:-1])


def test_short_clips_are_searched_whole() -> None:
    """A quarter of five seconds would say too little of the place; of ten seconds it is tried."""
    assert [len(part) for part in search_order(np.ones(39, np.bool_), SETTINGS)] == [39]
    assert [len(part) for part in search_order(np.ones(78, np.bool_), SETTINGS)] == [19, 59]


def test_padding_noise_and_duplicates_are_no_hits() -> None:
    """Of repeated hits the best score stays; padding and scores at the floor or not a number go."""
    positions = np.array([4, 4, 4, 1, 1, 2])
    keys = np.array([9 << 20 | 3, 9 << 20 | 3, 9 << 20 | 4, -1, 7 << 20, 7 << 20])
    scores = np.array([0.5, 0.75, 0.25, 0.9, np.nan, 0.5], np.float32)
    hits = hit_list(positions, keys, scores, 0.25)
    assert hits.positions.tolist() == [2, 4]
    assert hits.recordings.tolist() == [7, 9]
    assert hits.segments.tolist() == [0, 3]
    assert hits.weights.tolist() == [0.25, 0.5]
