"""The networks behind the service, and the batches they get."""

import asyncio
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ingest.fingerprint import EMBEDDING_HOP, ConfigurationError, Embedder
from ingest.fingerprint.encoder import save_encoder, seeded_encoder
from ingest.fingerprint.pcm import to_int16
from serve.encoders import EmbedJob, EncoderSet, LocalEncoder, check_weights, embeddings_in, ratio_of, retune
from serve.fakes import SpectralEmbedder
from tests.service.sounds import RATE, melody


def dominant_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE / len(samples))


def test_a_mixed_batch_comes_back_in_order() -> None:
    """Jobs of two networks and of different lengths each get the embeddings that they would get alone."""
    encoders = EncoderSet([SpectralEmbedder("a"), SpectralEmbedder("b")])
    clips = [to_int16(melody(seed, duration_s)) for seed, duration_s in ((1, 3.0), (2, 0.05), (3, 5.0))]
    jobs = [EmbedJob(clips[0], "b"), EmbedJob(clips[1]), EmbedJob(clips[2], "b")]
    together = encoders.embed(jobs)
    for job, embedded in zip(jobs, together, strict=True):
        assert np.array_equal(embedded.vectors, encoders.embed([job])[0].vectors)
        assert len(embedded) == max(1, len(job.samples) // EMBEDDING_HOP)


def test_an_unknown_network_is_an_error() -> None:
    """A job for a network that is not loaded is refused instead of embedded by another one."""
    with pytest.raises(KeyError):
        EncoderSet([SpectralEmbedder()]).embed([EmbedJob(np.zeros(9000, np.int16), "other")])


def test_the_real_network_gives_what_the_library_gives(tmp_path: Path) -> None:
    """Embeddings through the service are those of the fingerprint library, for a long and for a tiny clip."""
    weights = tmp_path / "weights.safetensors"
    save_encoder(seeded_encoder(), weights)
    embedder = Embedder.load(weights)
    encoder = LocalEncoder(EncoderSet.load([str(weights)], device="cpu", threads=1))
    for duration_s in (3.0, 0.06):
        clip = to_int16(melody(5, duration_s))
        embedded = asyncio.run(encoder.embed(EmbedJob(clip, embedder.checksum)))
        assert np.allclose(embedded.vectors, embedder.embed(clip).vectors, atol=1e-5)
    assert asyncio.run(encoder.checksums()) == {embedder.checksum}


@pytest.mark.parametrize("semitones", [-3.0, -1.0, 2.0])
def test_retuning_undoes_a_raised_clip(semitones: float) -> None:
    """A clip raised by some semitones sounds at the old pitch again, and lasts as much longer."""
    raised = np.sin(2 * np.pi * 440 * 2 ** (semitones / 12) * np.arange(3 * RATE) / RATE)
    job = EmbedJob(to_int16(raised), ratio=ratio_of(semitones))
    restored = retune(job)
    assert dominant_hz(restored) == pytest.approx(440, rel=0.002)
    assert len(restored) == pytest.approx(len(raised) * 2 ** (semitones / 12), rel=0.002)


def test_a_batch_is_measured_in_embeddings() -> None:
    """What a job adds to a batch is the number of embeddings that come of it, retuned ones longer."""
    second = np.zeros(8 * EMBEDDING_HOP, np.int16)
    assert embeddings_in([EmbedJob(second), EmbedJob(second[:10]), EmbedJob(second, ratio=Fraction(3, 2))]) == 21


def test_weights_that_are_not_there_are_a_configuration_error(tmp_path: Path) -> None:
    """A file of weights that does not exist is named before anything is started."""
    with pytest.raises(ConfigurationError, match="absent"):
        check_weights(str(tmp_path / "absent.safetensors"))
    check_weights(None)
