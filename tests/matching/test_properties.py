"""What must hold for every clip."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.fingerprint.grid import SEGMENT_BITS, SEGMENT_HOP_S
from serve.matching import Catalogue, Pair
from serve.schema import EVIDENCE_PAIRS
from serve.wire import thinned
from tests.matching.oracle import cosines_along
from tests.matching.world import Floats, Found, Ints, Shelf, Song, Stored, clip, rank

SONGS = {number: Song.draw(number, 25.0) for number in range(1, 7)}
SHELF = Shelf(SONGS)
CASES = {
    "recording": st.sampled_from(sorted(SONGS)),
    "offset_s": st.floats(-2.0, 18.0),
    "length_s": st.sampled_from([1.0, 2.5, 6.0]),
    "speed": st.floats(0.85, 1.2),
    "cosine": st.floats(0.3, 1.0),
    "seed": st.integers(0, 1000),
}


@settings(max_examples=25, deadline=None)
@given(**CASES)
def test_the_order_of_hits_and_rows_is_irrelevant(
    recording: int, offset_s: float, length_s: float, speed: float, cosine: float, seed: int
) -> None:
    """Hits of each embedding in any order, and fetched rows in any order, give the same ranking to the last bit."""
    rng = np.random.default_rng(seed)

    def search(queries: Floats, k: int) -> Found:
        hits = SHELF.search(queries, k)
        order = rng.permuted(np.broadcast_to(np.arange(k), hits.keys.shape), axis=1)
        return Found(np.take_along_axis(hits.keys, order, 1), np.take_along_axis(hits.scores, order, 1))

    def fetch(keys: Ints) -> Stored:
        found = SHELF.fetch(keys)
        return found.of(rng.permutation(len(found.keys)))

    query = clip(SONGS[recording], offset_s, length_s, speed=speed, cosine=cosine, seed=seed)
    assert rank(query, Catalogue(search, fetch, SHELF.published)) == rank(query, SHELF.catalogue())


@settings(max_examples=25, deadline=None)
@given(shift=st.integers(1, 5000), **CASES)
def test_moving_the_catalogue_moves_the_offsets(
    shift: int, recording: int, offset_s: float, length_s: float, speed: float, cosine: float, seed: int
) -> None:
    """Everything stored k segments later: every offset grows by k segments, all else stays."""

    def search(queries: Floats, k: int) -> Found:
        hits = SHELF.search(queries, k)
        return Found(np.where(hits.keys < 0, -1, hits.keys + shift), hits.scores)

    def fetch(keys: Ints) -> Stored:
        same_recording = keys - shift >> SEGMENT_BITS == keys >> SEGMENT_BITS
        found = SHELF.fetch(keys[same_recording] - shift)
        return replace(found, keys=found.keys + shift)

    query = clip(SONGS[recording], offset_s, length_s, speed=speed, cosine=max(cosine, 0.6), seed=seed)
    here = rank(query, SHELF.catalogue()).matches[0]
    there = rank(query, Catalogue(search, fetch, SHELF.published)).matches[0]
    assert there.recording_id == here.recording_id
    assert there.offset_s == pytest.approx(here.offset_s + shift * SEGMENT_HOP_S, abs=0.02)
    assert (there.speed, there.score) == (pytest.approx(here.speed, abs=0.01), pytest.approx(here.score, abs=0.01))


@settings(max_examples=40, deadline=None)
@given(**CASES)
def test_answers_are_sane(
    recording: int, offset_s: float, length_s: float, speed: float, cosine: float, seed: int
) -> None:
    """Ranges hold, no recording comes twice, and the middle of a clear clip of two seconds or more is found."""
    query = clip(SONGS[recording], offset_s, length_s, speed=speed, cosine=cosine, seed=seed)
    matches = rank(query, SHELF.catalogue()).matches
    named = [number for match in matches for number in (match.recording_id, *match.same_recording)]
    assert len(set(named)) == len(named)
    for match in matches:
        assert 0.8 <= round(match.speed, 4) <= 1.25
        assert 0 < match.confidence < 1
        assert 0 < match.aligned_s <= length_s + 0.1
        assert 0 < match.features.coverage <= 1
    if cosine > 0.7 and length_s > 2 and offset_s >= 0:
        assert matches[0].recording_id == recording
        middle_s = matches[0].offset_s + matches[0].speed * length_s / 2
        assert middle_s == pytest.approx(offset_s + speed * length_s / 2, abs=0.25)


@settings(max_examples=40, deadline=None)
@given(**CASES)
def test_evidence_lies_on_the_line_and_makes_the_score(
    recording: int, offset_s: float, length_s: float, speed: float, cosine: float, seed: int
) -> None:
    """Pairs rise in both times along the match's line, within the clip, and the score is the mean of their cosines."""
    query = clip(SONGS[recording], offset_s, length_s, speed=speed, cosine=cosine, seed=seed)
    for match in rank(query, SHELF.catalogue()).matches:
        pairs = match.evidence()
        clip_s, track_s, similarity = np.array([(pair.clip_s, pair.track_s, pair.similarity) for pair in pairs]).T
        assert track_s == pytest.approx(match.offset_s + match.speed * clip_s)
        assert (np.diff(track_s) > 0).all()
        assert clip_s.min() >= -1e-3 and clip_s.max() <= length_s + 0.13
        assert similarity.mean() == pytest.approx(match.score, abs=1e-4)
        assert len(pairs) * SEGMENT_HOP_S / match.speed >= match.aligned_s - 1e-6


@settings(max_examples=25, deadline=None)
@given(**CASES)
def test_evidence_is_what_the_definition_says(
    recording: int, offset_s: float, length_s: float, speed: float, cosine: float, seed: int
) -> None:
    """Every similarity is the cosine of stored and heard embedding at that moment, computed one by one."""
    query = clip(SONGS[recording], offset_s, length_s, speed=speed, cosine=cosine, seed=seed)
    match = rank(query, SHELF.catalogue()).matches[0]
    told = [pair.similarity for pair in match.evidence()]
    along = cosines_along(query, SONGS[match.recording_id].stored(), match.offset_s, match.speed)
    assert len(along) == pytest.approx(len(told), abs=1)  # one at the very end may fall to either side
    if len(along) == len(told):
        assert told == pytest.approx(along.tolist(), abs=0.02)


@given(count=st.integers(0, 2000))
def test_thinned_evidence_keeps_its_ends(count: int) -> None:
    """At most so many pairs are told, in order, evenly spread, the first and the last among them."""
    pairs = [Pair(float(n), float(n), 0.5) for n in range(count)]
    kept = [int(pair.clip_s) for pair in thinned(pairs)]
    assert len(kept) == min(count, EVIDENCE_PAIRS)
    assert kept[:1] == [0][:count] and kept[-1:] == [count - 1][:count]
    gaps = np.diff(kept)
    assert not len(gaps) or (gaps.min() > 0 and gaps.max() - gaps.min() <= 1)
