"""A spoilt cell and its clean cell describe the same moment; a batch is a function of seed and step."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import find_peaks

from ingest.fingerprint import SAMPLE_RATE
from ingest.fingerprint.architecture import FFT_SIZE, EncoderConfig, FrontEndConfig
from ingest.fingerprint.frontend import FrontEnd
from ingest.fingerprint.grid import EMBEDDING_HOP
from ingest.fingerprint.pcm import to_float
from ingest.training.augment import AugmentConfig
from ingest.training.corpus import Corpus
from ingest.training.echoes import Echoes
from ingest.training.pairs import PairBatch, PairConfig, PairDataset
from ingest.training.trainer import bands_of
from tests.training.corpora import corpus, melodies, noises

PADDING = EncoderConfig().padding
FRAMES_A_CELL = EMBEDDING_HOP // FrontEndConfig().hop
FIELD_FRAMES = (EncoderConfig().receptive_field - FFT_SIZE) // FrontEndConfig().hop + 1
NOTHING = AugmentConfig(
    speed_chance=0,
    speed_semitones=3.0,
    tempo_chance=0,
    room_chance=0,
    noise_chance=0,
    microphone_chance=0,
    overload_chance=0,
    codec_chance=0,
    gain_db=(0, 0),
)
BURSTS_HZ = [400 * 2 ** (7 * k / 12) for k in range(6)]  # a fifth apart: told apart when played 3 semitones off
BURST_EVERY_S, CLIP_S = 0.75, 1.5  # longer than a clip until a pitch returns


def off_but(**changes: float) -> AugmentConfig:
    return AugmentConfig(**{**vars(NOTHING), **changes})


def dataset(music: Corpus, augment: AugmentConfig, *, seed: int = 1, rooms: Corpus | None = None) -> PairDataset:
    config = PairConfig(seconds_a_step=24.0, clip_s=(CLIP_S,), spacing=1, augment=augment)
    return PairDataset(music, noises(), rooms or corpus(), config, padding=PADDING, seed=seed, steps=50)


def bursts(seconds: float = 40.0) -> Corpus:
    """Short bursts whose pitch tells which of six in turn it is."""
    samples = np.zeros(int(seconds * SAMPLE_RATE))
    burst = np.hanning(320) * 0.8
    for k in range(int(seconds / BURST_EVERY_S) - 1):
        start = int((k + 0.3) * BURST_EVERY_S * SAMPLE_RATE)
        samples[start : start + 320] = burst * np.sin(2 * np.pi * BURSTS_HZ[k % 6] * np.arange(320) / SAMPLE_RATE)
    return corpus(samples)


def places(bands: np.ndarray) -> dict[int, float]:
    """Where each pitch's burst lies in [F, frames], as a cell number with fractions; bursts cut at an edge left out."""
    config = FrontEndConfig()
    semitones = 12 * np.log2(np.geomspace(config.min_hz, config.max_hz, config.bands) / BURSTS_HZ[0])
    power = np.expm1(bands)
    loudness = power.sum(axis=0)
    found = {}
    for peak in find_peaks(loudness, height=0.05 * loudness.max(), distance=10)[0]:
        if not 7 < peak < len(loudness) - 8:
            continue
        around = np.arange(peak - 4, peak + 5)
        frame = np.average(around, weights=loudness[around])
        pitch = round(semitones[int(np.argmax(power[:, peak]))] / 7)
        found[pitch] = (float(frame) - (FIELD_FRAMES - 1) / 2) / FRAMES_A_CELL
    return found


def cell_errors(batch: PairBatch) -> Iterator[np.ndarray]:
    """For each clip: cells between the moment that a spoilt cell describes in the clean stretch and the cell it is
    paired with, both as measured from the bursts."""
    clean_bands, spoilt_bands = bands_of(batch, FrontEnd(FrontEndConfig()), torch.device("cpu"))
    for clean, spoilt, paired in zip(clean_bands.numpy(), spoilt_bands.numpy(), batch.clean_cells, strict=True):
        in_clip, in_track = places(spoilt), places(clean)
        both = sorted(in_clip.keys() & in_track.keys(), key=lambda k: in_clip[k])
        if len(both) < 2 or np.diff([in_track[k] for k in both]).min() <= 0:
            continue
        slope, start = np.polyfit([in_clip[k] for k in both], [in_track[k] for k in both], 1)
        yield start + slope * batch.cells - paired


CASES = {
    "nothing": off_but(),
    "speed": off_but(speed_chance=1.0),
    "tempo": off_but(tempo_chance=1.0),
    "both": off_but(speed_chance=1.0, tempo_chance=1.0),
    "room": off_but(room_chance=1.0, measured_room_share=1.0),
}


