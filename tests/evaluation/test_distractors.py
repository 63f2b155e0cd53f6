"""Simulated tracks: what they keep of real ones, how they are searched, and how their spread is tuned."""

import numpy as np
import pytest

from ingest.fingerprint import SEGMENT_BITS, StoredSegments
from ingest.stores import StoredRows
from scripts.evaluation.distractors import FIRST_ID, Crowded, SimulatedTracks, memory, nearest
from scripts.evaluation.flat import FlatVectors
from scripts.evaluation.likeness import Half, coherence, likeness, same_size, sampled, tuned_spread

DIM = 24


def series(rng: np.random.Generator, length: int) -> StoredSegments:
    """A slow walk around a common direction, as an encoder's vectors of a track are, of unit length."""
    steps = rng.standard_normal((length + 2, DIM)) * np.linspace(1.5, 0.3, DIM)
    walk = steps[:-2] + steps[1:-1] + steps[2:] + 6.0 * np.eye(DIM)[0]
    vectors = (walk / np.linalg.norm(walk, axis=1, keepdims=True)).astype(np.float32)
    peaks = rng.integers(0, 4_000, (length, 16)).astype(np.uint16)
    return StoredSegments(np.arange(length, dtype=np.int32), vectors, peaks)


@pytest.fixture(scope="module")
def parents() -> list[StoredSegments]:
    rng = np.random.default_rng(0)
    return [series(rng, int(rng.integers(60, 140))) for _ in range(30)]


def test_a_track_is_a_function_of_its_number(parents: list[StoredSegments]) -> None:
    """Equal numbers give equal vectors of unit length, other numbers and seeds others."""
    tracks, others = SimulatedTracks(parents, 0.9, [1]), SimulatedTracks(parents, 0.9, [2])
    np.testing.assert_array_equal(tracks.vectors(5), SimulatedTracks(parents, 0.9, [1]).vectors(5))
    np.testing.assert_allclose(np.linalg.norm(tracks.vectors(5), axis=1), 1.0, rtol=1e-5)
    assert tracks.vectors(5).dtype == np.float32
    assert not np.array_equal(tracks.vectors(5)[:50], tracks.vectors(6)[:50])
    assert not np.array_equal(tracks.vectors(5)[:50], others.vectors(5)[:50])


