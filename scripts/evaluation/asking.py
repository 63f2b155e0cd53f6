"""Every question put to both folds, through what serves: its track is in the catalogue of one, unknown to the other."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Self

import numpy as np

from ingest.fingerprint import Embedder, Embeddings, denoise
from ingest.stores import Vectors
from scripts.evaluation.folds import FOLDS, Collection
from scripts.evaluation.heard import Heard
from scripts.evaluation.options import AskConfig
from scripts.evaluation.outcomes import Outcome, Unit
from scripts.evaluation.questions import Question, Questioner
from scripts.evaluation.stores import Place, reach
from scripts.evaluation.truth import Verdict, rank_of_truth, verdict
from serve.config import MatchingConfig
from serve.encoders import EmbedJob, EncoderSet, ratio_of
from serve.matching import Calibration, Catalogue, Query, rank
from serve.recogniser import VectorSearch

NOTHING_RIGHT = Verdict(track=False, place=False)


@dataclass(frozen=True)
class Asking:
    """All that a process needs in order to ask; it may be pickled."""

    config: AskConfig
    matching: MatchingConfig
    collection: Collection
    heard: Heard
    calibration: Calibration
    place: Place


class Asker:
    """One process that asks."""

    def __init__(self, asking: Asking) -> None:
        config = asking.config
        self.asking = asking
        self.collection = asking.collection
        self.vectors = reach(config, asking.collection, asking.place)
        self.settings = asking.matching.settings()
        embedder = Embedder.load(config.weights, device=config.device, threads=1)  # or CPU counts threads that wait
        self._encoders = EncoderSet([embedder])
        self._spent = Spent(time.perf_counter if asking.place.remote else time.process_time)
        self._ratios = [ratio_of(semitones) for semitones in asking.matching.retunings_semitones]
        self._questioner = Questioner(
            asking.collection,
            asking.heard.surroundings(),
            self.embed,
            config.seed,
            denoise if asking.matching.denoise else None,
        )

    def close(self) -> None:
        if isinstance(self.vectors, Vectors):
            self.vectors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def questions(self, unit: Unit) -> Iterator[Question]:
        return self._questioner.questions(unit.condition, unit.clip_s, unit.clips)

    def outcomes(self, unit: Unit) -> list[Outcome]:
        """Of every question of the unit in both folds."""
        found = []
        for question in self.questions(unit):
            embed_ms = self._spent.taken("embed")
            found += [self.outcome(question, fold, self.vectors, unit.distractors, embed_ms) for fold in FOLDS]
        return found

    def readings(self, question: Question) -> list[Query]:
        """The clip as it is, and retuned."""
        return [question.query, *(reading for _, reading in self._variants(question))]

    def outcome(
        self, question: Question, fold: int, vectors: VectorSearch, distractors: int = 0, embed_ms: float = 0.0
    ) -> Outcome:
        """What the service would say, were `vectors` its store."""
        with self._spent.stage("match"):
            ranking = rank(
                question.query,
                self.catalogue(fold, vectors),
                calibration=self.asking.calibration,
                settings=self.settings,
                variants=partial(self._variants, question) if self._ratios else None,
            )
        best = ranking.matches[0] if ranking.matches else None
        right = verdict(question, best, self.collection, self.asking.config.tolerance_s) if best else NOTHING_RIGHT
        return Outcome(
            condition=question.condition.name,
            clip_s=question.clip_s,
            distractors=distractors,
            fold=fold,
            track=self.collection.tracks[question.track].name,
            known=question.track in self.collection.indexed(fold),
            offset_s=question.offset_s,
            speed=question.condition.speed,
            pitch_semitones=question.condition.pitch_semitones,
            answer=self.collection.name_of(best.recording_id) if best else "",
            answer_offset_s=best.offset_s if best else 0.0,
            rank=rank_of_truth(question, ranking.matches),
            right_track=right.track,
            right_place=right.place,
            features=best.features if best else None,
            searched=ranking.searched,
            embed_ms=embed_ms + self._spent.taken("embed"),
            search_ms=self._spent.taken("search"),
            match_ms=self._spent.taken("match"),
        )

    def catalogue(self, fold: int, vectors: VectorSearch) -> Catalogue:
        """What a fold knows, were `vectors` its store."""
        name, spent = self.asking.place.names[fold], self._spent
        return Catalogue(
            spent.on("search", partial(vectors.search, name)),
            spent.on("search", partial(vectors.fetch, name)),
            partial(_published, self.collection, fold),
        )

    def embed(self, samples: np.ndarray) -> Embeddings:
        with self._spent.stage("embed"):
            return self._encoders.embed([EmbedJob(samples)])[0]

    def _variants(self, question: Question) -> list[tuple[float, Query]]:
        """Retuned, in one call of the network as in the service."""
        with self._spent.stage("embed"):
            embedded = self._encoders.embed([EmbedJob(question.samples, None, ratio) for ratio in self._ratios])
        return [(float(ratio), reading) for ratio, reading in zip(self._ratios, embedded, strict=True)]


def ask(pickled: bytes, unit: Unit) -> list[Outcome]:
    """The outcomes of a unit, from the one asker of a process; `pickled` is an Asking."""
    return _asker(pickled).outcomes(unit)


@lru_cache(maxsize=1)
def _asker(pickled: bytes) -> Asker:
    return Asker(pickle.loads(pickled))


class Spent:
    """Milliseconds by stage; what an inner stage takes is not the outer one's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ms: dict[str, float] = {}
        self._inner = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started, outer = self._clock(), self._inner
        self._inner = 0.0
        try:
            yield
        finally:
            ms = 1000 * (self._clock() - started)
            self._ms[name] = self._ms.get(name, 0.0) + ms - self._inner
            self._inner = outer + ms

    def on(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The work as a stage."""

        def timed(*arguments: Any) -> Any:
            with self.stage(name):
                return work(*arguments)

        return timed

    def taken(self, name: str) -> float:
        """What the stage took since this was asked last."""
        return self._ms.pop(name, 0.0)


def _published(collection: Collection, fold: int, recording_ids: Sequence[int]) -> Mapping[int, int]:
    """Every track of the fold, and every simulated one; a track has its recording's number."""
    indexed = collection.indexed(fold)
    return {number: number for number in recording_ids if number - 1 in indexed or number > len(collection.tracks)}
