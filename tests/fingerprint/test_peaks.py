"""Spectral peaks: tones in, their bands out; and how they are written down."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ingest.fingerprint import NO_PEAK, PEAKS_A_SEGMENT, SAMPLE_RATE, peaks_from_text, peaks_to_text
from ingest.fingerprint.architecture import FrontEndConfig
from ingest.fingerprint.embedder import Embedder
from ingest.fingerprint.frontend import band_edges_hz
from ingest.fingerprint.peaks import MARGIN_FRAMES, Salience, peaks_of, split_peaks

CODES = st.integers(0, 4095) | st.just(NO_PEAK)


@given(arrays(np.uint16, st.tuples(st.integers(0, 20), st.just(PEAKS_A_SEGMENT)), elements=CODES))
def test_text_round_trip(peaks: np.ndarray) -> None:
    """Whatever the peaks, their text gives them back, those that are missing moved to the end."""
    back = peaks_from_text(peaks_to_text(peaks))
    expected = [[code for code in row if code != NO_PEAK] for row in peaks.tolist()]
    assert [[code for code in row if code != NO_PEAK] for row in back.tolist()] == expected
    assert all(len(row) <= 2 * PEAKS_A_SEGMENT for row in peaks_to_text(peaks))


@pytest.mark.parametrize("text", ["A", "A\u00e4", "A!", "AB" * 17, "A B"])
def test_what_is_no_text_of_peaks_is_refused(text: str) -> None:
    """An odd letter, a foreign one, too many or a gap."""
    with pytest.raises(ValueError, match="not the text"):
        peaks_from_text([text])


def test_the_most_salient_are_kept_in_order_of_time() -> None:
    """Of forty peaks in a segment the sixteen highest stay, sorted by frame."""
    levels = np.zeros((16 + 2 * MARGIN_FRAMES, 96), np.int8)
    rng = np.random.default_rng(1)
    places = [(frame, band) for frame in range(1, 16, 3) for band in range(4, 96, 12)]
    heights = rng.permutation(len(places)) + 20
    for (frame, band), height in zip(places, heights, strict=True):
        levels[MARGIN_FRAMES + frame, band] = height
    found = peaks_of(Salience(levels, 0.032, 1.8), np.array([0]), 16)
    frames, bands = split_peaks(found[0])
    highest = {place for place, height in zip(places, heights, strict=True) if height >= 20 + len(places) - 16}
    assert set(zip(frames.tolist(), bands.tolist(), strict=True)) == highest
    assert (np.diff(frames.astype(int)) >= 0).all()


def test_a_tone_is_a_peak_in_its_band() -> None:
    """Short tones over soft noise: every one's band is among the peaks of its segment, in its frames."""
    rng = np.random.default_rng(2)
    config = FrontEndConfig()
    centres = band_edges_hz(config)[1:-1]
    samples = 0.002 * rng.standard_normal(SAMPLE_RATE * 6)
    tones = [(0.3 + 0.5 * n, int(band)) for n, band in enumerate(rng.integers(35, 85, 11))]
    for at_s, band in tones:
        time_s = np.arange(round(0.15 * SAMPLE_RATE)) / SAMPLE_RATE
        tone = 0.2 * np.sin(2 * np.pi * centres[band] * time_s) * np.hanning(len(time_s))
        start = round(at_s * SAMPLE_RATE)
        samples[start : start + len(tone)] += tone
    embedded = Embedder.load().embed(samples.astype(np.float32))
    stored = embedded.stored()
    frames_a_segment = round(0.512 / embedded.salience.frame_s)
    for at_s, band in tones:
        segment, frame = divmod((at_s + 0.075) / embedded.salience.frame_s, frames_a_segment)
        frames, bands = split_peaks(stored.peaks[int(segment)])
        assert any(
            abs(f - frame) <= 3 and abs(b - band) <= 1 for f, b in zip(frames.tolist(), bands.tolist(), strict=True)
        ), (at_s, band)


def test_silence_has_neither_salience_nor_peaks() -> None:
    """Digital silence is level everywhere, and its segments are not stored at all."""
    embedded = Embedder.load().embed(np.zeros(SAMPLE_RATE * 3, np.float32))
    assert not embedded.salience.levels.any()
    assert len(embedded.stored().peaks) == 0


def test_loudness_changes_no_salience() -> None:
    """The same sound 12 dB softer stands out of its neighbourhood as far."""
    rng = np.random.default_rng(3)
    samples = (0.8 * rng.standard_normal(SAMPLE_RATE * 3)).astype(np.float32)
    loud, soft = (Embedder.load().embed(samples * gain).salience.own().astype(int) for gain in (1.0, 0.25))
    assert np.abs(loud - soft).max() <= 8  # in 32nds of a deviation
