"""The service on a Ray of its own, on this machine: started, and gone at the end whatever happens."""

import logging
import math
import os
import secrets
import shutil
import tempfile
import threading
from types import TracebackType
from typing import Self

from serve.config import MIB, ResourcesConfig, ServeConfig
from serve.process_tree import descendants, end

DRAIN_S = 20.0  # for Serve and Ray to end by themselves
LAST_S = 1.5  # for what is left then, before each signal
SHORT_PATH = 30  # characters: Ray's socket paths below it must stay under 107 bytes

ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",  # Ray listens on every interface: whoever has no token gets nothing
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",  # by default 5, after which a slow proxy is killed
    "RAY_metrics_report_interval_ms": "5000",
}


class DeploymentError(RuntimeError):
    """Ray Serve could not bring the application up."""


class LocalRay:
    """A Ray of our own with the application on it, from `start` to the end of the context."""

    def __init__(self, config: ServeConfig) -> None:
        self._config = config
        temporary = tempfile.gettempdir()
        self.folder = tempfile.mkdtemp(prefix="refrain-", dir=temporary if len(temporary) <= SHORT_PATH else "/tmp")

    def __enter__(self) -> Self:
        return self

    def start(self) -> None:
        """Returns when requests are answered. Raises DeploymentError."""
        os.environ.update(ENVIRONMENT, RAY_AUTH_TOKEN=secrets.token_hex(32))
        import ray
        from ray import serve

        from serve.app import NAME, application

        resources = self._config.resources
        ray.init(
            address="local",
            num_cpus=math.ceil(cpus(resources)),
            object_store_memory=resources.object_store_mib * MIB,
            include_dashboard=False,
            logging_level=logging.ERROR,
            _temp_dir=self.folder,
        )
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        quiet = {"log_level": "WARNING", "enable_access_log": False}
        serve.start(
            proxy_location="HeadOnly",
            http_options={"host": self._config.host, "port": self._config.port},
            logging_config=quiet,
        )
        try:
            serve.run(application(self._config), name=NAME, logging_config=quiet)
        except RuntimeError as error:
            raise DeploymentError(reason(serve.status(), NAME) or str(error)) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        started = descendants(os.getpid())
        ending = threading.Thread(target=_shut_down, daemon=True)
        ending.start()
        ending.join(DRAIN_S)
        end(started, LAST_S)
        shutil.rmtree(self.folder, ignore_errors=True)


def cpus(resources: ResourcesConfig) -> float:
    """What all replicas ask for."""
    return resources.api_replicas * resources.api_cpus + resources.embed_replicas * resources.embed_cpus


def reason(status: object, name: str) -> str | None:
    """The last line of what a deployment said before it failed."""
    application = getattr(status, "applications", {}).get(name)
    messages = [d.message for d in application.deployments.values() if d.message] if application else []
    lines = [line.strip() for line in "\n".join(messages).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error" in line or ":" in line), None)


def _shut_down() -> None:
    import ray
    from ray import serve

    if ray.is_initialized():
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()
