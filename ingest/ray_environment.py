"""What a Ray of our own needs in the environment. Ray reads some of it on import: `prepare` comes before that."""

from __future__ import annotations

import os
import secrets

ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",  # Ray listens on every interface: whoever has no token gets nothing but its metrics
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # what it warns of otherwise
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # its files have the rest; what fails is raised here too
    "RAY_agent_register_timeout_ms": "120000",  # by default 30000, too short for a machine that has other work
    # Ray forks its processes out of this one, which has asked Milvus by then: with gRPC's handlers some of them die
    # before their exec, unnoticed. Also read on import.
    "GRPC_ENABLE_FORK_SUPPORT": "0",
}


def prepare() -> None:
    """Set it, with a token of this process's own."""
    os.environ.update(ENVIRONMENT, RAY_AUTH_TOKEN=secrets.token_hex(32))
