"""Which recordings take part in the vote."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serve.matching import MatcherSettings
from serve.matching.contenders import contenders, greatest_gains
from serve.matching.searching import HitList, hit_list
from serve.matching.voting import vote

SETTINGS = MatcherSettings()


def test_published_is_asked_as_little_as_needed() -> None:
    """Recordings are asked for in order of what they can gain, and no more once enough are published."""
    asked: list[list[int]] = []

    def published(recording_ids: list[int]) -> dict[int, int]:
        asked.append(list(recording_ids))
        return {number: number for number in recording_ids if number != 1}

    recordings = np.array([1, 1, 2, 3, 4, 5])
    scores = np.array([0.9, 0.9, 0.8, 0.7, 0.6, 0.5], np.float32)
    hits = HitList(np.array([0, 1, 0, 0, 0, 0]), recordings, np.zeros(6, np.int64), scores)
    kept, tracks = contenders(hits, 10.0, published, MatcherSettings(considered=2))
    assert asked == [[1, 2], [3, 4]]
    assert tracks == {2: 2, 3: 3}
    assert kept.recordings.tolist() == [2, 3]


def test_many_scattered_hits_gain_less_than_a_few_together() -> None:
    """A recording of hours hit all over comes behind one hit a few times within the clip's length."""
    scattered = [(n, 1 << 20 | n * 500, 0.8) for n in range(60)]
    together = [(n, 2 << 20 | 100 + n // 4, 0.8) for n in range(0, 60, 10)]
    positions, keys, scores = (np.array(column) for column in zip(*scattered, *together, strict=True))
    hits = hit_list(positions, keys, scores.astype(np.float32), SETTINGS.noise_floor)
    recordings, gains = greatest_gains(hits, 10.0, SETTINGS)
    assert recordings.tolist() == [1, 2]
    assert gains[1] > gains[0]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 3), st.integers(0, 60)), min_size=1, max_size=60))
def test_no_line_gets_more_than_the_bound(found: list[tuple[int, int, int]]) -> None:
    """With one hit an embedding in a recording, no voted line has more votes than the recording's bound."""
    once = {(position, recording): segment for position, recording, segment in found}
    positions = np.array([position for position, _ in once])
    keys = np.array([recording << 20 | segment for (_, recording), segment in once.items()])
    hits = hit_list(positions, keys, np.full(len(once), 0.75, np.float32), SETTINGS.noise_floor)
    bounds = dict(zip(*(a.tolist() for a in greatest_gains(hits, 41 * 0.128, SETTINGS)), strict=True))
    lines = vote(hits, 41 * 0.128, 1, SETTINGS)
    for recording, votes in zip(lines.recordings.tolist(), lines.votes.tolist(), strict=True):
        assert votes <= bounds[recording] + 1e-6


def test_no_hits_no_contenders() -> None:
    """Without hits nobody is asked for."""
    nothing = np.empty(0, np.int64)
    hits = HitList(nothing, nothing, nothing, np.empty(0, np.float32))
    assert contenders(hits, 10.0, dict.fromkeys, SETTINGS)[1] == {}
