"""What strings may go into the database."""

import hashlib

from ingest.errors import UnusableName
from ingest.stores.metadata.schema import VERSION_LENGTH

URI_LIMIT_BYTES = 65_535
TEXT_LIMIT = 2_000  # characters of a title, a name, a reason


def check_uri(uri: str) -> bytes:
    """The uri in UTF-8; raises UnusableName if it has none, is empty or too long."""
    try:
        encoded = uri.encode()
    except UnicodeEncodeError as error:
        raise UnusableName(f"{uri!r} is not valid Unicode") from error
    if not 0 < len(encoded) <= URI_LIMIT_BYTES:
        raise UnusableName(f"a name of {len(encoded)} bytes; 1 to {URI_LIMIT_BYTES} are possible")
    return encoded


def uri_hash(uri: str) -> str:
    """What stands in for a uri in an index; raises UnusableName."""
    return hashlib.sha256(check_uri(uri)).hexdigest()


def fit_version(version: str) -> str:
    """The version itself, or a hash of one that is too long or not what every database can compare."""
    encoded = version.encode("utf-8", "surrogatepass")
    if len(version) <= VERSION_LENGTH and version.isascii() and version == version.rstrip():
        return version
    return f"sha256:{hashlib.sha256(encoded).hexdigest()}"


def clean(text: str | None) -> str | None:
    """Text that every database stores; None for nothing.

    >>> clean("  A\\0B\\udc80 ")
    'AB�'
    """
    if text is None:
        return None
    unicode = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "")
    return unicode.strip()[:TEXT_LIMIT] or None
