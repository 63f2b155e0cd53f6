"""`python -m scripts.train out=DIR music=CATALOG.csv|FOLDER noise=FOLDER rooms=FOLDER`: train an encoder.

Started again with the same `out`, it goes on from its last checkpoint and ends with the weights of an unbroken run.
`python -m scripts.train out=DIR plot=history.json` draws the validation curve of any run.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from conf import compose, describe
from ingest.errors import ConfigurationError
from ingest.fingerprint.architecture import EncoderConfig, FrontEndConfig, NetworkConfig
from ingest.fingerprint.embedder import Embedder
from ingest.fingerprint.encoder import save_encoder, seeded_encoder
from ingest.training.augment import AugmentConfig
from ingest.training.corpus import Corpus, folder_audio, load_corpus, split_audio
from ingest.training.echoes import Echoes, find_echoes
from ingest.training.history import plot_history, read_history
from ingest.training.pairs import PairConfig, PairDataset
from ingest.training.trainer import Trainer, TrainerConfig, load_weights, start_files
from ingest.training.validate import ValidationSet
from scripts.entry import exit_code

Say = Callable[[str], None]


@dataclass
class Recipe:
    """What the weights depend on, beside the audio. A run that goes on must have the recipe that it began with."""

    steps: int
    seed: int
    start: str | None
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    temperature: float
    margin: float
    same_moment: float
    memory: int
    amp: bool
    seconds_a_step: float
    clip_s: list[float]
    spacing: int
    clips_a_track: int
    echo_share: float
    speed_semitones: float
    snr_db: list[float]
    bands: int
    scale: Literal["log", "mel"]
    hop: int
    local: list[int]
    stem: list[int]
    width: int
    context_kernels: list[int]
    dim: int


@dataclass
class TrainConfig(Recipe):
    """See conf/train.yaml."""

    out: str
    plot: str | None
    music: str | None
    dev_share: float
    noise: str | None
    extra: str | None
    held_out_noises: list[str]
    rooms: str | None
    cache: str | None
    device: Literal["cpu", "cuda"]
    threads: int
    workers: int
    log_every: int
    validate_every: int
    checkpoint_every: int
    validation_clips: int

    def recipe(self) -> dict[str, Any]:
        """As kept: a checkpoint to start from goes by its checksum, wherever it lies. Raises ConfigurationError."""
        start = _checksum(Path(self.start)) if self.start else None
        return {field.name: getattr(self, field.name) for field in fields(Recipe)} | {"start": start}


@dataclass(frozen=True)
class Material:
    """Decoded audio: what the encoder learns from and what only measures it."""

    music: Corpus
    noises: Corpus
    rooms: Corpus
    held_out_music: Corpus
    held_out_noises: Corpus

    def notes(self) -> dict[str, str]:
        return {
            "music": f"{len(self.music.names)} recordings, {self.music.hours():.1f} h",
            "noises": " ".join(Path(name).stem for name in self.noises.names),
            "rooms": " ".join(Path(name).stem for name in self.rooms.names),
        }


def main(arguments: Sequence[str]) -> int:
    if "--help" in arguments:
        print(__doc__, describe("train"), sep="\n")
        return 0
    return exit_code("train", lambda: _run(arguments), "goes on from the last checkpoint")


def _run(arguments: Sequence[str]) -> None:
    config = compose("train", arguments, TrainConfig)
    if config.plot:
        plot_history(read_history(Path(config.plot)), Path(config.out) / "validation.png")
    else:
        train(config, _say)


def train(config: TrainConfig, say: Say) -> Path:
    """Train, or go on training, and return the encoder's file. Raises ConfigurationError, BadInput."""
    out = Path(config.out)
    _check(config)
    encoder_config = architecture(config)
    keep_recipe(out, config.recipe())
    material = load_material(config, say)
    pairs = PairDataset(
        material.music,
        material.noises,
        material.rooms,
        _pair_config(config),
        padding=encoder_config.padding,
        seed=config.seed,
        steps=config.steps,
        echoes=known_echoes(config, encoder_config, material.music, say),
    )
    held_out = ValidationSet(material.held_out_music, material.held_out_noises, clips=config.validation_clips)
    start = Path(config.start) if config.start else None
    trainer = Trainer(out, pairs, held_out, _trainer_config(config), encoder_config, say, start)
    encoder, weights = trainer.run(), out / "encoder.safetensors"
    save_encoder(encoder, weights, provenance(config.recipe(), material))
    if trainer.history:
        plot_history(trainer.history, out / "validation.png")
    say(f"{weights} after {trainer.step} steps")
    return weights


def known_echoes(config: TrainConfig, encoder_config: EncoderConfig, music: Corpus, say: Say) -> Echoes | None:
    """What the encoder that the run starts with confuses, looked for once; None where the recipe does not ask."""
    if not config.echo_share:
        return None
    if not config.start:
        raise ConfigurationError("echo_share asks what an encoder confuses: say start=CHECKPOINT of the one to ask")
    stored = Path(config.out) / "echoes.npz"
    if stored.exists():
        return Echoes.load(stored)
    encoder = seeded_encoder(encoder_config, config.seed)
    load_weights(encoder, Path(config.start))
    echoes = find_echoes(Embedder(encoder, "", device=config.device), music)
    echoes.save(stored)
    say(f"{echoes.share():.0%} of {len(echoes.cells)} passages have an echo")
    return echoes


