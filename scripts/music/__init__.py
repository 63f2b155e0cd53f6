"""A seeded composer: every seed is another piece of music, written and played by this package alone.

    theory, melody, accompaniment, drums, form, styles  ──▶ score ──▶ mix ──▶ waveform ──▶ files
                                             oscillators, voices, kit ──┘

T samples. `compose` is what tests want; `catalog` makes a folder of tagged files in several formats.
"""

import numpy as np

from scripts.music.mix import render
from scripts.music.oscillators import Waveform
from scripts.music.score import write_score

FADE_S = 0.05


def compose_stereo(seed: int, duration_s: float, sample_rate: int = 44_100) -> Waveform:
    """The piece of this seed, float32 [2, T] of exactly `duration_s`, peak at −1 dBFS.

    Equal arguments give equal samples. Seeds that differ by less than the number of styles differ in style.
    """
    samples = round(duration_s * sample_rate)
    played = render(write_score(seed, duration_s), seed, sample_rate)
    piece = np.zeros((2, samples), np.float32)
    piece[:, : played.shape[1]] = played[:, :samples]
    fade = min(samples, round(FADE_S * sample_rate))
    piece[:, samples - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return piece


def compose(seed: int, duration_s: float, sample_rate: int = 44_100) -> Waveform:
    """The piece of this seed in mono, float32 [T]."""
    mono: Waveform = compose_stereo(seed, duration_s, sample_rate).mean(axis=0)
    return mono
