"""`python -m serve.keys NAME [--scopes read,write,admin] [--per-minute N] [--burst N] [--append FILE]`: a new API key.

Prints the token, which is shown this once, and the line that goes into `keys` or the file of `keys_file`; with --append
the line is put there. Whoever has the token may do what its scopes say:

    read     identify, timeline, tracks, info
    write    delete tracks
    admin    metrics

The configuration keeps the SHA-256 of a token and nothing else. A slow, salted hash protects passwords, which are few
enough to be tried one by one; a token holds 32 random bytes, so that nobody finds it from its hash, however fast that
is computed, and the service may compute one at every request.
"""

import argparse
import hashlib
import json
import os
import re
import secrets
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, get_args

import yaml

from conf.typed import convert
from ingest.stores import ConfigurationError
from serve.config import KeyConfig, Permission, ServeConfig

TOKEN_BYTES = 32
PREFIX = "refrain_"  # by it a token is known in a text where it does not belong
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_ORIGIN = re.compile(r"https?://[^/\s*]+|\*")


def new_token() -> str:
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> str:
    """What the configuration holds of a token.

    >>> hash_of("x")[:15]
    'sha256:2d711642'
    """
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def check_keys(keys: Sequence[KeyConfig], source: str) -> None:
    """Raises ConfigurationError; what stands in the place of a hash is not repeated, as it may be a token."""
    for key in keys:
        if not _NAME.fullmatch(key.name):
            raise ConfigurationError(f"{source}: a name is up to 64 letters, digits, dots, - or _")
        if not _HASH.fullmatch(key.hash):
            raise ConfigurationError(f"{source}: the hash of {key.name} is none: python -m serve.keys prints one")
        if not key.scopes:
            raise ConfigurationError(f"{source}: {key.name} has no scope of {', '.join(get_args(Permission))}")
        if key.per_minute is not None and not 0 < key.per_minute < 1e6:
            raise ConfigurationError(f"{source}: per_minute of {key.name} must lie between 0 and a million")
        if key.burst is not None and (key.per_minute is None or key.burst < 1):
            raise ConfigurationError(f"{source}: burst of {key.name} must be 1 or more, beside per_minute")
    for what in ("name", "hash"):
        found = [getattr(key, what) for key in keys]
        if len(set(found)) < len(found):
            raise ConfigurationError(f"{source}: two keys have the same {what}")


def read_keys(path: Path) -> list[KeyConfig]:
    """The keys of a file. Raises ConfigurationError."""
    source = f"keys_file={path}"
    try:
        return parse_keys(path.read_text(encoding="utf-8"), source)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{source} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def parse_keys(text: str, source: str) -> list[KeyConfig]:
    """Keys from YAML; no text is none. Raises ConfigurationError."""
    try:
        entries: Any = yaml.safe_load(text) or []
    except yaml.YAMLError:  # its text would show what stands there
        raise ConfigurationError(f"{source} is no YAML") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigurationError(f"{source} must hold a list of keys, each as python -m serve.keys prints it")
    keys: list[KeyConfig] = convert(entries, list[KeyConfig], "keys")
    check_keys(keys, source)
    return keys


def check_access(config: ServeConfig, *, exposed: bool) -> None:
    """Raises ConfigurationError for keys and origins that make no sense, and for none where others reach the port."""
    check_keys(config.keys, "keys")
    for origin in config.cors_origins:
        if not _ORIGIN.fullmatch(origin):
            raise ConfigurationError(f"cors_origins: {origin!r} is no origin like https://app.example, nor *")
    keyed = bool(config.keys or config.keys_file)
    if keyed and config.open:
        raise ConfigurationError("open=true lets everybody in: say it without keys and keys_file, or leave it out")
    if exposed and not keyed and not config.open:
        where = "in a cluster" if is_loopback(config.host) else f"host={config.host}"
        raise ConfigurationError(
            f"{where}: others can reach the service, and it has no keys; make one with python -m serve.keys "
            "and name it in keys or keys_file, or say open=true where a gateway checks who asks"
        )


def is_loopback(host: str) -> bool:
    """Whether a host can be reached from this machine alone; a name other than localhost may be anything."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def line_of(key: KeyConfig) -> str:
    """The entry of a list in YAML."""
    rate = {name: value for name in ("per_minute", "burst") if (value := getattr(key, name)) is not None}
    fields = {"name": key.name, "hash": key.hash, "scopes": key.scopes, **rate}
    return f"- {json.dumps(fields)}"


def main(arguments: Sequence[str]) -> int:
    """0, or 2 for a wrong command line."""
    wanted = parser().parse_args(arguments)
    token = new_token()
    try:
        scopes = convert(wanted.scopes.split(","), list[Permission], "--scopes")
        key = KeyConfig(wanted.name, hash_of(token), scopes, wanted.per_minute, wanted.burst)
        check_keys([key], wanted.name)
        if wanted.append:
            append(key, wanted.append)
    except ConfigurationError as error:
        print(f"keys: {error}", file=sys.stderr)
        return 2
    print(f"# the token of {key.name}, shown only now:\n{token}")
    if not wanted.append:
        print(f"# the line for keys or keys_file:\n{line_of(key)}")
    return 0


def append(key: KeyConfig, path: Path) -> None:
    """Put a key at the end of a file, made readable for its owner alone. Raises ConfigurationError."""
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        added = f"{'' if not before or before.endswith(chr(10)) else chr(10)}{line_of(key)}\n"
        parse_keys(before + added, str(path))
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
            file.write(added)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m serve.keys", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("name", metavar="NAME", help="who will use it; metrics and messages call the key by it")
    made.add_argument("--scopes", default="read", help="read,write,admin (default: read)")
    made.add_argument("--per-minute", type=float, help="requests, in each replica of the API (default: any number)")
    made.add_argument("--burst", type=int, help="of them at once (default: those of a minute)")
    made.add_argument("--append", type=Path, metavar="FILE", help="put the line at the end of this file")
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