def test_mean_covariance_and_slowness_are_kept(parents: list[StoredSegments]) -> None:
    """At full spread the simulated vectors have the mean, the covariance and the memory of the real ones."""
    real = np.concatenate([parent.vectors for parent in parents])
    tracks = SimulatedTracks(parents, 1.0, [1])
    made = np.concatenate([tracks.vectors(number) for number in range(300)])
    np.testing.assert_allclose(made.mean(axis=0), real.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(np.cov(made.T), np.cov(real.T), atol=0.01)
    mean = real.mean(axis=0)
    alike = memory([parent.vectors - mean for parent in parents])
    assert memory([tracks.vectors(n) - mean for n in range(50)]) == pytest.approx(alike, abs=0.05)
    assert alike == pytest.approx(2 / 3, abs=0.05)  # of means of three, next to each other


def test_no_track_is_a_copy(parents: list[StoredSegments]) -> None:
    """No simulated vector is one of the real ones, and less spread brings all of them nearer to the mean."""
    real = np.concatenate([parent.vectors for parent in parents])
    wide, narrow = (SimulatedTracks(parents, spread, [1]).vectors(0) for spread in (1.0, 0.5))
    assert (wide @ real.T).max() < 0.99
    assert (narrow @ real.mean(axis=0)).mean() > (wide @ real.mean(axis=0)).mean() + 0.05


def test_peaks_are_a_parents_in_another_order(parents: list[StoredSegments]) -> None:
    """A track has as many rows of peaks as vectors: those of one real track, shuffled."""
    tracks = SimulatedTracks(parents, 0.9, [1])
    peaks = tracks.peaks(3)
    assert len(peaks) == len(tracks.vectors(3))
    owners = [one for one in parents if {*map(bytes, one.peaks)} == {*map(bytes, peaks)}]
    assert len(owners) == 1 and not np.array_equal(owners[0].peaks, peaks)


def test_one_parent_will_do(parents: list[StoredSegments]) -> None:
    """A single track is both parents, and is still no copy."""
    made = SimulatedTracks(parents[:1], 0.9, [1]).vectors(0)
    assert made.shape == parents[0].vectors.shape and np.isfinite(made).all()


def test_the_nearest_are_those_of_brute_force(parents: list[StoredSegments]) -> None:
    """Of each size the k best (bf16 decides who comes last), exactly scored, among tracks of at least so many."""
    tracks = SimulatedTracks(parents, 0.9, [1])
    queries = np.concatenate([one.vectors for one in parents[:3]])
    found = nearest(queries, tracks, [500, 9_000], 20)
    for size, hits in found.items():
        keys, vectors, number = [], [], 0
        while sum(map(len, vectors)) < size:
            vectors.append(tracks.vectors(number))
            keys.append((FIRST_ID + number << SEGMENT_BITS) + np.arange(len(vectors[-1])))
            number += 1
        scores = queries @ np.concatenate(vectors).T
        np.testing.assert_allclose(hits.scores, -np.sort(-scores, axis=1)[:, :20], atol=8e-3)
        places = np.searchsorted(np.concatenate(keys), hits.keys)
        np.testing.assert_allclose(hits.scores, np.take_along_axis(scores, places, axis=1), atol=1e-5)


def test_a_crowded_store_answers_with_both(parents: list[StoredSegments]) -> None:
    """A search merges real and simulated hits; a fetch brings real rows and makes simulated ones again."""
    tracks = SimulatedTracks(parents, 0.9, [1])
    rows = StoredRows((7 << SEGMENT_BITS) + parents[0].segments.astype(np.int64), parents[0].vectors, parents[0].peaks)
    base = FlatVectors(rows, {"fold": slice(None)})
    queries = parents[1].vectors[:4]
    among = nearest(queries, tracks, [2_000], 10)[2_000]
    store = Crowded(base, tracks, {query.tobytes(): n for n, query in enumerate(queries)}, among)
    hits = store.search("fold", queries[[2, 0]], 10)
    own = base.search("fold", queries[[2, 0]], 10)
    everything = np.sort(np.hstack([own.scores, among.scores[[2, 0]]]), axis=1)[:, ::-1]
    np.testing.assert_array_equal(hits.scores, everything[:, :10])
    key = int(among.keys[0, 0])
    missing = (FIRST_ID << SEGMENT_BITS) + 10_000
    fetched = store.fetch("fold", np.array([key, int(rows.keys[3]), missing]))
    assert fetched.keys.tolist() == [int(rows.keys[3]), key]
    number, segment = (key >> SEGMENT_BITS) - FIRST_ID, key & (1 << SEGMENT_BITS) - 1
    np.testing.assert_array_equal(fetched.vectors[1], tracks.vectors(number)[segment])
    np.testing.assert_array_equal(fetched.peaks[1], tracks.peaks(number)[segment])
    assert not len(store.fetch("fold", np.array([missing])).keys)


def halves(parents: list[StoredSegments], seed: int) -> list[Half]:
    rng = np.random.default_rng(seed)
    queries = np.concatenate([series(rng, 60).vectors for _ in range(6)])
    return [Half(queries, parents, [n % 2 == 0 for n in range(len(parents))])]


def test_the_tuned_spread_is_like_new_music(parents: list[StoredSegments]) -> None:
    """Where all tracks come from one distribution, the tuned spread is as near to unknown clips as held-out tracks."""
    some = halves(parents, 5)
    spread, tuning = tuned_spread(some, seed=1)
    tuned = min(tuning, key=lambda one: one.ks)
    assert f"spread {spread:g}" in tuned.of and tuned.ks < 0.06 < max(one.ks for one in tuning)
    assert tuned.real[0.5] == pytest.approx(tuned.simulated[0.5], abs=0.02)
    tracks = [SimulatedTracks(parents, spread, [1])]
    assert same_size(some, tracks).ks < 0.15
    alike = coherence(some, tracks)
    assert alike["real"] == pytest.approx(alike["simulated"], abs=0.1)


def test_the_check_notices_what_is_unlike(parents: list[StoredSegments]) -> None:
    """Tracks that shrink to the mean are told apart from real ones, in distance and in quantiles."""
    found = same_size(halves(parents, 5), [SimulatedTracks(parents, 0.05, [1])])
    assert found.ks > 0.5 and abs(found.real[0.5] - found.simulated[0.5]) > 0.03


def test_a_likeness_can_be_kept() -> None:
    """Its figures are those of its numbers, and go into JSON."""
    found = likeness("x", [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 7.6)
    assert found.ks == 0 and found.real == found.simulated and found.to_dict()["vectors"] == 8
    assert len(sampled([np.zeros((700, 2)), np.ones((700, 2))], 1)) == 1_000
