"""One folder of files and one encoder for all tests of the stages."""

from pathlib import Path

import pytest

from tests.stages.world import stored_encoder, write_music


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    write_music(folder)
    return folder


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored_encoder(tmp_path_factory.mktemp("weights"))
