"""Game data of Debian main, which is free by Debian's guidelines: downloaded, unpacked without installing, decoded."""

from __future__ import annotations

import shutil
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ingest.errors import BadInput, InfrastructureError
from ingest.training.corpus import AUDIO_SUFFIXES
from scripts.material.archives import CONTAINERS, ZIPS, unpack
from scripts.material.shelf import Row, Shelf, slug
from scripts.material.sorting import Found, Rule, files_below, kind_of, noises, why_not
from scripts.material.tools import Say, run
from scripts.material.wave import beginning, digest, seconds

LONGEST_S = 240.0  # of a file
MUSIC_S = 3600.0  # of a package
NOISE_S = 600.0  # of one kind of noise of a package


def add_packages(shelf: Shelf, work: Path, packages: Sequence[str], rules: Sequence[Rule], say: Say) -> None:
    """Every package that is not done yet. InfrastructureError, at the end, names those that could not be had."""
    failed = []
    for package in packages:
        if shelf.is_done(package):
            continue
        try:
            with unpacked(package, work) as folder:
                add_folder(shelf, package, folder, rules, say)
        except InfrastructureError as error:
            say(f"{package}: {error}")
            failed.append(package)
    if failed:
        raise InfrastructureError(f"not available: {' '.join(failed)}")


@contextmanager
def unpacked(package: str, work: Path) -> Iterator[Path]:
    """A folder with the files of a package, and what the archives among them hold; gone afterwards.

    Raises ConfigurationError without apt or dpkg, InfrastructureError if the package cannot be had.
    """
    deb = downloaded(package, work / "debs")
    with TemporaryDirectory(dir=work) as name:
        run(["dpkg-deb", "-x", str(deb), name])
        folder = Path(name)
        for archive in files_below(folder, (*ZIPS, *CONTAINERS)):
            unpack(archive)
        yield folder


def downloaded(package: str, debs: Path) -> Path:
    """The package file, whole; what was downloaded before is taken."""
    debs.mkdir(parents=True, exist_ok=True)
    if not (found := sorted(debs.glob(f"{package}_*.deb"))):
        with TemporaryDirectory(dir=debs) as folder:
            run(["apt-get", "download", "-q", package], folder=Path(folder))
            found = [path.replace(debs / path.name) for path in Path(folder).glob("*.deb")]
    if not found:
        raise InfrastructureError(f"apt-get downloaded nothing for {package}")
    return found[-1]


def add_folder(shelf: Shelf, package: str, folder: Path, rules: Sequence[Rule], say: Say) -> None:
    """What an unpacked package holds: a file a piece of music, and one a kind of noise."""
    licence = keep_licence(shelf.folder, package, folder)
    rows: list[Row] = []
    noise: list[Found] = []
    left_out: Counter[str] = Counter()
    digests, music_s = shelf.digests_beside(package), 0.0
    for found in decoded(package, folder, rules, left_out):
        if reason := why_not(found, digests, MUSIC_S - music_s):
            left_out[reason] += 1
            continue
        digests.add(digest(found.samples))
        if found.kind == "music":
            music_s += seconds(found.samples)
            rows.append(shelf.put("music", _name(package, found, rows), found.samples, package, package, licence))
        else:
            noise.append(found)
    for kind, samples in noises(sorted(noise, key=lambda one: one.path), NOISE_S):
        rows.append(shelf.put("noise", f"{package}-{kind}", samples, package, package, licence))
    shelf.finish(package, rows)
    say(_told(package, rows, noise, left_out))


def decoded(package: str, folder: Path, rules: Sequence[Rule], left_out: Counter[str]) -> Iterator[Found]:
    """The files of a package in an order shuffled by its name: what a limit cuts off is then of every sort."""
    files = files_below(folder, AUDIO_SUFFIXES)
    order = np.random.default_rng(zlib.crc32(package.encode())).permutation(len(files))
    for path in (files[i] for i in order):
        try:
            samples = beginning(path, LONGEST_S)
        except BadInput as error:
            left_out[error.code] += 1
            continue
        name = f"{package}/{path.relative_to(folder)}"
        yield Found(name, kind_of(name, seconds(samples), rules), samples)


def keep_licence(out: Path, package: str, folder: Path) -> str:
    """Copy Debian's copyright file of the package below `out`; its place there, or where to look for it."""
    source = folder / "usr/share/doc" / package / "copyright"
    if not source.is_file():  # a link to that of a sister package
        return f"https://tracker.debian.org/pkg/{package}"
    kept = out / "licences" / f"{package}.txt"
    kept.parent.mkdir(exist_ok=True)
    shutil.copyfile(source, kept)
    return str(kept.relative_to(out))


def _name(package: str, found: Found, rows: Sequence[Row]) -> str:
    """The file's own name after that of the package, with a number if it is taken."""
    name, taken = f"{package}--{slug(Path(found.path).stem)}", {row.file for row in rows}
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(each for each in names if f"music/{each}.flac" not in taken)


def _told(package: str, rows: Sequence[Row], noise: Sequence[Found], left_out: Counter[str]) -> str:
    music = [row.seconds for row in rows if row.kind == "music"]
    kinds = Counter(found.kind for found in noise)
    noise_s = sum(row.seconds for row in rows if row.kind == "noise")
    parts = [f"{len(music)} pieces of music, {sum(music) / 60:.0f} min"]
    parts += [f"{count} {kind}" for kind, count in sorted(kinds.items())]
    parts += [f"{noise_s / 60:.1f} min of noise"]
    parts += [f"left out {count} {reason}" for reason, count in sorted(left_out.items())]
    return f"{package}: {', '.join(parts)}"
