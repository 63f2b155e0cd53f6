"""Threshold and search effort changed while the service answers: the command, the watcher, what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.stores import MetadataConfig, open_metadata
from serve.matching import MatcherSettings
from serve.tune import main
from serve.tuning import Tuning
from tests.service.live import serving
from tests.service.sounds import wav
from tests.service.test_api import matches
from tests.service.world import World, noisy
from tests.waiting import wait_for


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with open_metadata(MetadataConfig(), tmp_path) as metadata:
        catalog = metadata.catalog("default")
        for name in ("old", "new"):
            generation = catalog.create_generation(name, name, 128, "HNSW")
            catalog.activate(generation.generation_id)
    return tmp_path


def tunings(home: Path) -> list[dict[str, Any] | None]:
    with open_metadata(MetadataConfig(), home) as metadata:
        return [generation.tuning for generation in metadata.catalog("default").generations()]


def test_a_generation_is_tuned_and_given_back(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command replaces all of what was said before, of the generation that answers or of one that is named."""
    assert main([f"home={home}", "min_confidence=0.9", "search_params={ef: 128}"]) == 0
    assert tunings(home) == [None, {"min_confidence": 0.9, "search_params": {"ef": 128}}]
    assert main([f"home={home}", "max_searched=50", "generation=1"]) == 0
    assert main([f"home={home}", "hits=20"]) == 0
    assert tunings(home) == [{"max_searched": 50}, {"hits": 20}]
    assert main([f"home={home}"]) == 0
    assert tunings(home)[1] is None
    assert "generation 2 of catalogue default: hits=20 → as configured" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["min_confidence=1.5"], "min_confidence=1.5 must lie between 0 and 1"),
        (["min_confidence=nan"], "min_confidence=nan is no number"),
        (["hits=0"], "hits=0 must be a whole number between 1 and 16384"),
        (["max_searched=1000000"], "max_searched=1000000 must be"),
        (["search_params={ef: many}"], "search_params.ef=many is no number"),
        (["search_params={ef: -1}"], "search_params.ef=-1 must not be negative"),
        (["hits=5", "generation=7"], "has no generation 7; it has 1, 2"),
        (["hits=5", "catalog.name=jazz"], "there is no catalogue 'jazz' yet"),
        (["effort=5"], "effort"),
    ],
)
def test_what_cannot_work_is_refused(
    home: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names the option, exit code 2, and nothing is changed."""
    assert main([f"home={home}", *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert tunings(home) == [None, None]


@pytest.mark.parametrize(
    "stored", [{"nonsense": 1}, {"hits": "many"}, {"hits": True}, {"search_params": 5}, {"min_confidence": "high"}]
)
def test_what_was_stored_by_hand_is_checked(stored: dict[str, Any]) -> None:
    """A row that no command wrote is a ValueError, never a service that answers by nonsense."""
    with pytest.raises(ValueError, match="tuning"):
        Tuning.from_dict(stored)


def test_what_is_not_told_stays_as_configured() -> None:
    """Only what is told replaces the matcher's settings, and it survives the way through JSON."""
    configured = MatcherSettings(hits=70, max_searched=300)
    tuning = Tuning(max_searched=40)
    assert Tuning.from_dict(json.loads(json.dumps(tuning.to_dict()))) == tuning
    assert tuning.settings(configured) == replace(configured, max_searched=40)
    assert Tuning.from_dict(None).settings(configured) == configured


def test_a_running_service_takes_it_up(client: httpx.Client, world: World) -> None:
    """Threshold and effort change at the next look, /v1/info tells them, and taking them back restores the answers."""
    clip = wav(noisy(world.clip(2, 17.3, 8.0)))
    before = matches(client, clip)
    assert [match["track_id"] for match in before] == [2]
    tune(world, {"min_confidence": 1.0, "hits": 30, "search_params": {"ef": 64}})
    wait_for(lambda: client.get("/v1/info").json()["answering"]["hits"] == 30)
    assert client.get("/v1/info").json()["answering"] == {
        "min_confidence": 1.0,
        "hits": 30,
        "max_searched": 600,
        "search_params": {"ef": 64.0},
        "tuned": ["min_confidence", "hits", "search_params"],
    }
    assert matches(client, clip) == []
    asked = client.post("/v1/identify?min_confidence=0.5", content=clip).json()["matches"]
    assert [match["track_id"] for match in asked] == [2]
    tune(world, None)
    wait_for(lambda: matches(client, clip) == before)


def test_what_the_index_refuses_is_not_taken_up(client: httpx.Client, world: World) -> None:
    """Search parameters that the store does not know leave the service answering as before, and readiness says so."""
    clip = wav(noisy(world.clip(2, 17.3, 8.0)))
    tune(world, {"search_params": {"absurd": 1}})
    wait_for(lambda: "absurd" in client.get("/readyz").json()["checks"]["generation"])
    assert [match["track_id"] for match in matches(client, clip)] == [2]
    tune(world, None)
    wait_for(lambda: client.get("/readyz").status_code == 200)


@pytest.fixture
def world() -> World:
    return World.with_songs()


@pytest.fixture
def client(world: World) -> Any:
    with serving(world.api()) as client:
        yield client


def tune(world: World, tuning: dict[str, Any] | None) -> None:
    assert world.catalog.active is not None
    world.catalog.active = replace(world.catalog.active, tuning=tuning)
