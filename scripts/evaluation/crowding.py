"""Hit rates with millions of simulated vectors in the index, and how like real ones they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ingest.fingerprint import SEGMENT_BITS, StoredSegments
from ingest.stores import StoredRows
from scripts.evaluation.asking import Asker
from scripts.evaluation.distractors import FIRST_ID, Crowded, SimulatedTracks, nearest
from scripts.evaluation.flat import FlatVectors
from scripts.evaluation.folds import FOLDS, Collection
from scripts.evaluation.likeness import Half, Likeness, coherence, likeness, same_size, sampled, tuned_spread
from scripts.evaluation.options import EvaluateConfig
from scripts.evaluation.outcomes import Kept, Outcome, Unit
from scripts.evaluation.questions import Question
from scripts.evaluation.session import Session, say
from scripts.evaluation.sources import checksum_of
from serve.recogniser import VectorSearch

CODE = tuple(f"scripts/evaluation/{module}.py" for module in ("crowding", "distractors", "likeness"))
LIKENESS = "likeness.json"


@dataclass(frozen=True)
class Crowding:
    """Outcomes of some questions without and with simulated vectors, and what was found out about these."""

    outcomes: list[Outcome]
    check: dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """The questions of all units, and of each half what its own are compared with."""

    questions: dict[Unit, list[Question]]
    simulated: tuple[SimulatedTracks, ...]
    places: tuple[dict[bytes, int], ...]  # of a vector of a reading among `vectors` of its half
    vectors: tuple[np.ndarray, ...]


def crowd(session: Session, config: EvaluateConfig) -> Crowding:
    """Asked now where it was not asked before. Raises VectorStoreError."""
    folder = session.kept.folder
    kept = Kept(folder.with_name(f"{folder.name}-crowd-{checksum_of([], *CODE)[:8]}"))
    sizes = sorted(config.distractors)
    base = [
        Unit(condition, clip_s, config.distractor_clips)
        for condition in config.distractor_conditions
        for clip_s in config.distractor_lengths
    ]
    units = [replace(unit, distractors=size) for size in (0, *sizes) for unit in base]
    check = kept.folder / LIKENESS
    if config.fresh or not check.exists() or any(kept.load(unit) is None for unit in units):
        check.parent.mkdir(parents=True, exist_ok=True)
        with session.asking() as asking, closing(Asker(asking)) as asker:
            check.write_text(json.dumps(_ask(asker, base, sizes, kept), indent=1))
    found = [outcome for unit in units for outcome in kept.load(unit) or ()]
    return Crowding(found, json.loads(check.read_text(encoding="utf-8")))


def _ask(asker: Asker, base: Sequence[Unit], sizes: Sequence[int], kept: Kept) -> dict[str, Any]:
    """Ask everything and keep it; what comes back is how like real vectors the simulated ones are."""
    questions = {unit: list(asker.questions(unit)) for unit in base}
    for unit, its in questions.items():
        kept.save(unit, [asker.outcome(question, fold, asker.vectors) for question in its for fold in FOLDS])
    halves = _halves(asker, questions)
    seed = asker.asking.config.seed
    say(f"simulated vectors: tuning their spread on {sum(len(half.queries) for half in halves)} vectors of clips")
    spread, tuning = tuned_spread(halves, seed)
    asked = _compared(asker, questions, spread)
    say(f"simulated vectors: spread {spread:g}; comparing {max(sizes):,}")
    crowded = _crowded_stores(asker, asked, sizes)
    for size in sizes:
        _ask_crowded(asker, asked, size, crowded[size], kept)
    checks = [same_size(halves, asked.simulated), _lines(asker, asked)]
    return {
        "spread": spread,
        "tuning": [one.to_dict() for one in tuning],
        "checks": [one.to_dict() for one in checks],
        "coherence": coherence(halves, asked.simulated),
    }


def _halves(asker: Asker, questions: Mapping[Unit, Sequence[Question]]) -> list[Half]:
    collection, everything = asker.collection, [one for its in questions.values() for one in its]
    halves = []
    for half in FOLDS:
        vectors = [one.query.vectors[one.query.audible] for one in _of_half(collection, everything, half)]
        others = {i: one.stored() for i, one in enumerate(collection.tracks) if collection.half(i) != half}
        held_out = [collection.half(i) is not None for i in others]
        halves.append(Half(sampled(vectors, half), list(others.values()), held_out))
    return halves


def _of_half(collection: Collection, questions: Sequence[Question], half: int) -> list[Question]:
    return [one for one in questions if collection.half(one.track) == half]


def _compared(asker: Asker, questions: dict[Unit, list[Question]], spread: float) -> Asked:
    """Every vector that may be searched, by half."""
    collection, seed = asker.collection, asker.asking.config.seed
    simulated, places, vectors = [], [], []
    for half in FOLDS:
        own = _of_half(collection, [one for its in questions.values() for one in its], half)
        stacked = np.concatenate([reading.vectors for one in own for reading in asker.readings(one)])
        parents = [track.stored() for i, track in enumerate(collection.tracks) if collection.half(i) != half]
        simulated.append(SimulatedTracks(parents, spread, [seed, half]))
        places.append({vector.tobytes(): number for number, vector in enumerate(stacked)})
        vectors.append(stacked)
    return Asked(questions, tuple(simulated), tuple(places), tuple(vectors))


def _crowded_stores(asker: Asker, asked: Asked, sizes: Sequence[int]) -> dict[int, tuple[VectorSearch, ...]]:
    """For each size the store of each half's questions."""
    k, device = asker.settings.hits, asker.asking.config.device
    stores: dict[int, list[VectorSearch]] = {size: [] for size in sizes}
    for simulated, places, vectors in zip(asked.simulated, asked.places, asked.vectors, strict=True):
        for size, among in nearest(vectors, simulated, sizes, k, device).items():
            stores[size].append(Crowded(asker.vectors, simulated, places, among))
    return {size: tuple(pair) for size, pair in stores.items()}


