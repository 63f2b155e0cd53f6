"""The recordings that clips are spoilt with: noise, speech and rooms, decoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import BadInput, ConfigurationError
from ingest.training.corpus import folder_audio
from scripts.evaluation.conditions import Surroundings
from scripts.evaluation.listing import Skipped
from scripts.evaluation.tracks import decoded, mapped
from scripts.spoil import Recordings

SPEECH = "speech"  # in the name of a recording of it


@dataclass(frozen=True)
class Heard:
    """Files of decoded audio, and what could not be decoded; may be pickled to workers."""

    noise: tuple[Path, ...] = ()
    speech: tuple[Path, ...] = ()
    rooms: tuple[Path, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def surroundings(self) -> Surroundings:
        return Surroundings(_recordings(self.noise), _recordings(self.speech), _recordings(self.rooms))


def decode_heard(noise: str | None, stems: Sequence[str], rooms: str | None, out: Path) -> Heard:
    """Those of the `noise` folder with these stems (all if none are named), and the rooms.

    Raises ConfigurationError for a folder that holds none, or a stem that is not there.
    """
    noises = [path for path in _files(noise, "noise") if not stems or path.stem in stems]
    if missing := sorted(set(stems) - {path.stem for path in noises}):
        raise ConfigurationError(f"noises: {missing[0]!r} is no recording of noise={noise}")
    skipped: list[Skipped] = []
    noise_files = _decoded(noises, "noise", noise, out, skipped)
    room_files = _decoded(_files(rooms, "rooms"), "rooms", rooms, out, skipped)
    speech = tuple(kept for path, kept in noise_files.items() if SPEECH in path.stem.lower())
    return Heard(tuple(noise_files.values()), speech, tuple(room_files.values()), tuple(skipped))


def _files(folder: str | None, option: str) -> list[Path]:
    if folder is None:
        return []
    files = folder_audio(Path(folder))
    if not files:
        raise ConfigurationError(f"{option}={folder} holds no audio files")
    return files


def _decoded(
    paths: Sequence[Path], option: str, folder: str | None, out: Path, skipped: list[Skipped]
) -> dict[Path, Path]:
    found = {}
    for path in paths:
        try:
            kept = decoded(path, out)
            if not mapped(kept).any():
                raise BadInput("it is silent")
            found[path] = kept
        except BadInput as error:
            skipped.append(Skipped(str(path), error.code, str(error)))
    if paths and not found:
        raise ConfigurationError(f"{option}={folder}: none of {len(paths)} files can be used: {skipped[-1].reason}")
    return found


def _recordings(files: Sequence[Path]) -> Recordings | None:
    return Recordings(tuple(map(mapped, files))) if files else None