def architecture(config: Recipe) -> EncoderConfig:
    """The encoder that the recipe asks for. Raises ConfigurationError for layers that do not fit each other."""
    try:
        return EncoderConfig(
            FrontEndConfig(config.bands, config.scale, config.hop),
            NetworkConfig(
                tuple(config.local),
                tuple(config.stem),
                config.width,
                context_kernels=tuple(config.context_kernels),
                dim=config.dim,
            ),
        )
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def keep_recipe(out: Path, recipe: Mapping[str, Any]) -> None:
    """Write the recipe into `out`; ConfigurationError if a run of another one lies there."""
    out.mkdir(parents=True, exist_ok=True)
    stored = out / "recipe.json"
    if stored.exists():
        begun = json.loads(stored.read_text(encoding="utf-8"))
        changed = [f"{name} {begun.get(name)}" for name, value in recipe.items() if begun.get(name) != value]
        if changed:
            raise ConfigurationError(
                f"{out} holds a run with {', '.join(changed)}: go on with that, or choose another out"
            )
    stored.write_text(json.dumps(recipe, indent=1), encoding="utf-8")


def load_material(config: TrainConfig, say: Say) -> Material:
    """Decode everything (once: the cache keeps it) and set aside what is held out."""
    cache = Path(config.cache) if config.cache else Path(config.out) / "cache"
    train, dev = music_split(Path(config.music or ""), config.dev_share, config.seed)
    extra = Path(config.extra) if config.extra else None
    more_music = _folder(str(extra / "music"), "extra") if extra else []
    more_noise = _folder(str(extra / "noise"), "extra") if extra else []
    music, held_out_music = load_corpus([*train, *more_music], cache), load_corpus(dev, cache)
    noises = load_corpus([*_folder(config.noise, "noise"), *more_noise], cache)
    rooms = load_corpus(_folder(config.rooms, "rooms"), cache) if config.rooms else Corpus((), ())
    heard = noises.without(config.held_out_noises)
    unheard = noises.only(i for i, name in enumerate(noises.names) if name not in heard.names)
    if not heard.names:
        raise ConfigurationError("held_out_noises leaves no noise to train with")
    say(
        f"music {music.hours():.2f} h and {held_out_music.hours():.2f} h held out, "
        f"noises {len(heard.names)} and {len(unheard.names)} held out, rooms {len(rooms.names)}"
    )
    return Material(music, heard, rooms, held_out_music, unheard if unheard.names else heard)


def music_split(source: Path, dev_share: float, seed: int) -> tuple[list[Path], list[Path]]:
    """(train, dev): the splits of a CSV, or a seeded share of a folder's files."""
    if source.is_dir():
        files = folder_audio(source)
        chosen = set(
            np.random.default_rng(seed).permutation(len(files))[: max(1, round(dev_share * len(files)))].tolist()
        )
        train = [path for i, path in enumerate(files) if i not in chosen]
        dev = [path for i, path in enumerate(files) if i in chosen]
    else:
        try:
            train, dev = split_audio(source, "train"), split_audio(source, "dev")
        except KeyError as error:
            raise ConfigurationError(f"music={source} has no column {error}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"music={source} cannot be read: {error}") from error
    if not train or not dev:
        raise ConfigurationError(f"music={source} has {len(train)} files to train with and {len(dev)} held out")
    return train, dev


def provenance(recipe: Mapping[str, Any], material: Material) -> dict[str, str]:
    """What an encoder's file tells of its making."""
    return {
        **material.notes(),
        "recipe": json.dumps(recipe),
        "versions": " ".join(f"{name} {version(name)}" for name in ("refrain", "torch", "numpy")),
    }


def _check(config: TrainConfig) -> None:
    for name in ("music", "noise"):
        if not getattr(config, name):
            raise ConfigurationError(f"{name} is not given: say {name}=…")
    if config.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ConfigurationError("device=cuda, but torch finds no GPU")


def _checksum(start: Path) -> str:
    try:
        return "+".join(hashlib.sha256(file.read_bytes()).hexdigest() for file in start_files(start))
    except OSError as error:
        raise ConfigurationError(f"start={start} cannot be read: {error}") from error


def _folder(path: str | None, name: str) -> list[Path]:
    files = folder_audio(Path(path or ""))
    if not files:
        raise ConfigurationError(f"{name}={path} holds no audio files")
    return files


def _pair_config(config: TrainConfig) -> PairConfig:
    if len(config.snr_db) != 2 or config.snr_db[0] > config.snr_db[1]:
        raise ConfigurationError(f"snr_db={config.snr_db} is not [lowest, highest]")
    low, high = config.snr_db
    augment = AugmentConfig(speed_semitones=config.speed_semitones, snr_db=(low, high))
    clip_s = tuple(config.clip_s)
    return PairConfig(config.seconds_a_step, clip_s, config.spacing, config.clips_a_track, config.echo_share, augment)


def _trainer_config(config: TrainConfig) -> TrainerConfig:
    return TrainerConfig(**{field.name: getattr(config, field.name) for field in fields(TrainerConfig)})


def _say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