@pytest.mark.parametrize("case", CASES)
def test_paired_cells_describe_the_same_moment(case: str) -> None:
    """Measured by bursts of sound and not by the formula: spoilt and clean cell are within half a cell, on average
    dead on, whatever speed and tempo, and behind a room whose direct sound comes late."""
    late = np.zeros(900)
    late[700], late[850] = 1.0, 0.3
    pairs = dataset(bursts(), CASES[case], rooms=corpus(late))
    errors = [error for step in range(6) for error in cell_errors(pairs[step])]
    assert len(errors) > 15
    everything = np.concatenate(errors)
    assert np.abs(everything).max() < 0.5 + 0.15  # half a cell of rounding, and what the measurement is good for
    assert abs(everything.mean()) < 0.1


def test_the_measurement_sees_a_cell_of_error() -> None:
    """The check above would notice: one cell off is measured as one cell off."""
    pairs = dataset(bursts(), NOTHING)
    shifted = [replace(pairs[step], clean_cells=pairs[step].clean_cells + 1) for step in range(6)]
    errors = [error.mean() for batch in shifted for error in cell_errors(batch)]
    assert np.mean(errors) == pytest.approx(-1, abs=0.1)


def test_clean_stretches_are_the_track_itself() -> None:
    """A clean stretch is a piece of a track, sample by sample, its true surroundings included."""
    music = melodies(1, 12.0)
    track = to_float(music.samples[0])
    for clean in dataset(music, AugmentConfig())[0].clean:
        inside = np.flatnonzero(clean)
        part = clean[inside[0] : inside[-1] + 1]
        starts = np.flatnonzero(np.isclose(track[: len(track) - len(part) + 1], part[0], atol=1e-7))
        assert any(np.array_equal(track[start : start + len(part)], part) for start in starts)


def test_moments_are_those_of_the_clean_cells() -> None:
    """What stands at a moment of the corpus is what the clean cell of it is centred on, to half a cell."""
    lengths = [5 * SAMPLE_RATE, 9 * SAMPLE_RATE]
    ramp = np.arange(sum(lengths)) / sum(lengths)  # tells where in the corpus a sample lies
    music = corpus(ramp[: lengths[0]], ramp[lengths[0] :])
    laid_out = np.concatenate([to_float(samples) for samples in music.samples])
    for step in range(8):
        batch = dataset(music, off_but(speed_chance=1.0))[step]
        assert batch.moments.shape == batch.clean_cells.shape
        for clean, cells, moments in zip(batch.clean, batch.clean_cells, batch.moments, strict=True):
            centres = np.round(PADDING[0] + (cells + 0.5) * EMBEDDING_HOP).astype(int)
            there = np.round(moments * SAMPLE_RATE).astype(int)
            inside = (there > 0) & (there < len(laid_out) - 1) & (clean[centres] != 0)
            apart = np.abs(clean[centres] - laid_out[np.clip(there, 0, len(laid_out) - 1)])[inside]
            assert inside.any() and apart.max() * sum(lengths) <= EMBEDDING_HOP / 2 + 40


def test_spoilt_clips_are_silent_outside() -> None:
    """Around a clip, where a recogniser hears nothing, there is nothing."""
    batch = dataset(melodies(2, 12.0), off_but(tempo_chance=1.0, noise_chance=1.0))[3]
    before, after = (round(side * batch.tempo) for side in PADDING)
    assert not batch.spoilt[:, :before].any() and not batch.spoilt[:, -after:].any()
    assert np.abs(batch.spoilt[:, before : before + 800]).max(axis=1).min() > 0
    assert batch.spoilt.shape[1] == before + after + round(CLIP_S * batch.tempo * SAMPLE_RATE)


def test_shapes_fit() -> None:
    """Every clean cell lies inside what its stretch embeds to, in every batch of the default recipe."""
    music = melodies(3, 9.0)
    pairs = PairDataset(music, noises(), corpus(), PairConfig(seconds_a_step=12.0), padding=PADDING, seed=3, steps=40)
    for step in range(len(pairs)):
        batch = pairs[step]
        embedded = (batch.clean.shape[1] - sum(PADDING) - EMBEDDING_HOP) // EMBEDDING_HOP + 1
        assert batch.clean_cells.min() >= 0 and batch.clean_cells.max() < embedded
        assert batch.clean_cells.shape == (len(batch.clean), len(batch.cells))
        assert np.isfinite(batch.spoilt).all() and np.abs(batch.spoilt).max() <= 1
        assert batch.clean.dtype == batch.spoilt.dtype == np.float32


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    """Asked for in any order, by another data set of the same seed: the same batch; another seed or step: another."""
    music = melodies(2, 8.0)
    one, same, other = (dataset(music, AugmentConfig(), seed=seed) for seed in (1, 1, 2))
    later, first = one[4], one[0]
    for mine, theirs in [(first, same[0]), (later, same[4])]:
        for field in ("clean", "spoilt", "cells", "clean_cells", "moments", "tempo"):
            assert np.array_equal(getattr(mine, field), getattr(theirs, field))
    assert not np.array_equal(first.spoilt[:, :4_000], later.spoilt[:, :4_000])
    assert not np.array_equal(first.clean[:, 2_000:4_000], other[0].clean[:, 2_000:4_000])


