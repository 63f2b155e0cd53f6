"""Clips whose place is known, and whether an answer is right."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ingest.fingerprint import Embeddings
from ingest.fingerprint.pcm import to_float
from scripts.evaluation.conditions import CONDITIONS, FASTEST, Surroundings, drawn
from scripts.evaluation.questions import Question, Questioner
from scripts.evaluation.truth import Verdict, identical, rank_of_truth, verdict
from scripts.spoil import Condition, Noise, Recordings
from tests.evaluation.world import collection
from tests.fingerprint.encoders import folded_embedder
from tests.fingerprint.signals import melody

RATE = 8_000


def embed(samples: np.ndarray) -> Embeddings:
    return folded_embedder().embed(samples)


def questioner(folder: Path, *waveforms: np.ndarray, **options: Any) -> Questioner:
    return Questioner(collection(folder, waveforms, (len(waveforms), 0)), Surroundings(), embed, 1, **options)


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_keeps_its_word(name: str) -> None:
    """Each is drawn anew for every clip, never plays faster than it may, and gives the length it promises."""
    rng = np.random.default_rng(2)
    music = melody(4.0)
    conditions = [drawn(name, Surroundings(), rng) for _ in range(20)]
    assert all(1 / FASTEST - 1e-9 <= condition.speed <= FASTEST + 1e-9 for condition in conditions)
    clip = conditions[0].clip(music, 1.2, 1.5, rng, lead_s=1.0)
    assert len(clip) == 1.5 * RATE and np.isfinite(clip).all() and conditions[0].name == name


def test_parameters_are_drawn_where_a_range_is_given() -> None:
    """Both signs of a pitch, speeds of ±5 %, tempos in between and SNRs of 0 to 10 dB occur."""
    rng = np.random.default_rng(3)

    def many(name: str) -> list[Condition]:
        return [drawn(name, Surroundings(), rng) for _ in range(60)]

    assert {condition.pitch_semitones for condition in many("pitch 3")} == {-3, 3}
    assert {round(condition.speed, 6) for condition in many("speed 5")} == {0.95, 1.05}
    assert len({condition.speed for condition in many("tempo")}) == 60
    levels = [step.snr_db for condition in many("nafp") for step in condition.steps if isinstance(step, Noise)]
    assert 0 <= min(levels) < 2 and 8 < max(levels) <= 10


def test_recordings_are_used_where_there_are_some() -> None:
    """Noise and rooms are the recorded ones; speech is a babble from four voices on, else a synthetic crowd."""
    rng = np.random.default_rng(4)
    hum = Recordings((np.ones(100, np.float32),))
    around = Surroundings(hum, Recordings((np.ones(9, np.float32),) * 4), hum)
    assert around.noise_at(0, rng).kind is hum and around.room(rng).folder is hum
    assert type(around.babble_at(10)).__name__ == "Babble"
    few = Surroundings(speech=Recordings((np.ones(9, np.float32),) * 3))
    assert few.babble_at(10) == Noise("crowd", 10)
    assert {str(few.noise_at(0, rng).kind) for _ in range(30)} == {"crowd", "pink", "events"}


def test_a_clean_clip_is_the_passage(tmp_path: Path) -> None:
    """A clean question's samples are the track's own from its offset on, as 16-bit integers."""
    asked = list(questioner(tmp_path, melody(6.0, 1), melody(7.0, 2)).questions("clean", 2.0, 5))
    assert len(asked) == 5 and {one.track for one in asked} == {0, 1}
    for one in asked:
        waveform = np.load(tmp_path / f"{one.track}.npy")
        start = round(one.offset_s * RATE)
        differences = [np.abs(waveform[start + d :][: 2 * RATE] - one.samples).max() for d in (-1, 0, 1)]
        assert min(differences) == 0


def test_conditions_are_asked_about_the_same_moments(tmp_path: Path) -> None:
    """Under every condition the same tracks and offsets come in the same order, and twice the same clips."""
    asker = questioner(tmp_path, melody(6.0, 1), melody(7.0, 2))
    asked = {name: list(asker.questions(name, 1.5, 4)) for name in ("clean", "tempo", "nafp", "phone")}
    places = {name: [(one.track, one.offset_s) for one in its] for name, its in asked.items()}
    assert len(set(map(tuple, places.values()))) == 1
    again = list(asker.questions("nafp", 1.5, 4))
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(asked["nafp"], again, strict=True))


def test_short_and_silent_tracks_are_not_asked_about(tmp_path: Path) -> None:
    """A clip must fit at the greatest speed, and something must be heard in it."""
    silence = np.zeros(6 * RATE, np.float32)
    asked = list(questioner(tmp_path, melody(2.0, 1), melody(6.0, 2), silence).questions("clean", 2.0, 8))
    assert {one.track for one in asked} == {1} and len(asked) == 4
    assert not list(questioner(tmp_path, melody(2.0, 1)).questions("clean", 2.0, 3))


def test_a_room_rings_with_what_was_before(tmp_path: Path) -> None:
    """A clip in a room begins with the tail of the music before it, and lies where it says."""
    music = np.zeros(6 * RATE, np.float32)
    music[: 2 * RATE] = melody(2.0)
    condition = drawn("everything", Surroundings(), np.random.default_rng(1))
    rooms = Condition("rooms", condition.steps[1:2])
    heard = rooms.clip(music, 2.0, 1.0, np.random.default_rng(1), lead_s=1.0)
    without = rooms.clip(music, 2.0, 1.0, np.random.default_rng(1))
    assert np.abs(heard[:800]).max() > 1e-3 and np.abs(without).max() == 0


def test_treatment_comes_before_the_encoder(tmp_path: Path) -> None:
    """What is done to queries is done to the samples that are embedded."""
    asker = questioner(tmp_path, melody(6.0, 1), treat=lambda samples: samples / 2)
    plain = next(questioner(tmp_path, melody(6.0, 1)).questions("clean", 2.0, 1))
    treated = next(asker.questions("clean", 2.0, 1))
    np.testing.assert_allclose(treated.samples, plain.samples / 2, atol=1)


def question(track: int, offset_s: float, clip_s: float = 1.0) -> Question:
    return Question(track, Condition("clean"), clip_s, offset_s, np.zeros(1), embed(np.zeros(1_024, np.int16)))


def match(recording: int, offset_s: float, same: tuple[int, ...] = ()) -> Any:
    return SimpleNamespace(recording_id=recording, offset_s=offset_s, same_recording=same)


@pytest.mark.parametrize(
    ("answer", "track", "place"),
    [
        (match(1, 1.3), True, True),  # within the tolerance
        (match(1, 1.8), True, False),
        (match(1, 4.1), True, True),  # the passage is repeated three seconds later
        (match(2, 2.6), True, True),  # another track holds it, half a second later
        (match(2, 0.2), False, False),
        (match(2, 0.2, same=(1,)), True, False),  # said to be the same, but not there
        (match(3, 1.0), False, False),
        (match(9, 1.0), False, False),  # a simulated track
    ],
)
def test_an_answer_is_right_where_the_passage_is_heard(answer: Any, track: bool, place: bool, tmp_path: Path) -> None:
    """The clip's own place, a repeat to the sample in its track, or another track that holds the passage there."""
    song = melody(6.0, 1)
    song[4 * RATE : 5 * RATE] = song[RATE : 2 * RATE]
    copy = np.concatenate([melody(2.5, 2), song[RATE : 3 * RATE], melody(1.0, 3)])
    tracks = collection(tmp_path, [song, 0.3 * copy, melody(6.0, 4)], (3, 0))
    assert verdict(question(0, 1.0), answer, tracks, 0.5) == Verdict(track, place)


def test_where_the_truth_stands() -> None:
    """The rank counts from 1, sees members of a group, and is 0 where the track is absent."""
    matches = [match(5, 0.0), match(7, 0.0, same=(2,)), match(3, 0.0)]
    assert [rank_of_truth(question(track, 0.0), matches) for track in (4, 1, 2, 8)] == [1, 2, 3, 0]


def test_silence_repeats_nothing() -> None:
    """A passage beyond the end, or of silence, is not found anywhere."""
    music = to_float(np.zeros(4 * RATE, np.int16))
    assert not identical(music, 0.0, 1.0, 1.0, 0.25)
    assert not identical(melody(4.0), 0.0, 3.9, 1.0, 0.25)
