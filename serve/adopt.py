"""`python -m serve.adopt home=DIR calibration=FILE|shipped`: whose thresholds decide what a generation answers.

The running services of the catalogue take it up at their next look.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conf import compose, describe
from ingest.stores import ConfigurationError, InfrastructureError, MetadataConfig
from serve.chosen import chosen_generation
from serve.config import ServedCatalog
from serve.matching.calibration import Calibration, read_calibration

SHIPPED = "shipped"


@dataclass
class AdoptConfig:
    """See conf/adopt.yaml."""

    home: str
    calibration: str
    generation: int | None
    catalog: ServedCatalog
    metadata: MetadataConfig


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 · 1 the metadata store failed · 2 configuration."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(__doc__, describe("adopt"), sep="\n", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    try:
        config = compose("adopt", arguments, AdoptConfig)
        print(adopt(config))
    except (ConfigurationError, InfrastructureError) as error:
        print(f"adopt: {' '.join(str(error).split())}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    return 0


def adopt(config: AdoptConfig) -> str:
    """What was done. Raises ConfigurationError, MetadataError."""
    name = config.catalog.name
    with chosen_generation(config.home, config.metadata, name, config.generation) as (store, generation):
        calibration = None if config.calibration == SHIPPED else _read(Path(config.calibration))
        if calibration and calibration.encoder not in (None, generation.encoder):
            raise ConfigurationError(
                f"calibration={config.calibration} belongs to the encoder {calibration.encoder[:12]}, "
                f"generation {generation.generation_id} was made by {generation.encoder[:12]}"
            )
        store.set_calibration(generation.generation_id, calibration.to_dict() if calibration else None)
    return f"generation {generation.generation_id} of catalogue {name} answers by calibration {config.calibration}"


def _read(path: Path) -> Calibration:
    try:
        return read_calibration(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"calibration={path}: {error}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