def test_longer_tracks_are_chosen_more_often() -> None:
    """Every second of the corpus is as likely as any other: nine tenths of the music give about nine tenths of the
    clips."""
    music = corpus(np.full(90 * SAMPLE_RATE, 0.5), np.full(10 * SAMPLE_RATE, -0.5))
    positive = [np.median(clean) > 0 for step in range(40) for clean in dataset(music, NOTHING)[step].clean]
    assert 0.8 < np.mean(positive) < 0.98


@pytest.mark.parametrize("noise_name", ["speech", "rain"])
def test_little_material_suffices(noise_name: str) -> None:
    """A track and noises shorter than a clip, no rooms, with and without speech to babble: batches all the same."""
    config = PairConfig(seconds_a_step=9.0, augment=off_but(noise_chance=1.0, room_chance=1.0))
    short = PairDataset(
        melodies(1, 0.7), noises(1, 0.2, noise_name), corpus(), config, padding=PADDING, seed=1, steps=30
    )
    assert all(np.isfinite(short[step].spoilt).all() for step in range(30))


def test_clips_after_a_tracks_first_are_echoes() -> None:
    """With all of them echoes, the second clip begins where the echo of the first one's middle does, or anywhere."""
    music = melodies(2, 40.0)
    cells = np.full((2 * 20, 1), -1, np.int32)
    cells[:20, 0] = np.arange(20) * 16 + 40  # of the first recording: 5 s later in the second one
    recordings = np.repeat([[1], [0]], 20, axis=0).astype(np.int32)
    echoes = Echoes(np.array([0, 20]), recordings, cells)
    config = PairConfig(seconds_a_step=48.0, clip_s=(2.0,), echo_share=1.0, augment=NOTHING)
    pairs = PairDataset(music, noises(), corpus(), config, padding=PADDING, seed=1, steps=20, echoes=echoes)
    total = sum(len(x) for x in music.samples) / SAMPLE_RATE
    seen = 0
    for step in range(8):
        moments = pairs[step].moments
        for first, second in zip(moments[::2, 0], moments[1::2, 0], strict=False):
            if first < 30:
                assert second - first == pytest.approx(40 + 40 * EMBEDDING_HOP / SAMPLE_RATE, abs=0.3)
                seen += 1
            assert 0 <= second < total
    assert seen > 10


def test_no_echoes_leave_the_batches_as_they_were() -> None:
    """A share of echoes without any known changes nothing: the batch is the one of the same seed."""
    config = PairConfig(seconds_a_step=24.0, clip_s=(CLIP_S,), spacing=1, augment=NOTHING)
    with_share = replace(config, echo_share=0.7)
    one, other = (
        PairDataset(melodies(2, 10.0), noises(), corpus(), c, padding=PADDING, seed=1, steps=5)[3]
        for c in (config, with_share)
    )
    assert np.array_equal(one.spoilt, other.spoilt)


@pytest.mark.parametrize("clip_s", [1.0, 1.5, 2.0, 3.0, 4.0])
def test_every_tempo_leaves_room_for_all_cells(clip_s: float) -> None:
    """However slowly or fast the bands are read, the last embedding that is compared is there."""
    front_end = FrontEnd(FrontEndConfig())
    for tempo in np.exp(np.linspace(-1, 1, 41) * np.log(AugmentConfig().tempo_range)):
        before, after = (round(side * tempo) for side in PADDING)
        samples = np.zeros((1, before + round(clip_s * tempo * SAMPLE_RATE) + after), np.float32)
        cells = np.arange(int(clip_s * SAMPLE_RATE) // EMBEDDING_HOP)
        batch = PairBatch(samples, samples, cells, cells[None], cells[None].astype(float), float(tempo))
        _, spoilt = bands_of(batch, front_end, torch.device("cpu"))
        assert (spoilt.shape[-1] - FIELD_FRAMES) // FRAMES_A_CELL + 1 >= len(cells)