def _ask_crowded(asker: Asker, asked: Asked, size: int, stores: Sequence[VectorSearch], kept: Kept) -> None:
    for unit, questions in asked.questions.items():
        outcomes = [
            asker.outcome(question, fold, stores[asker.collection.half(question.track) or 0], size)
            for question in questions
            for fold in FOLDS
        ]
        crowded = replace(unit, distractors=size)
        kept.save(crowded, outcomes)
        known = [outcome for outcome in outcomes if outcome.known]
        say(f"{crowded}: {sum(outcome.right_place for outcome in known)} of {len(known)} found, before any threshold")


def _lines(asker: Asker, asked: Asked) -> Likeness:
    """The contrast of the best line of unknown clips in a catalogue of real held-out tracks, and in a simulated one."""
    contrasts: tuple[list[float], list[float]] = ([], [])
    sizes = []
    questions = [one for its in asked.questions.values() for one in its]
    for half in FOLDS:
        real = _real_rows(asker.collection, 1 - half)
        made = simulated_rows(asked.simulated[half], len(real.keys))
        sizes.append(len(real.keys))
        fold = 1 - half  # does not hold the half that the questions are about
        for rows, found in zip((real, made), contrasts, strict=True):
            store = FlatVectors(rows, {asker.asking.place.names[fold]: slice(None)})
            for question in _of_half(asker.collection, questions, half):
                features = asker.outcome(question, fold, store).features
                found.append(features.contrast if features else 0.0)
    return likeness("contrast of the best line", *contrasts, float(np.mean(sizes)))


def _real_rows(collection: Collection, half: int) -> StoredRows:
    chosen = [i for i in collection.asked_about() if collection.half(i) == half]
    return _rows([(i + 1, collection.tracks[i].stored()) for i in chosen])


def simulated_rows(simulated: SimulatedTracks, size: int) -> StoredRows:
    """Of whole simulated tracks, at least `size`."""
    return _rows(list(_until(simulated, size)))


def _until(simulated: SimulatedTracks, size: int) -> Iterator[tuple[int, StoredSegments]]:
    held = number = 0
    while held < size:
        vectors = simulated.vectors(number)
        yield FIRST_ID + number, StoredSegments(np.arange(len(vectors)), vectors, simulated.peaks(number))
        held, number = held + len(vectors), number + 1


def _rows(recordings: Sequence[tuple[int, StoredSegments]]) -> StoredRows:
    return StoredRows(
        np.concatenate([(number << SEGMENT_BITS) + one.segments.astype(np.int64) for number, one in recordings]),
        np.concatenate([one.vectors for _, one in recordings]),
        np.concatenate([one.peaks for _, one in recordings]),
    )
