"""The examples in the docstrings of the library are true."""

import doctest
import importlib

import pytest

from ingest.fingerprint import vector_key

WITH_EXAMPLES = ["grid", "pcm", "audio"]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_docstrings_are_true(name: str) -> None:
    """Every example of the module gives what it says."""
    results = doctest.testmod(importlib.import_module(f"ingest.fingerprint.{name}"))
    assert results.attempted > 0 and results.failed == 0


@pytest.mark.parametrize("segment", [-1, 1 << 20])
def test_a_segment_beyond_its_bits_has_no_key(segment: int) -> None:
    """A key that would run into the next recording is refused."""
    with pytest.raises(ValueError, match="does not fit 20 bits"):
        vector_key(7, segment)
