"""Which generation answers, and when that changes."""

import asyncio

import pytest

from ingest.fingerprint.pcm import to_int16
from ingest.stores import MetadataError, VectorStoreError
from serve.generation import Generations
from serve.problems import EncoderAway, NotReady
from serve.standing import OK
from tests.service.sounds import melody
from tests.service.world import COLLECTION, World, config

FAILURES = config().health.failures


def looks(generations: Generations, number: int) -> None:
    for _ in range(number):
        asyncio.run(generations.look())


def test_nothing_is_served_before_the_first_look() -> None:
    """A service that has not seen the pointer is not ready and says what it waits for."""
    generations = World.with_songs().generations()
    assert not generations.ready
    with pytest.raises(NotReady, match="not looked at"):
        generations.serving()


def test_an_empty_catalogue_is_ready() -> None:
    """Without any generation the service is ready and has nothing to search."""
    generations = World().generations()
    asyncio.run(generations.look())
    assert generations.ready
    assert generations.serving() is None


def test_the_pointer_is_followed_whole() -> None:
    """A moved pointer is followed at the next look, after its collection was loaded; the old object stays as it was."""
    world = World.with_songs()
    generations = world.generations()

    async def scenario() -> None:
        await generations.look()
        before = generations.serving()
        world.vectors.add("remade", 1, world.embedder.embed(melody(1, 5.0) * 8000))
        world.catalog.activate("remade", generation_id=2)
        await generations.look()
        after = generations.serving()
        assert before is not None
        assert after is not None
        assert (before.generation.collection, after.generation.collection) == (COLLECTION, "remade")

    asyncio.run(scenario())
    assert world.vectors.loaded == [COLLECTION, "remade"]


@pytest.mark.parametrize(
    ("collection", "encoder", "said"),
    [("absent", "spectral", "no collection"), (COLLECTION, "another", "encoder another made it")],
)
def test_what_cannot_be_served_does_not_replace_what_is(collection: str, encoder: str, said: str) -> None:
    """A generation without its collection, or of an unknown encoder, leaves the old one answering and is reported."""
    world = World.with_songs()
    generations = world.generations()

    async def scenario() -> None:
        await generations.look()
        world.catalog.activate(collection, encoder, generation_id=2)
        await generations.look()

    asyncio.run(scenario())
    serving = generations.serving()
    assert serving is not None
    assert serving.generation.generation_id == 1
    assert not generations.ready
    assert said in generations.checks["generation"]


def test_a_calibration_that_makes_no_sense_is_reported() -> None:
    """A stored calibration that cannot be read does not bring the watcher down."""
    world = World.with_songs()
    assert world.catalog.active is not None
    object.__setattr__(world.catalog.active, "calibration", {"weights": {"nonsense": 1}})
    generations = world.generations()
    asyncio.run(generations.look())
    assert "calibration" in generations.checks["generation"]


def test_the_last_generation_answers_while_the_metadata_store_is_away() -> None:
    """Losing the metadata store is reported, and the generation stays; it recovers by itself."""
    world = World.with_songs()
    generations = world.generations()
    asyncio.run(generations.look())
    world.catalog.failure = MetadataError("MySQL does not answer")
    looks(generations, FAILURES)
    assert generations.serving() is not None
    assert generations.checks["metadata"] == "MySQL does not answer (answers come without names)"
    assert generations.ready and generations.degraded
    world.catalog.failure = None
    asyncio.run(generations.look())
    assert generations.ready and not generations.degraded


def test_collections_are_loaded_again_after_the_vector_store_was_away() -> None:
    """When the vector store comes back, its collection is loaded before the service calls itself ready."""
    world = World.with_songs()
    generations = world.generations()
    asyncio.run(generations.look())
    world.vectors.away = True
    looks(generations, FAILURES)
    assert "away" in generations.checks["vectors"]
    world.vectors.away = False
    asyncio.run(generations.look())
    assert generations.ready
    assert generations.checks["vectors"] == OK
    assert world.vectors.loaded == [COLLECTION, COLLECTION]


def test_a_single_failed_look_changes_nothing() -> None:
    """Readiness flips neither for a hiccup of a store nor of the encoder, only for several failures in a row."""
    world = World.with_songs()
    generations = world.generations()
    asyncio.run(generations.look())
    for _ in range(2):
        world.catalog.failure, world.vectors.away = MetadataError("a hiccup"), True
        looks(generations, FAILURES - 1)
        assert generations.ready and not generations.degraded
        world.catalog.failure, world.vectors.away = None, False
        asyncio.run(generations.look())
    assert set(generations.checks.values()) == {OK}


def test_without_what_stands_in_the_metadata_store_is_needed() -> None:
    """A catalogue that is too large to be kept in memory is not ready without its metadata store."""
    world = World.with_songs()
    generations = world.generations("lookups.published_tracks=2")
    asyncio.run(generations.look())
    assert generations.ready
    world.catalog.failure = MetadataError("MySQL does not answer")
    looks(generations, FAILURES)
    assert not generations.ready and not generations.degraded


def test_an_encoder_that_is_away_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder is looked at as well: without it the service is not ready, and it recovers by itself."""
    world = World.with_songs()
    generations = world.generations()
    asyncio.run(generations.look())

    async def away() -> frozenset[str]:
        raise EncoderAway("the encoder does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(generations._encoders, "checksums", away)
        looks(generations, FAILURES)
        assert generations.checks["encoder"] == "the encoder does not answer"
        assert not generations.ready
    asyncio.run(generations.look())
    assert generations.ready


def test_a_store_that_is_away_is_not_waited_for() -> None:
    """After some failures in a row the vector store is not asked any more, until a look finds it again."""
    world = World.with_songs()
    generations = world.generations()
    asyncio.run(generations.look())
    recogniser = generations.serving()
    assert recogniser is not None
    query = world.embedder.embed(to_int16(world.clip(1, 3.0, 8.0)))
    world.vectors.away = True
    for _ in range(FAILURES):
        with pytest.raises(VectorStoreError, match="are away"):
            recogniser.recognise(query)
    asked = world.vectors.asked
    with pytest.raises(VectorStoreError, match="are away"):
        recogniser.recognise(query)
    assert world.vectors.asked == asked
    world.vectors.away = False
    asyncio.run(generations.look())
    assert [match.track.track_id for match in recogniser.recognise(query)] == [1]
