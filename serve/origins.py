"""Which pages may open a WebSocket: browsers ask no leave for one, they only say whose page it is."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from serve.problems import ForeignOrigin

ALL = "*"


def check_origin(headers: Headers, origins: Sequence[str]) -> None:
    """Raises ForeignOrigin for a page that is neither ours nor listed; who is no browser sends no Origin."""
    origin = headers.get("origin")
    if origin is None or ALL in origins or origin in origins or is_same(origin, headers.get("host", "")):
        return
    raise ForeignOrigin(f"pages of {origin} may not ask here: cors_origins does not list them")


def is_same(origin: str, host: str) -> bool:
    """Whether a page came from the host that it asks now.

    >>> is_same("https://Music.example", "music.example"), is_same("https://music.example.evil", "music.example")
    (True, False)
    """
    return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
