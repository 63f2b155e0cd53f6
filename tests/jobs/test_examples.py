"""The examples in the docstrings are true."""

import doctest
from types import ModuleType

import pytest

from conf import loader, masking, showing
from ingest import plan, progress
from ingest.catalog import listing as listings


@pytest.mark.parametrize(
    "module", [loader, masking, showing, plan, progress, listings], ids=lambda module: module.__name__
)
def test_examples(module: ModuleType) -> None:
    """Every example gives what it says, and there is one."""
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
