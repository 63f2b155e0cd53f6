"""`python -m serve.adopt`: a calibration put into use, given back, and refused where it does not belong."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.stores import CatalogStore, MetadataConfig, open_metadata
from serve.adopt import main
from serve.directory import Directory
from serve.fakes import MemoryVectors
from serve.matching import Calibration
from serve.recogniser import Recogniser
from tests.service.world import config

OWN = replace(Calibration.shipped(), encoder="ab" * 32)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with open_metadata(MetadataConfig(), tmp_path) as metadata:
        catalog = metadata.catalog("default")
        for encoder in ("cd" * 32, "ab" * 32):
            generation = catalog.create_generation(f"c_{encoder[:2]}", encoder, 128, "FLAT")
            catalog.mark_ready(generation.generation_id)
            catalog.activate(generation.generation_id)
    return tmp_path


def written(folder: Path, calibration: Calibration = OWN) -> Path:
    path = folder / "calibration.json"
    path.write_text(json.dumps(calibration.to_dict()), encoding="utf-8")
    return path


def test_it_is_put_into_use_and_given_back(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The answering generation carries it, other ones do not; `shipped` takes it away again."""
    assert main([f"home={home}", f"calibration={written(home)}"]) == 0
    assert "generation 2 of catalogue default answers by" in capsys.readouterr().out
    with open_metadata(MetadataConfig(), home) as metadata:
        first, second = metadata.catalog("default").generations()
    assert first.calibration is None
    assert second.calibration is not None and Calibration.from_dict(second.calibration) == OWN
    assert main([f"home={home}", "calibration=shipped"]) == 0
    with open_metadata(MetadataConfig(), home) as metadata:
        assert [one.calibration for one in metadata.catalog("default").generations()] == [None, None]


def test_a_service_answers_by_it(home: Path) -> None:
    """The recogniser of the generation takes the adopted thresholds."""
    strict = replace(OWN, models=tuple(replace(model, threshold=0.99) for model in OWN.models))
    assert main([f"home={home}", f"calibration={written(home, strict)}"]) == 0
    with open_metadata(MetadataConfig(), home) as metadata:
        catalog: CatalogStore = metadata.catalog("default")
        active = catalog.active_generation()
        assert active is not None
        assert Recogniser(MemoryVectors(), Directory(catalog, config().lookups), active).calibration == strict


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["calibration=missing.json"], "calibration=missing.json: "),
        (["calibration=calibration.json", "generation=1"], "belongs to the encoder abababababab, generation 1 was"),
        (["calibration=calibration.json", "generation=7"], "has no generation 7; it has 1, 2"),
        (["calibration=broken.json"], "calibration=broken.json: calibration: no JSON object"),
        (["calibration=shipped", "catalog.name=jazz"], "there is no catalogue 'jazz' yet"),
        (["calibration=shipped", "home=nowhere"], "home 'nowhere' does not exist"),
        ([], "calibration"),
    ],
)
def test_what_does_not_fit_is_refused(
    home: Path, arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names the option, exit code 2, and nothing is changed."""
    written(home)
    (home / "broken.json").write_text("[]")
    monkeypatch.chdir(home)
    assert main([f"home={home}", *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    with open_metadata(MetadataConfig(), home) as metadata:
        assert [one.calibration for one in metadata.catalog("default").generations()] == [None, None]


def test_a_catalogue_that_answers_nothing_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first generation is active there is nothing to calibrate."""
    with open_metadata(MetadataConfig(), tmp_path) as metadata:
        metadata.catalog("default")
    assert main([f"home={tmp_path}", "calibration=shipped"]) == 2
    assert "no generation of catalogue 'default' answers yet" in capsys.readouterr().err
