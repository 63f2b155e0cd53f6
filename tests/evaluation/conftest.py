"""Small music, and one thread for torch."""

from pathlib import Path

import pytest
import torch

from ingest.fingerprint.architecture import SHIPPED_WEIGHTS
from tests.evaluation.world import write_music


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six melodies, and a file that is no sound."""
    return write_music(tmp_path_factory.mktemp("music"))


@pytest.fixture(scope="session")
def weights() -> Path:
    """The shipped encoder: an untrained one would not know the music again."""
    return SHIPPED_WEIGHTS
