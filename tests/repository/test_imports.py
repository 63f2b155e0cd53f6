"""The import rule: who may know whom, read from the source and from a running interpreter."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.repository.paths import ROOT, python_files

LIBRARY = ("ingest/fingerprint", "ingest/stores", "ingest/errors.py")


def module_name(path: PurePosixPath) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imports(path: PurePosixPath) -> Iterator[str]:
    """The full dotted name of everything the file imports, wherever in the file, relative imports resolved."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(path.parts[: len(path.parts) - node.level]) if node.level else ""
            origin = ".".join(filter(None, (package, node.module)))
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def offenders(paths: list[PurePosixPath], *forbidden: str, allowed: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{path} imports {name}"
        for path in paths
        for name in imports(path)
        if within(name, *forbidden) and not within(name, *allowed)
    ]


def library_files() -> list[PurePosixPath]:
    return [path for path in python_files("ingest") if str(path).startswith(LIBRARY)]


def test_serve_knows_only_the_library_half_of_ingest() -> None:
    """The service imports from ingest nothing but ingest.fingerprint and ingest.stores."""
    assert not offenders(python_files("serve"), "ingest", allowed=("ingest.fingerprint", "ingest.stores"))


def test_the_library_knows_neither_ray_nor_configuration() -> None:
    """Fingerprint and stores run in any Python process: no Ray, no Hydra, nothing of conf, serve or scripts."""
    assert not offenders(library_files(), "ray", "hydra", "omegaconf", "conf", "serve", "scripts")


def test_the_library_knows_nothing_of_the_job_around_it() -> None:
    """Fingerprint and stores import from ingest only each other and the exception tree."""
    allowed = ("ingest.fingerprint", "ingest.stores", "ingest.errors")
    assert not offenders(library_files(), "ingest", allowed=allowed)


def test_ingestion_does_not_know_the_service() -> None:
    """Nothing of ingest imports serve."""
    assert not offenders(python_files("ingest"), "serve")


def test_nothing_in_production_trains() -> None:
    """Neither a job nor the service imports ingest.training."""
    production = [p for p in python_files("ingest", "serve", "conf") if "training" not in p.parts]
    assert not offenders(production, "ingest.training")


def test_scripts_are_leaves() -> None:
    """Only scripts and tests import scripts."""
    assert not offenders(python_files("conf", "ingest", "serve"), "scripts", "tests")


def test_ray_serve_is_never_taken_for_ours() -> None:
    """Ray's serve is imported inside serve/ alone, and ours never as a bare `import serve`."""
    ours = python_files("conf", "ingest", "serve", "scripts")
    assert not [f"{path} imports serve" for path in ours for name in imports(path) if name == "serve"]
    assert not offenders([path for path in ours if path.parts[0] != "serve"], "ray.serve")


@pytest.mark.parametrize(
    ("package", "heavy"),
    [
        ("ingest.fingerprint", {"ray", "hydra", "torch"}),
        ("ingest.stores", {"ray", "hydra", "torch"}),
        ("ingest.job", {"torch", "serve"}),
    ],
)
def test_a_fresh_interpreter_stays_light(package: str, heavy: set[str]) -> None:
    """A half of the library loads neither Ray nor Hydra nor torch, and the driver no torch, through any import."""
    code = f"import sys, {package}; print(sorted({heavy!r} & set(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


def test_the_reader_of_imports_sees_every_form() -> None:
    """The rule's own reader resolves plain, aliased, relative and local imports of a real file."""
    seen = set(imports(PurePosixPath("tests/repository/test_imports.py")))
    assert {"ast", "collections.abc.Iterator", "tests.repository.paths.ROOT"} <= seen
