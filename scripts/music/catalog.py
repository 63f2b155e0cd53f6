"""A catalogue of composed songs: names, formats, and the folder they are written to."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.music import compose_stereo
from scripts.music.files import FORMATS, Tags, write

ADJECTIVES = (
    "Amber", "Borrowed", "Crooked", "Distant", "Early", "Fading", "Gentle", "Hollow", "Indigo", "Jagged", "Kinder",
    "Little", "Midnight", "Northern", "Open", "Paper", "Quiet", "Restless", "Silver", "Tender", "Unsent", "Velvet",
    "Wandering", "Yellow",
)  # fmt: skip
NOUNS = (
    "Anchor", "Bridge", "Carousel", "Dawn", "Embers", "Ferry", "Garden", "Harbour", "Island", "Juniper", "Kite",
    "Lantern", "Meridian", "Nightingale", "Orchard", "Postcard", "Quarry", "River", "Station", "Tide", "Umbrella",
    "Violet", "Window", "Zephyr",
)  # fmt: skip
PLACES = ("Málaga", "Tromsø", "the Corner Café", "Kraków", "Lake Geneva", "Pier 9", "Číž", "Avenue B")
TITLES = (
    "{adjective} {noun}", "{noun} at {place}", "The {adjective} {noun}", "{noun}, {noun2} & I",
    "{adjective} {noun} (Live)", "Back to {place}", "{noun} #{number} [Take 2]", "Who Took the {noun}?",
)  # fmt: skip
ARTISTS = (
    "The Paper Kites Club", "Ana Orveth", "Köhler & Sons", "Night Ferry", "Trio Meridian", "Little Quarry", "Sólrún",
    "Dr. Umbrella", "Juniper Street Band",
)  # fmt: skip
FORMAT_CYCLE = ("mp3", "flac", "aac", "wav", "opus", "mp3", "vorbis", "wav24")
UNKNOWN_SEEDS = 500  # between the seeds of a catalogue and those of the pieces it does not hold
SEEDS_A_CATALOG = 1000


@dataclass(frozen=True)
class Song:
    """One piece and how it is to be written; `form` is a name of FORMATS."""

    seed: int
    tags: Tags
    form: str
    sample_rate: int
    duration_s: float

    @property
    def file_name(self) -> str:
        plain = f"{self.tags.artist} - {self.tags.title}".replace("/", "-")
        return plain + FORMATS[self.form].suffix


def catalog(seed: int, songs: int) -> list[Song]:
    """Songs of 60 to 90 s with titles, artists, albums and, for two of three, an ISRC; no title comes twice."""
    rng = np.random.default_rng([seed, 10])
    titles = _titles(rng, songs)
    return [_song(rng, seed * SEEDS_A_CATALOG + index, index, title) for index, title in enumerate(titles)]


def unknown(seed: int, songs: int) -> list[Song]:
    """Songs by the same composer that the catalogue of this seed does not hold."""
    rng = np.random.default_rng([seed, 11])
    first = seed * SEEDS_A_CATALOG + UNKNOWN_SEEDS
    return [
        Song(first + index, Tags(f"Unheard {noun}", "Nobody", "Unreleased"), "flac", 44_100, 60.0)
        for index, noun in enumerate(rng.permutation(NOUNS)[:songs])
    ]


def _song(rng: np.random.Generator, seed: int, index: int, title: str) -> Song:
    artist = int(rng.integers(len(ARTISTS)))
    isrc = f"ZZRFR26{index + 1:05d}" if index % 3 else None
    form = FORMAT_CYCLE[index % len(FORMAT_CYCLE)]
    sample_rate = 48_000 if form in ("opus", "wav24") else 44_100
    tags = Tags(title, ARTISTS[artist], f"{NOUNS[artist]} Sessions", isrc)
    return Song(seed, tags, form, sample_rate, float(rng.integers(60, 91)))


def _titles(rng: np.random.Generator, count: int) -> list[str]:
    titles: dict[str, None] = {}
    while len(titles) < count:
        noun, noun2 = rng.choice(NOUNS, size=2, replace=False)
        title = TITLES[int(rng.integers(len(TITLES)))].format(
            adjective=rng.choice(ADJECTIVES),
            noun=noun,
            noun2=noun2,
            place=rng.choice(PLACES),
            number=int(rng.integers(2, 30)),
        )
        titles[title] = None
    return list(titles)


def write_song(folder: Path, song: Song) -> Path:
    """Composes and writes one song, unless its file is there already."""
    path = folder / song.file_name
    if not path.exists():
        samples = compose_stereo(song.seed, song.duration_s, song.sample_rate)
        write(path, samples, song.sample_rate, song.tags, FORMATS[song.form])
    return path


def write_songs(folder: Path, songs: Sequence[Song], workers: int = 2) -> Iterator[Path]:
    """Writes what is missing with `workers` processes; yields each file as it is there."""
    missing = [song for song in songs if not (folder / song.file_name).exists()]
    yield from (folder / song.file_name for song in songs if song not in missing)
    if not missing:
        return
    with ProcessPoolExecutor(min(workers, len(missing)), multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(write_song, folder, song) for song in missing]):
            yield done.result()
