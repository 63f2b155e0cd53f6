"""What may be said beside audio or embeddings, the same on every route that answers with matches."""

from typing import Annotated

from fastapi import Query

from serve.problems import UnknownCatalog

MAX_MATCHES = 50

Limit = Annotated[int, Query(ge=1, le=MAX_MATCHES, description="Matches to answer, at most.")]
MinConfidence = Annotated[
    float | None,
    Query(ge=0, le=1, description="Answer from this confidence on, in place of the catalogue's own threshold."),
]
CatalogName = Annotated[str | None, Query(description="The catalogue to ask; another than is served is a 404.")]


def check_catalog(asked: str | None, served: str) -> None:
    """Raises UnknownCatalog."""
    if asked not in (None, served):
        raise UnknownCatalog(f"the catalogue {asked!r} is not served here; {served!r} is")
