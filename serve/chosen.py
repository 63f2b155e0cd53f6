"""Which generation a command of an operator is about."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.stores import CatalogStore, ConfigurationError, Generation, MetadataConfig, open_metadata


@contextmanager
def chosen_generation(
    home: str, metadata: MetadataConfig, catalog: str, number: int | None
) -> Iterator[tuple[CatalogStore, Generation]]:
    """A catalogue with its generation of that number; None: the one that answers.

    Raises ConfigurationError, MetadataError.
    """
    path = Path(home).absolute()
    if not path.is_dir():
        raise ConfigurationError(f"home {home!r} does not exist: nothing was ingested there")
    with open_metadata(metadata, path) as opened:
        if catalog not in opened.catalog_names():
            raise ConfigurationError(f"there is no catalogue {catalog!r} yet")
        store = opened.catalog(catalog)
        yield store, _chosen(store, number)


def _chosen(store: CatalogStore, number: int | None) -> Generation:
    if number is None:
        active = store.active_generation()
        if active is None:
            raise ConfigurationError(f"no generation of catalogue {store.name!r} answers yet")
        return active
    found = {generation.generation_id: generation for generation in store.generations()}
    if number not in found:
        raise ConfigurationError(
            f"catalogue {store.name!r} has no generation {number}; it has {', '.join(map(str, found)) or 'none'}"
        )
    return found[number]
