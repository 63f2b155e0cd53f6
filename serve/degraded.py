"""Answers without names, as the metadata store is away: said in a header, for whoever does not read the body."""

from fastapi import Response

from ingest.stores import MetadataError

HEADER = "Refrain-Degraded"


def flag(response: Response, degraded: bool) -> None:
    """Name in the header what is away, if something is."""
    if degraded:
        response.headers[HEADER] = MetadataError.code
