"""Ceilings on what a reader has to hold in mind at once."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.repository.paths import CODE, ROOT, python_files

MODULE_LINES = 300
FUNCTION_LINES = 50


def functions(path: PurePosixPath) -> Iterator[tuple[str, int]]:
    """Name and length in lines of every function, its docstring and decorators not counted."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(), filename=str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
            told = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
            yield node.name, node.end_lineno - node.lineno + 1 - told


def test_modules_are_short() -> None:
    """No Python file is longer than 300 lines."""
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in python_files(*CODE)}
    assert not {path: length for path, length in lengths.items() if length > MODULE_LINES}


@pytest.mark.parametrize("folder", CODE)
def test_functions_are_short(folder: str) -> None:
    """No function is longer than 50 lines."""
    assert not [
        f"{path}: {name} has {length} lines"
        for path in python_files(folder)
        for name, length in functions(path)
        if length > FUNCTION_LINES
    ]


def test_the_measure_counts_a_function_as_written() -> None:
    """The measure itself: this very function is counted without its docstring."""
    measured = dict(functions(PurePosixPath("tests/repository/test_sizes.py")))
    assert measured["test_the_measure_counts_a_function_as_written"] == 3
