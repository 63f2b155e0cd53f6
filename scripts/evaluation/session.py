"""What both commands do first: read the music, ask every question that was not asked yet."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from ingest.errors import ConfigurationError
from ingest.fingerprint.architecture import read_architecture
from scripts.evaluation.asking import Asker, Asking, ask
from scripts.evaluation.folds import Collection, in_two_folds
from scripts.evaluation.heard import Heard, decode_heard
from scripts.evaluation.listing import list_recordings
from scripts.evaluation.options import AskConfig
from scripts.evaluation.outcomes import Kept, Outcome, Unit
from scripts.evaluation.sources import checksum_of
from scripts.evaluation.stores import filled
from scripts.evaluation.tracks import Preparation, prepare_tracks
from scripts.evaluation.workers import each
from serve.config import MatchingConfig
from serve.matching import Calibration

MODULES = ("asking", "conditions", "flat", "folds", "outcomes", "questions", "truth")
CODE = (  # what answers depend on
    "ingest/fingerprint",
    "serve/matching",
    "serve/encoders.py",
    "scripts/spoil",
    *(f"scripts/evaluation/{module}.py" for module in MODULES),
)


@dataclass(frozen=True)
class Session:
    """Music read and embedded, and the folder in which answers are kept."""

    config: AskConfig
    matching: MatchingConfig
    calibration: Calibration
    checksum: str
    collection: Collection
    heard: Heard
    kept: Kept

    def units(self) -> list[Unit]:
        """Everything that is asked, in the order of the options."""
        config = self.config
        return [Unit(condition, clip_s, config.clips) for condition in config.conditions for clip_s in config.lengths]

    def outcomes(self) -> list[Outcome]:
        """Of all units, asked now where they were not asked before. Raises VectorStoreError."""
        missing = [unit for unit in self.units() if self.config.fresh or self.kept.load(unit) is None]
        if missing:
            self._ask(missing)
        return [outcome for unit in self.units() for outcome in self.kept.load(unit) or ()]

    def _ask(self, missing: Sequence[Unit]) -> None:
        with self.asking() as asking, _askers(asking, self.config.processes) as work:
            for number, (unit, outcomes) in enumerate(each(work, missing, self.config.processes), 1):
                self.kept.save(unit, outcomes)
                known = [outcome for outcome in outcomes if outcome.known]
                right = sum(outcome.right_place for outcome in known)
                say(f"{number} of {len(missing)}: {unit}: {right} of {len(known)} found, before any threshold")

    @contextmanager
    def asking(self) -> Iterator[Asking]:
        """While it is open, questions can be asked."""
        with filled(self.config, self.collection) as place:
            yield Asking(self.config, self.matching, self.collection, self.heard, self.calibration, place)


@contextmanager
def _askers(asking: Asking, processes: int) -> Iterator[Any]:
    if processes > 1:
        yield partial(ask, pickle.dumps(asking))
    else:
        with closing(Asker(asking)) as asker:
            yield asker.outcomes


def open_session(config: AskConfig, matching: MatchingConfig, calibration: Calibration) -> Session:
    """Read, decode and embed everything. Raises ConfigurationError."""
    out, (_, checksum) = config.out_path, read_architecture(config.weights)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"out={config.out} cannot be written: {error.strerror}") from error
    heard = decode_heard(config.noise, config.noises, config.rooms, out)
    listed, unusable = list_recordings(config.catalog, out)
    preparation = Preparation(out, config.weights, checksum, config.device, config.audio)
    tracks, skipped = prepare_tracks(listed, preparation, config.processes, say)
    collection = in_two_folds(tracks, [*unusable, *skipped], config.seed)
    for bad in (*collection.skipped, *heard.skipped):
        say(f"left out: {bad.name}: {bad.code}: {bad.reason}")
    kept = Kept(out / "asked" / _key(config, matching, calibration, checksum, collection, heard))
    return Session(config, matching, calibration, checksum, collection, heard, kept)


def _key(
    config: AskConfig,
    matching: MatchingConfig,
    calibration: Calibration,
    checksum: str,
    collection: Collection,
    heard: Heard,
) -> str:
    """Equal where equal answers are to be expected."""
    vectors = asdict(config.vectors)
    store = [vectors[name] for name in ("kind", "uri", "index", "index_params", "search_params", "consistency")]
    told = {
        "encoder": checksum,
        "matching": asdict(matching),
        "calibration": calibration.to_dict(),
        "store": store if config.store == "vectors" else config.store,
        "tracks": [(track.name, track.audio_file.name, track.stored_file.parent.name) for track in collection.tracks],
        "halves": collection.halves,
        "heard": [[path.name for path in paths] for paths in (heard.noise, heard.speech, heard.rooms)],
        "asked": (config.seed, config.tolerance_s, config.device),
    }
    return checksum_of([json.dumps(told, sort_keys=True)], *CODE)[:16]


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)
