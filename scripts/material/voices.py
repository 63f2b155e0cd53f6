"""Speech for the noise folder: invented words, spoken by espeak-ng in many languages and voices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.random import Generator

from scripts.material.shelf import Shelf, slug
from scripts.material.tools import Say, run
from scripts.material.wave import beginning

# Languages in Latin letters, because the invented words are; each is read by its own rules.
LANGUAGES = (
    "en-us de fr-fr es it pt-br nl sv pl tr fi hu cs ro da nb en-gb id sw et lt lv hr sk sl is ga cy sq af ca eu eo la "
    "vi"
)
VARIANTS = "f1 m1 f2 m2 f3 m3 f4 m4 f5 m5 m6 m7 m8 Andy Annie linda belinda steph Michael Gene max grandpa"
ONSETS = "b d f g h k l m n p r s t v w z bl br dr fl fr gl gr kl kr pl pr sk sl sp st str tr sh ch"
NUCLEI = "a a e e i i o o u ai au ei ou"
CODAS = "- - - - n r l s t m k nt st rk"
WORDS_A_SECOND = 4.5  # more than the fastest voice speaks
LICENCE = "synthetic speech of espeak-ng (GPL-3+ program), words invented here"


@dataclass(frozen=True)
class Voice:
    """A language and variant of espeak-ng, its pitch (0…99), words a minute, and the text it reads."""

    name: str
    voice: str
    pitch: int
    speed: int
    gap: int
    text: str


def add_voices(shelf: Shelf, count: int, length_s: float, seed: int, say: Say) -> None:
    """`count` recordings of `length_s`. Raises ConfigurationError without espeak-ng."""
    for voice in cast(count, length_s, seed):
        if shelf.is_done(voice.name):
            continue
        samples = spoken(voice, length_s)
        shelf.finish(voice.name, [shelf.put("noise", voice.name, samples, voice.name, "espeak-ng", LICENCE)])
        say(f"{voice.name}: pitch {voice.pitch}, {voice.speed} words a minute")


def cast(count: int, length_s: float, seed: int) -> Iterator[Voice]:
    """The voices, each a function of the seed and its number alone."""
    languages, variants = LANGUAGES.split(), VARIANTS.split()
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        language, variant = languages[number % len(languages)], variants[number % len(variants)]
        yield Voice(
            f"speech-espeak-{number:02d}-{language}-{slug(variant)}",
            f"{language}+{variant}",
            int(rng.integers(25, 80)),
            int(rng.integers(120, 215)),
            int(rng.integers(0, 6)),
            invented_text(rng, round(WORDS_A_SECOND * length_s)),
        )


def invented_text(rng: Generator, words: int) -> str:
    """Sentences of 3 to 12 words of 1 to 4 syllables, a third of them questions or with a comma."""
    sentences: list[str] = []
    while words > 0:
        length = int(rng.integers(3, 13))
        parts = [_word(rng) for _ in range(length)]
        if rng.random() < 0.5 and length > 5:
            parts[length // 2] += ","
        sentences.append(" ".join(parts).capitalize() + str(rng.choice([".", ".", ".", "?", "!"])))
        words -= length
    return "\n".join(sentences)


def espeak_command(voice: Voice, wav: Path) -> list[str]:
    """The text is read from standard input."""
    settings = {"-v": voice.voice, "-p": voice.pitch, "-s": voice.speed, "-g": voice.gap, "-w": wav}
    return ["espeak-ng", *(str(word) for pair in settings.items() for word in pair), "--stdin"]


def spoken(voice: Voice, length_s: float) -> np.ndarray:
    with TemporaryDirectory() as folder:
        wav = Path(folder) / "voice.wav"
        run(espeak_command(voice, wav), text=voice.text)
        return beginning(wav, length_s)


def _word(rng: Generator) -> str:
    syllables = (_pick(rng, ONSETS) + _pick(rng, NUCLEI) + _pick(rng, CODAS) for _ in range(int(rng.integers(1, 5))))
    return "".join(syllables).replace("-", "")


def _pick(rng: Generator, choices: str) -> str:
    words = choices.split()
    return words[int(rng.integers(len(words)))]
