"""The music of the catalogue, simulated tracks to fill it up, and spoilt clips of known and unknown recordings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ingest.errors import ConfigurationError
from ingest.fingerprint import SAMPLE_RATE, Embedder
from ingest.fingerprint.architecture import read_architecture
from ingest.fingerprint.pcm import to_float
from scripts.evaluation.distractors import SimulatedTracks
from scripts.evaluation.folds import Collection, in_two_folds
from scripts.evaluation.heard import decode_heard
from scripts.evaluation.listing import list_recordings
from scripts.evaluation.questions import Question, Questioner
from scripts.evaluation.session import say
from scripts.evaluation.tracks import EvaluatedTrack, Preparation, prepare_tracks
from scripts.load.options import LoadConfig
from scripts.music.files import FORMATS, encode

FOLD = 0  # its catalogue is the one that is asked; what it lacks are the unknown recordings
SPREAD = 1.0
QUESTIONS = 4  # looked at for each clip that is wanted: they come of known and unknown recordings by chance


@dataclass(frozen=True)
class Clip:
    """What is sent, and the recording that it is of; None: the catalogue has it not."""

    body: bytes
    uri: str | None


@dataclass(frozen=True)
class Material:
    """All music read and embedded; of `collection` the tracks of FOLD are in the catalogue."""

    collection: Collection
    simulated: SimulatedTracks
    checksum: str  # of the encoder

    def known(self) -> list[EvaluatedTrack]:
        """The recordings that the catalogue holds."""
        return [self.collection.tracks[number] for number in self.collection.indexed(FOLD)]


def read_material(config: LoadConfig) -> Material:
    """Decode and embed the music, unless it lies in `home` already. Raises ConfigurationError."""
    out, (_, checksum) = config.home_path / "music", read_architecture(config.weights)
    out.mkdir(parents=True, exist_ok=True)
    listed, unusable = list_recordings(config.catalog, out)
    preparation = Preparation(out, config.weights, checksum, "cpu", config.audio)
    tracks, skipped = prepare_tracks(listed, preparation, processes=1, say=say)
    collection = in_two_folds(tracks, [*unusable, *skipped], config.seed)
    unasked = [track for number, track in enumerate(collection.tracks) if collection.half(number) is None]
    parents = [track.stored() for track in unasked or collection.tracks]
    return Material(collection, SimulatedTracks(parents, SPREAD, [config.seed, FOLD]), checksum)


def make_clips(config: LoadConfig, collection: Collection) -> list[Clip]:
    """`clips` of them in an order drawn by the seed. Raises ConfigurationError where the music gives fewer."""
    unknown = round(config.clips * config.unknown_share)
    wanted = {True: config.clips - unknown, False: unknown}
    clips: list[Clip] = []
    for question in _questions(config, collection):
        if not any(wanted.values()):
            break
        known = collection.half(question.track) == FOLD
        if wanted[known]:
            wanted[known] -= 1
            clips.append(_clip(question, collection, known, config.form))
    if any(wanted.values()):
        raise ConfigurationError(f"catalog.path gives no {config.clips} clips of {config.clip_s:g} s: it is too short")
    order = np.random.default_rng(config.seed).permutation(len(clips))
    return [clips[number] for number in order]


def _questions(config: LoadConfig, collection: Collection) -> Iterator[Question]:
    """Of every condition the same number."""
    heard = decode_heard(config.noise, config.noises, config.rooms, config.home_path / "music")
    embedder = Embedder.load(config.weights, threads=1)
    questioner = Questioner(collection, heard.surroundings(), embedder.embed, config.seed)
    each = [questioner.questions(name, config.clip_s, QUESTIONS * config.clips) for name in config.conditions]
    for together in zip(*each, strict=False):
        yield from together


def _clip(question: Question, collection: Collection, known: bool, form: str) -> Clip:
    body = encode(to_float(question.samples)[None], SAMPLE_RATE, FORMATS[form])
    return Clip(body, collection.tracks[question.track].name if known else None)
