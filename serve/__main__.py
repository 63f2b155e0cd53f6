"""`python -m serve home=DIR [port=8000] [vectors=milvus …]`: serve until SIGTERM or Ctrl-C."""

import errno
import os
import signal
import socket
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

from conf import as_yaml, asked_to_show, compose, describe
from ingest.stores import ConfigurationError, InfrastructureError, MetadataError, open_metadata
from serve.access import open_ring
from serve.config import ServeConfig, check
from serve.encoders import check_weights
from serve.keys import check_access, is_loopback
from serve.local_ray import Build, DeploymentError, LocalRay
from serve.signals import StopRequest, arm, disarm

USAGE = """python -m serve home=DIR [option=value …]

Answers queries over HTTP until SIGTERM or Ctrl-C; the web page is at /, the API at /docs.
Whoever reaches it from elsewhere needs a key: python -m serve.keys makes one.
Values are taken literally. Secrets come from REFRAIN_MYSQL_PASSWORD and REFRAIN_MILVUS_TOKEN.
--cfg job prints the configuration that these options make, and does nothing.
"""


class ExitCode(IntEnum):
    """128 + n after signal n."""

    INFRASTRUCTURE = 1
    CONFIGURATION = 2
    PORT_IN_USE = 3


class PortError(Exception):
    """The address cannot be listened on."""


def main(arguments: Sequence[str], build: Build | None = None) -> int:
    """Serve, or run what `build` makes in its place; comes back with an exit code."""
    if {"-h", "--help"} & set(arguments):
        print(f"{USAGE}\n{describe('serve')}")
        return 0
    try:
        if (shown := asked_to_show(arguments)) is not None:
            print(as_yaml(compose("serve", shown, ServeConfig)))
            return 0
        config = configured(arguments)
        listen_once(config.host, config.port)
        look_at_metadata(config)
    except ConfigurationError as error:
        return complain(error, ExitCode.CONFIGURATION)
    except PortError as error:
        return complain(error, ExitCode.PORT_IN_USE)
    except InfrastructureError as error:
        return complain(error, ExitCode.INFRASTRUCTURE)
    try:
        serve_until_stopped(config, build)
    except StopRequest as stop:
        return 128 + stop.number
    except DeploymentError as error:
        return complain(error, ExitCode.INFRASTRUCTURE)
    return 0


def configured(arguments: Sequence[str]) -> ServeConfig:
    """Raises ConfigurationError."""
    config = compose("serve", arguments, ServeConfig)
    check(config)
    if config.keys_file:
        config.keys_file = str(Path(config.keys_file).absolute())
    check_access(config, exposed=not is_loopback(config.host))
    open_ring(config)  # every replica opens its own
    check_weights(config.encoder.weights)
    try:
        config.home_path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"home={config.home} cannot be used: {error.strerror}") from error
    return config


def listen_once(host: str, port: int) -> None:
    """Raises PortError when the port is taken, ConfigurationError when the host is none of this machine."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortError(f"port {port} of {host} is already in use; choose another with port=…") from error
        if error.errno == errno.EACCES:
            raise PortError(f"port {port} may not be used by this user; choose one above 1023") from error
        raise ConfigurationError(f"host={host} is no address of this machine: {error.strerror}") from error


def look_at_metadata(config: ServeConfig) -> None:
    """Create or upgrade the schema before anything is started; a server that is away is waited for, once it is told.

    Raises MetadataError for what lies in home, ConfigurationError.
    """
    try:
        open_metadata(config.metadata, config.home_path).close()
    except MetadataError as error:
        if config.metadata.kind != "mysql":
            raise
        print(f"refrain: {error}; the service starts, and answers once that is there", file=sys.stderr)


def serve_until_stopped(config: ServeConfig, build: Build | None = None) -> None:
    """Raises StopRequest when a signal comes, DeploymentError when the service does not come up."""
    arm()
    with LocalRay(config, build) as local:
        try:
            local.start()
            print(f"Refrain serves catalogue {config.catalog.name!r} at {config.url}", flush=True)
            while True:
                signal.pause()
        finally:
            disarm()


def complain(error: Exception, code: ExitCode) -> int:
    """One line on standard error."""
    print(f"refrain: {' '.join(str(error).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Ray's threads and handlers may not hold up the end
