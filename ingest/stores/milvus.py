"""The connection to Milvus: where it is, how it is asked, and what its failures are called."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]
from pymilvus import MilvusClient, MilvusException
from pymilvus.client.types import LoadState

from ingest.errors import ConfigurationError, NotLoaded, VectorStoreError
from ingest.stores.config import VectorsConfig
from ingest.stores.lite_server import LiteServer

KINDS = ("milvus_lite", "milvus")
VECTOR_FIELD = "vector"
MESSAGE_LIMIT = 300  # characters
STILL_S = 3_600.0  # without change, until what a server works on is given up
POLL_S = 0.5
NOT_LOADED = (101, 103, 201, 202)  # what Milvus says of a collection, or partition, that is not loaded, or not wholly

Method = str | Callable[..., Any]

_FAILURES = (MilvusException, grpc.RpcError)


class MilvusConnection:
    """A client that follows the Milvus Lite server of a home when it is replaced; threads may share it."""

    def __init__(self, config: VectorsConfig, home: Path) -> None:
        if config.kind not in KINDS:
            raise ConfigurationError(f"vectors.kind {config.kind!r} is none of {', '.join(KINDS)}")
        if config.kind == "milvus" and not config.uri:
            raise ConfigurationError("vectors=milvus needs vectors.uri=http://host:port")
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs what it raises
        self._config = config
        self._guard = threading.RLock()
        self._loaded: dict[str, str] = {}
        self._lite = LiteServer(home) if config.kind == "milvus_lite" else None
        # The death of a local server is noticed at once, so that its requests need no time limit.
        self._limits: dict[str, Any] = {"retry_times": 1} if self._lite else {"timeout": config.timeout_s}
        self.name = f"Milvus Lite in {self._lite.directory}" if self._lite else server_name(config)
        try:
            self._client = self._connect()
        except BaseException:
            self._leave()
            raise

    def ask(self, method: Method, *arguments: Any, loaded: str | None = None, **options: Any) -> Any:
        """What the client's method, or a function of the client, returns; `loaded` names what is to be loaded before.

        Asks a second time if the home's server was replaced meanwhile. Raises VectorStoreError.
        """
        try:
            return self._ask_once(method, arguments, options, loaded)
        except _FAILURES as error:
            if self._lite is None or not self._lite.moved():
                raise self._error(method, error) from error
        try:
            return self._ask_once(method, arguments, options, loaded)
        except _FAILURES as error:
            raise self._error(method, error) from error

    def load(self, collection: str) -> None:
        """Have a collection loaded, which takes a large one longer than a request may. Raises VectorStoreError."""
        self.forget(collection)
        self.ask("load_collection", collection, _async=True)
        settle(f"{self.name}: {collection} is not loaded", lambda: self._loading(collection))
        self.ask("get_load_state", collection, loaded=collection)

    def released(self, collection: str, timeout_s: float | None = None) -> bool:
        """Whether a collection is neither loaded nor being loaded. Raises VectorStoreError."""
        told = self.ask("get_load_state", collection, **within(timeout_s))
        return told["state"] not in (LoadState.Loaded, LoadState.Loading)

    def index_of(self, collection: str) -> str:
        """Index type of a loaded collection."""
        return self._loaded.get(collection, "")

    def forget(self, collection: str) -> None:
        """Load the collection anew before it is used next."""
        self._loaded.pop(collection, None)

    def close(self) -> None:
        with self._guard:
            self._client.close()
            self._leave()

    def _loading(self, collection: str) -> str:
        """How far that is, or nothing when it is done."""
        told = self.ask("get_load_state", collection)
        return "" if told["state"] == LoadState.Loaded else str(told)

    def _ask_once(self, method: Method, arguments: Any, options: dict[str, Any], loaded: str | None) -> Any:
        client = self._follow()
        if loaded is not None and loaded not in self._loaded:
            client.load_collection(loaded, **self._limits)
            index = client.describe_index(loaded, VECTOR_FIELD, **self._limits)
            self._loaded[loaded] = str(index["index_type"]) if index else ""
        call = getattr(client, method) if isinstance(method, str) else partial(method, client)
        return call(*arguments, **(self._limits | options))

    def _follow(self) -> MilvusClient:
        """The client, of the server that lives now."""
        if self._lite is None or not self._lite.moved():
            return self._client
        with self._guard:
            if self._lite.moved():
                self._lite.find_or_start()
                self._client.close()
                self._client = self._connect()
            return self._client

    def _connect(self) -> MilvusClient:
        self._loaded = {}
        uri = self._lite.uri if self._lite else self._config.uri
        try:
            return MilvusClient(
                uri=uri,
                token=self._config.token or "",
                timeout=self._config.timeout_s,
                dedicated=True,
                grpc_options={"grpc.keepalive_permit_without_calls": False},  # Milvus Lite sends idle pingers away
            )
        except _FAILURES as error:
            raise self._error("connect", error) from error

    def _leave(self) -> None:
        if self._lite is not None:
            self._lite.close()

    def _error(self, method: Method, error: Exception) -> VectorStoreError:
        name = method if isinstance(method, str) else method.__name__
        return told_error(self.name, name.replace("_", " "), error, self._config.token)


def settle(what: str, left: Callable[[], object]) -> None:
    """Return when nothing is left to do, however long that takes while it changes. Raises VectorStoreError: `what`."""
    before: object = None
    deadline = 0.0
    while now := left():
        if now != before:
            before, deadline = now, time.monotonic() + STILL_S
        elif time.monotonic() > deadline:
            raise VectorStoreError(f"{what}: nothing has changed for {STILL_S:g} s")
        time.sleep(POLL_S)


def within(timeout_s: float | None) -> dict[str, Any]:
    """Options of a request that is waited for so long; None: as long as configured."""
    return {} if timeout_s is None else {"timeout": timeout_s}


def server_name(config: VectorsConfig) -> str:
    """A Milvus server as messages call it."""
    return f"Milvus at {_host(config.uri)}"


def told_error(name: str, method: str, error: Exception, secret: str | None) -> VectorStoreError:
    """A client's failure in one line, without the secret."""
    message = error.details() if isinstance(error, grpc.RpcError) else getattr(error, "message", "")
    line = " ".join(str(message or error).split())[:MESSAGE_LIMIT]
    if secret:
        line = line.replace(secret, "…")
    kind = NotLoaded if getattr(error, "code", None) in NOT_LOADED else VectorStoreError
    return kind(f"{name}: {method}: {line}")


def _host(uri: str | None) -> str:
    """host:port of a URI, without the credentials that it may hold."""
    return urlsplit(uri or "").netloc.rpartition("@")[2] or str(uri)
