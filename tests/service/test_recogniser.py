"""From embeddings to tracks, on a real matcher and a catalogue in memory."""

import numpy as np
import pytest

from ingest.fingerprint.pcm import to_int16
from ingest.stores import VectorStoreError
from serve.recogniser import TrackMatch
from serve.stopwatch import Stopwatch
from tests.service.sounds import Samples, melody
from tests.service.world import World, noisy


def recognise(world: World, clip: Samples) -> list[TrackMatch]:
    return world.recogniser().recognise(world.embedder.embed(to_int16(clip)))


def test_a_clip_is_found_where_it_lies(world: World) -> None:
    """A noisy clip of a track is answered with that track and its place within 0.1 s."""
    best = recognise(world, noisy(world.clip(2, 17.3, 8.0)))[0]
    assert best.track.track_id == 2
    assert best.alignment.offset_s == pytest.approx(17.3, abs=0.1)
    assert best.alignment.speed == pytest.approx(1.0, abs=0.01)


def test_an_unknown_melody_matches_nothing(world: World) -> None:
    """A melody that is not in the catalogue is answered with no match."""
    assert recognise(world, melody(99, 8.0)) == []


def test_unpublished_vectors_do_not_answer(world: World) -> None:
    """Vectors whose recording is not published never show, and the published twin answers in their stead."""
    twin = World.with_songs()
    twin.add(4, twin.songs[1], publish=False)
    twin.add(5, melody(50, 20.0), publish=False)
    assert [m.track.track_id for m in recognise(twin, twin.clip(1, 5.0, 8.0))] == [1]
    assert recognise(twin, twin.clip(5, 5.0, 8.0)) == []


def test_identical_recordings_form_one_group(world: World) -> None:
    """A recording that two tracks hold is one match, which names the other track."""
    twice = World.with_songs()
    twice.add(7, twice.songs[3])
    (match,) = recognise(twice, twice.clip(3, 10.0, 8.0))
    assert {match.track.track_id, *match.same_recording} == {3, 7}


def test_stages_are_told_apart(world: World) -> None:
    """The time of search and lookup is not counted as matching as well."""
    watch = Stopwatch()
    query = world.embedder.embed(to_int16(world.clip(1, 3.0, 8.0)))
    world.recogniser().recognise(query, watch=watch)
    timings = watch.timings_ms("search", "match", "lookup")
    assert timings["search"] > 0
    assert timings["match"] > 0
    assert timings["total"] >= timings["search"] + timings["match"] + timings["lookup"] - 0.1


def test_a_lost_store_is_an_error_and_no_empty_answer() -> None:
    """When the vector store does not answer, the error comes through."""
    lost = World.with_songs()
    lost.vectors.away = True
    with pytest.raises(VectorStoreError):
        recognise(lost, lost.clip(1, 3.0, 8.0))


def test_the_fake_embedder_is_aligned_with_the_grid(world: World) -> None:
    """Embedding a clip alone and inside its track agree, at the positions that the grid promises."""
    song = world.songs[1]
    whole = world.embedder.embed(to_int16(song)).vectors
    part = world.embedder.embed(to_int16(song[1024 * 40 : 1024 * 80])).vectors
    agreement = np.sum(whole[46:74] * part[6:34], axis=1)
    assert agreement.min() > 0.999
