"""`python -m serve.tune home=DIR [min_confidence=0.9] [hits=50] [max_searched=300] [search_params={ef: 128}]`.

By what the running services of a catalogue answer; every replica takes it up at its next look. What is not named goes
back to the configuration, and without any option all of it does. A service that cannot search so goes on as before and
says so in /readyz; /v1/info tells by what it answers.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conf import compose, describe
from ingest.stores import ConfigurationError, InfrastructureError, MetadataConfig
from serve.chosen import chosen_generation
from serve.config import ServedCatalog
from serve.tuning import Tuning


@dataclass
class TuneConfig:
    """See conf/tune.yaml."""

    home: str
    min_confidence: float | None
    hits: int | None
    max_searched: int | None
    search_params: dict[str, Any]
    generation: int | None
    catalog: ServedCatalog
    metadata: MetadataConfig

    def tuning(self) -> Tuning:
        """Raises ConfigurationError."""
        try:
            return Tuning(self.min_confidence, self.hits, self.max_searched, self.search_params)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 · 1 the metadata store failed · 2 configuration."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(__doc__, describe("tune"), sep="\n", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    try:
        print(tune(compose("tune", arguments, TuneConfig)))
    except (ConfigurationError, InfrastructureError) as error:
        print(f"tune: {' '.join(str(error).split())}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    return 0


def tune(config: TuneConfig) -> str:
    """What was done. Raises ConfigurationError, MetadataError."""
    told, name = config.tuning().to_dict(), config.catalog.name
    with chosen_generation(config.home, config.metadata, name, config.generation) as (store, generation):
        store.set_tuning(generation.generation_id, told)
    return f"generation {generation.generation_id} of catalogue {name}: {_line(generation.tuning)} → {_line(told)}"


def _line(tuning: dict[str, Any] | None) -> str:
    told = " ".join(f"{name}={value}" for name, value in (tuning or {}).items())
    return told or "as configured"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
