"""The service on a Ray of its own, on this machine: started, and gone at the end whatever happens."""

import logging
import math
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from serve.config import MIB, ResourcesConfig, ServeConfig
from serve.process_tree import adopt_orphans, descendants, end
from serve.proxy_edge import IMPORT_PATH
from serve.signals import StopRequest, arm
from serve.traces import tracing_config

DRAIN_S = 15.0  # for Serve and Ray to end by themselves
START_S = 180.0  # for Ray's node
POLL_S = 0.2
LAST_S = 1.5  # for what is left then, before each signal
SHORT_PATH = 30  # characters: Ray's socket paths below it must stay under 107 bytes

ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",  # Ray listens on every interface: whoever has no token gets nothing
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_WORKER_LOG_PREFIX": "1",  # a line of a replica comes out as it was written
    "RAY_DEDUP_LOGS": "0",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",  # by default 5, after which a slow proxy is killed
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": IMPORT_PATH,
    "RAY_agent_register_timeout_ms": "180000",  # likewise 30000
    "RAY_worker_register_timeout_seconds": "180",  # likewise 60
    "RAY_gcs_server_port_wait_time_s": "120",  # likewise 30
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # what it warns of otherwise
    "RAY_metrics_report_interval_ms": "5000",
    "RAY_raylet_report_resources_period_milliseconds": "1000",  # by default 100: there is one node, and little changes
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",  # by default 0.1
    "RAY_worker_niceness": "0",  # by default 15: a job, or Milvus merging, beside the service would come first
    "RAY_max_direct_call_object_size": "1048576",  # bytes: clips travel with the call, not through the object store
}


Build = Callable[[ServeConfig], Any]  # a ray.serve.Application


class DeploymentError(RuntimeError):
    """Ray Serve could not bring the application up."""


class LocalRay:
    """A Ray of our own with an application on it, the service unless `build` is given, until the context ends."""

    def __init__(self, config: ServeConfig, build: Build | None = None) -> None:
        self._config = config
        self._build = build
        temporary = tempfile.gettempdir()
        self.folder = tempfile.mkdtemp(prefix="refrain-", dir=temporary if len(temporary) <= SHORT_PATH else "/tmp")

    def __enter__(self) -> Self:
        return self

    def start(self) -> None:
        """Returns when requests are answered. Raises DeploymentError."""
        adopt_orphans()
        os.environ.update(ENVIRONMENT, RAY_AUTH_TOKEN=secrets.token_hex(32))
        self._start_ray()
        arm()
        from ray import serve

        from serve.app import NAME, application

        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        quiet = {"log_level": "WARNING", "enable_access_log": False}
        serve.start(
            proxy_location="HeadOnly",
            http_options={"host": self._config.host, "port": self._config.port},
            logging_config=quiet,
            tracing_config=tracing_config(),
        )
        try:
            serve.run((self._build or application)(self._config), name=NAME, logging_config=quiet)
        except RuntimeError as error:
            raise DeploymentError(reason(serve.status(), NAME) or str(error)) from error

    def _start_ray(self) -> None:
        import ray

        resources = self._config.resources
        try:
            with patience(START_S):
                ray.init(
                    address="local",
                    num_cpus=math.ceil(2 * cpus(resources)),  # rolled replicas stand beside those that they replace
                    object_store_memory=resources.object_store_mib * MIB,
                    include_dashboard=False,
                    logging_level=logging.ERROR,
                    _temp_dir=self.folder,
                )
        except SystemExit:
            raise StopRequest(signal.SIGTERM) from None  # the signal came while Ray had it
        except Exception as error:
            raise DeploymentError(f"Ray does not start: {error}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        ending = threading.Thread(target=_shut_down, daemon=True)
        ending.start()
        ending.join(DRAIN_S)
        end(descendants(os.getpid()), LAST_S)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def patience(limit_s: float) -> Iterator[None]:
    """Let Ray's node take longer to come up than the 30 s that are written into `ray._private.node`.

    Its two Python agents alone take that long on a busy two-core machine. The look whether the node is there, which
    Ray repeats for 30 s, does not come back before it is, or before the limit.
    """
    from ray._private import services

    look: Any = services.get_node

    def look_patiently(address: str, node_id: str) -> Any:
        deadline = time.monotonic() + limit_s
        while True:
            try:
                return look(address, node_id)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(POLL_S)

    services.get_node = look_patiently
    try:
        yield
    finally:
        services.get_node = look


def cpus(resources: ResourcesConfig) -> float:
    """What all replicas ask for, as many as there may be."""
    api = resources.api_max_replicas or resources.api_replicas
    embed = resources.embed_max_replicas or resources.embed_replicas
    return api * resources.api_cpus + embed * resources.embed_cpus


def reason(status: object, name: str) -> str | None:
    """The last line of what a deployment said before it failed."""
    application = getattr(status, "applications", {}).get(name)
    messages = [d.message for d in application.deployments.values() if d.message] if application else []
    lines = [line.strip() for line in "\n".join(messages).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error" in line or ":" in line), None)


def _shut_down() -> None:
    import ray
    from ray import serve

    from serve.app import NAME

    if ray.is_initialized():
        serve.delete(NAME)  # drains; serve.shutdown() would also report the controller's end as a failure
        ray.shutdown()
