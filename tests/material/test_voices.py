"""Invented words, spoken; and the command itself."""

from pathlib import Path

import numpy as np
import pytest

from scripts.material import voices
from scripts.material.__main__ import main
from tests.fingerprint.signals import float_wav, melody
from tests.material.stand_ins import calls, rows, stand_in


def test_voices_are_spoken_into_the_noise_folder(programs: Path, tmp_path: Path) -> None:
    """espeak-ng reads each text from its input; the names tell the trainer that it is speech."""
    (tmp_path / "given.wav").write_bytes(float_wav(melody(3.0, 1)))
    stand_in(programs, "espeak-ng", f'cat > "{tmp_path}/text"; cp "{tmp_path}/given.wav" "${{10}}"')
    options = [f"out={tmp_path / 'out'}", "parts=[voices]", "voices=2", "voice_s=1.0"]
    assert main(options) == 0
    assert [row["file"] for row in rows(tmp_path / "out")] == [
        "noise/speech-espeak-00-en-us-f1.flac", "noise/speech-espeak-01-de-m1.flac",
    ]  # fmt: skip
    assert {row["seconds"] for row in rows(tmp_path / "out")} == {"1.0"}
    assert (tmp_path / "text").read_text() == next(v for v in voices.cast(2, 1.0, 1) if v.voice == "de+m1").text
    assert main(options) == 0 and len(calls(programs)) == 2


def test_the_command_that_speaks() -> None:
    """Voice, pitch, pace and pauses are told; the text comes from standard input."""
    voice = voices.Voice("speech-1", "fi+f2", 40, 150, 3, "Sata.")
    command = voices.espeak_command(voice, Path("out.wav"))
    assert " ".join(command) == "espeak-ng -v fi+f2 -p 40 -s 150 -g 3 -w out.wav --stdin"


def test_forty_voices_differ() -> None:
    """No two of forty share voice and text; a voice depends on the seed and its number, not on how many there are."""
    forty = list(voices.cast(40, 60.0, 1))
    assert len({voice.voice for voice in forty}) == len({voice.text for voice in forty}) == 40
    assert forty[:3] == list(voices.cast(3, 60.0, 1)) != list(voices.cast(3, 60.0, 2))
    assert all(25 <= voice.pitch < 80 and 120 <= voice.speed < 215 for voice in forty)


def test_texts_are_sentences_of_invented_words() -> None:
    """As many words as asked for, or up to a sentence more, in letters that every voice can read."""
    text = voices.invented_text(np.random.default_rng(3), 200)
    assert 200 <= len(text.split()) < 212
    assert all(line[0].isupper() and line[-1] in ".?!" for line in text.splitlines())
    assert set(text.lower()) <= set("abcdefghijklmnopqrstuvwxyz .,?!\n")


def test_help_tells_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    """--help shows the usage and every option with its default."""
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert "out=DIR" in said and "voices=40" in said
