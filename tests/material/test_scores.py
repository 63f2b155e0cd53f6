"""Scores, varied and played."""

from pathlib import Path

import mido
import numpy as np
import pytest

from scripts.material import scores
from scripts.material.__main__ import main
from tests.fingerprint.signals import float_wav, melody
from tests.material.stand_ins import calls, rows, stand_in


def change(semitones: int, tempo: float, seed: int = 1) -> scores.Change:
    return scores.Change(semitones, tempo, np.random.default_rng(seed))


def starts(score: mido.MidiFile, channel: int) -> list[tuple[float, int]]:
    """(seconds, note) of every note of a channel."""
    at_s, found = 0.0, []
    for message in score:
        at_s += message.time
        if message.type == "note_on" and message.channel == channel:
            found.append((at_s, message.note))
    return found


def test_a_variant_is_transposed_and_faster(midi: Path, tmp_path: Path) -> None:
    """Notes move by the semitones, drums do not; every onset lies where the tempo puts it, up to 150 s."""
    variant = scores.changed(mido.MidiFile(midi / "tune.mid"), change(3, 1.25))
    variant.save(tmp_path / "variant.mid")
    read = mido.MidiFile(tmp_path / "variant.mid")
    notes = starts(read, 0)
    assert [note for _, note in notes[:6]] == [63, 64, 65, 66, 67, 63]
    assert {note for _, note in starts(read, 9)} == {38}
    assert np.allclose([at_s for at_s, _ in notes], np.arange(len(notes)) / 1.25, atol=1e-3)
    assert len(notes) == int(scores.LONGEST_S * 1.25) + 1 and read.length == pytest.approx(scores.LONGEST_S, abs=0.01)


def test_a_variant_plays_other_instruments(midi: Path) -> None:
    """Programmes change, half of the time within their family; banks, devices' messages and tempi are gone."""
    drawn = [change(0, 1.0, seed).programme(0, 40) for seed in range(200)]
    assert 0.4 < np.mean([programme // 8 == 5 for programme in drawn]) < 0.75 and max(drawn) < scores.MELODIC
    one = change(0, 1.0)
    assert one.programme(2, 40) == one.programme(2, 40) and one.programme(9, 16) == 16
    messages = list(scores.changed(mido.MidiFile(midi / "tune.mid"), one).tracks[0])
    assert {message.type for message in messages} == {"program_change", "note_on", "note_off", "control_change"}
    ends = [message for message in messages if message.type == "control_change"]
    assert len(ends) == 16 and {message.control for message in ends} == {scores.ALL_NOTES_OFF}
    assert len([message for message in messages if message.type == "program_change"]) == 17


def test_notes_stay_on_the_keyboard() -> None:
    """What would leave 0…127 is moved by an octave, so it stays in key."""
    assert (change(4, 1.0).note(0, 126), change(-4, 1.0).note(0, 1), change(4, 1.0).note(9, 126)) == (118, 9, 126)


def test_changes_are_drawn_from_their_ranges() -> None:
    """−4…+4 semitones, tempo 0.85…1.2, all of it; the same seed draws the same."""
    drawn = [scores.Change.drawn(np.random.default_rng(seed)) for seed in range(300)]
    assert {one.semitones for one in drawn} == set(range(-4, 5))
    assert 0.85 <= min(one.tempo for one in drawn) < 0.87 and 1.18 < max(one.tempo for one in drawn) <= 1.2
    again = scores.Change.drawn(np.random.default_rng(7))
    assert (again.semitones, again.tempo) == (drawn[7].semitones, drawn[7].tempo)


def test_the_command_that_renders() -> None:
    """fluidsynth is asked for a 16-bit WAV file at the rate of rendering, without shell, MIDI input or device."""
    command = scores.fluidsynth_command(Path("/sf/GM.sf2"), Path("a b.mid"), Path("out.wav"))
    assert " ".join(command) == "fluidsynth -ni -q -g 0.35 -r 16000 -O s16 -T wav -F out.wav /sf/GM.sf2 a b.mid"


def score_options(out: Path, midi: Path) -> list[str]:
    """With two files in the place of soundfonts: the stand-ins do not open them."""
    fonts = [midi.parent / "One.sf2", midi.parent / "Two.sf2"]
    for font in fonts:
        font.touch()
    return [f"out={out}", "parts=[scores]", f"scores={midi}", f"soundfonts=[{fonts[0]}, {fonts[1]}]"]


def test_scores_are_rendered_in_variants(
    programs: Path, midi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two recordings a score, by the soundfonts in turn; a file that is no score is noted; nothing is made twice."""
    (tmp_path / "given.wav").write_bytes(float_wav(melody(6.0, 1)))
    stand_in(programs, "fluidsynth", f'cp "{tmp_path}/given.wav" "${{12}}"')
    (midi / "broken.mid").write_bytes(b"MThd, almost")
    out = tmp_path / "out"
    assert main(score_options(out, midi)) == 0
    made = {row["unit"]: row for row in rows(out)}
    assert {unit: row["kind"] for unit, row in made.items()} == {
        "score-broken-1": "none", "score-broken-2": "none", "score-tune-1": "music", "score-tune-2": "music",
    }  # fmt: skip
    assert {made[f"score-tune-{i}"]["package"] for i in (1, 2)} == {"One", "Two"}
    assert "broken.mid cannot be read" in made["score-broken-1"]["licence"]
    assert "semitones" in made["score-tune-1"]["licence"] and made["score-tune-1"]["seconds"] == "6.0"
    assert len(calls(programs)) == 2 and main(score_options(out, midi)) == 0 and len(calls(programs)) == 2
    assert "1 of 2: broken" in capsys.readouterr().out


@pytest.mark.parametrize(("given", "told"), [(np.zeros(80_000), "silent"), (melody(2.0, 1), "shorter than 5 s")])
def test_scores_that_sound_of_nothing_are_noted(
    given: np.ndarray, told: str, programs: Path, midi: Path, tmp_path: Path
) -> None:
    """A rendering that is silent, or a jingle, leaves a note and no file."""
    (tmp_path / "given.wav").write_bytes(float_wav(given.astype(np.float32)))
    stand_in(programs, "fluidsynth", f'cp "{tmp_path}/given.wav" "${{12}}"')
    assert main(score_options(tmp_path / "out", midi)) == 0
    assert all(told in row["licence"] and row["kind"] == "none" for row in rows(tmp_path / "out"))


def test_a_score_that_cannot_be_played_stops_no_other(programs: Path, midi: Path, tmp_path: Path) -> None:
    """A fluidsynth that fails is noted for that score."""
    stand_in(programs, "fluidsynth", 'echo "out of voices" >&2; exit 1')
    assert main(score_options(tmp_path / "out", midi)) == 0
    assert all("out of voices" in row["licence"] for row in rows(tmp_path / "out"))


def test_without_scores_the_part_is_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No folder of scores is no error, and is said."""
    assert main([f"out={tmp_path}", "parts=[scores]"]) == 0
    assert "scores is not given" in capsys.readouterr().out
