"""Secrets, taken out of what is printed or written down."""

import re
from dataclasses import asdict, is_dataclass
from typing import Any

MASK = "***"
SECRET_NAMES = ("password", "token", "secret")

# scheme://user:password@host: up to the last @, because a password typed unescaped may hold one
_URL_PASSWORD = re.compile(r"(://[^:@/\s]*):.*@", re.DOTALL)
_QUERY_SECRET = re.compile(r"([?&][^=&]*(?:password|token|secret)[^=&]*=)[^&]*", re.IGNORECASE)


def masked(config: Any) -> Any:
    """A dataclass or plain container as plain containers, with every secret replaced by `***`.

    >>> masked({"url": "mysql+pymysql://me:pw@host/db", "token": "abc", "port": 1})
    {'url': 'mysql+pymysql://me:***@host/db', 'token': '***', 'port': 1}
    """
    if is_dataclass(config) and not isinstance(config, type):
        config = asdict(config)
    if isinstance(config, dict):
        return {key: _masked_entry(str(key), value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [masked(value) for value in config]
    return masked_text(config) if isinstance(config, str) else config


def masked_text(text: str) -> str:
    """Text without the passwords of the URLs in it."""
    return _QUERY_SECRET.sub(rf"\1{MASK}", _URL_PASSWORD.sub(rf"\1:{MASK}@", text))


def _masked_entry(key: str, value: Any) -> Any:
    if value and isinstance(value, str) and any(name in key.lower() for name in SECRET_NAMES):
        return MASK
    return masked(value)
