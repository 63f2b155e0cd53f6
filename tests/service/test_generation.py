"""Which generation answers, and when that changes."""

import asyncio

import pytest

from ingest.stores import MetadataError
from serve.generation import OK
from serve.problems import NotReady
from tests.service.sounds import melody
from tests.service.world import COLLECTION, World


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
    asyncio.run(generations.look())
    assert generations.serving() is not None
    assert generations.checks["metadata"] == "MySQL does not answer"
    world.catalog.failure = None
    asyncio.run(generations.look())
    assert generations.ready


def test_collections_are_loaded_again_after_the_vector_store_was_away() -> None:
    """When the vector store comes back, its collection is loaded before the service calls itself ready."""
    world = World.with_songs()
    generations = world.generations()
    asyncio.run(generations.look())
    world.vectors.away = True
    asyncio.run(generations.look())
    assert "away" in generations.checks["vectors"]
    world.vectors.away = False
    asyncio.run(generations.look())
    assert generations.ready
    assert generations.checks["vectors"] == OK
    assert world.vectors.loaded == [COLLECTION, COLLECTION]
