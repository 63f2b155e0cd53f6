"""The servers and the service as they run while they are asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ingest.errors import InfrastructureError
from scripts.demo.processes import DemoError, free_port, service
from scripts.load.filling import DATABASE
from scripts.services import ServiceError, mariadb, milvus

NOOP = "serve.noop"
SERVE = "serve"


@contextmanager
def servers(folder: Path) -> Iterator[list[str]]:
    """Milvus and MariaDB on what they hold; yields the options that name them. Raises InfrastructureError."""
    try:
        with mariadb(folder / "mysql") as database, milvus(folder / "milvus") as server:
            yield [
                *("vectors=milvus", f"vectors.uri={server}"),
                *("metadata=mysql", f"metadata.url={database}/{DATABASE}"),
            ]
    except ServiceError as error:
        raise InfrastructureError(str(error)) from error


@contextmanager
def running(folder: Path, options: Sequence[str], module: str = SERVE) -> Iterator[str]:
    """The service, or what `module` has in its place, once it is ready; yields its URL. Raises InfrastructureError."""
    try:
        with service(folder / "home", free_port(), *options, module_name=module) as url:
            yield url
    except DemoError as error:
        raise InfrastructureError(str(error)) from error
