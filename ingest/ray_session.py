"""A Ray of our own for one run on this machine, or a connection to a cluster."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
import ray.data

from conf.events import events
from ingest.config import ComputeConfig
from ingest.errors import InfrastructureError, PreflightError

START_ATTEMPTS = 3  # Ray gives its node 30 s to come up and no say in that: a second try finds a busy machine warmer

log = events(__name__)


@contextmanager
def ray_session(compute: ComputeConfig) -> Iterator[None]:
    """Ray, ready for the pipeline. Raises PreflightError if it does not start, InfrastructureError if it dies."""
    # Ray's sockets lie in this folder and their paths end at 107 bytes: it is never under home.
    folder = _own_folder() if compute.address == "local" else None
    try:
        _connect(compute, folder)
        _quiet()
        yield
    except ray.exceptions.RayError as error:
        cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
        raise InfrastructureError(f"Ray: {type(cause).__name__}: {_first_line(cause)}") from error
    finally:
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def check_resources(compute: ComputeConfig) -> None:
    """Can the cluster hold the pools? One that grows on demand may be small now: `compute.grows` says so.

    Raises PreflightError.
    """
    if compute.address == "local" or compute.grows:
        return
    found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray has no type for it
    asked = {"CPU": compute.pool_cpus, "GPU": compute.pool_gpus}
    short = [f"{wanted:g} {name}" for name, wanted in asked.items() if wanted > found.get(name, 0)]
    if short:
        has = ", ".join(f"{found.get(name, 0):g} {name}" for name in asked)
        raise PreflightError(f"the pools ask for {' and '.join(short)}, the cluster has {has}: see compute.*_actors")


def _own_folder() -> str:
    """A new folder named after this process; those of processes that were killed go."""
    for left in Path(tempfile.gettempdir()).glob("refrain-job-*"):
        if not Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"refrain-job-{os.getpid()}-")


def _connect(compute: ComputeConfig, folder: str | None) -> None:
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            ray.init(**_options(compute, folder), log_to_driver=False, logging_level=logging.CRITICAL)
            return
        except Exception as error:
            ray.shutdown()
            log.warning("Ray did not start", attempt=attempt, of=START_ATTEMPTS, reason=_first_line(error))
            if attempt == START_ATTEMPTS:
                raise PreflightError(f"Ray does not start: {_first_line(error)}") from error


def _options(compute: ComputeConfig, folder: str | None) -> dict[str, Any]:
    if folder is None:
        return {"address": compute.address}
    return {
        "address": "local",
        "num_cpus": logical_cpus(compute),
        "object_store_memory": compute.object_store_mb * 2**20 if compute.object_store_mb else None,
        "include_dashboard": False,
        "_temp_dir": folder,
    }


def logical_cpus(compute: ComputeConfig) -> int:
    """CPUs that our own Ray believes in: what the pools ask for and one more, so that no stage waits for ever."""
    return int(compute.pool_cpus) + 2


def _quiet() -> None:
    """Ray Data says little; progress is ours."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.raise_original_map_exception = True  # "no space left on device", not "UDF failed"
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is raised, and told in one line


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
