"""The demonstration's own judgement, and how it treats the processes that it starts."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scripts.demo import processes
from scripts.demo.trials import (
    ASKED,
    ASKED_OF_UNKNOWN,
    MARGIN_S,
    Answer,
    Trial,
    cut,
    draw_trials,
    fault,
    offset_error_s,
)
from scripts.music.catalog import Song, catalog, unknown, write_song
from scripts.music.files import Tags, read
from scripts.spoil import CONDITIONS

SONG = Song(1, Tags("Song", "Band", "Album"), "wav", 16_000, 20.0)
TRIAL = Trial(SONG, True, CONDITIONS["clean"], 5.0, 10.0, "wav")
RIGHT = Answer("Song", SONG.file_name, 5.1, 0.99, 12.0)
NOTHING = Answer(None, None, None, None, 12.0)


@pytest.mark.parametrize(
    ("trial", "answer", "expected"),
    [
        (TRIAL, RIGHT, None),
        (TRIAL, replace(RIGHT, offset_s=5.51), "wrong place"),
        (TRIAL, replace(RIGHT, offset_s=4.49), "wrong place"),
        (TRIAL, replace(RIGHT, file_name="Other.wav"), "wrong track"),
        (TRIAL, NOTHING, "not recognised"),
        (replace(TRIAL, known=False), NOTHING, None),
        (replace(TRIAL, known=False), RIGHT, "should not be known"),
    ],
)
def test_an_answer_is_judged(trial: Trial, answer: Answer, expected: str | None) -> None:
    """The right track within half a second is right; everything else has its own name; unknown music has no track."""
    assert fault(trial, answer) == expected


def test_the_error_of_an_offset_has_a_sign() -> None:
    """Answered minus true; nothing to tell without an answer, or for unknown music."""
    assert offset_error_s(TRIAL, replace(RIGHT, offset_s=4.8)) == pytest.approx(-0.2)
    assert offset_error_s(TRIAL, NOTHING) is None
    assert offset_error_s(replace(TRIAL, known=False), RIGHT) is None


def test_a_reply_is_read() -> None:
    """The best match counts; a track without a title goes by its file's name; no match has no title."""
    match = {"uri": "/music/a b/x.mp3", "title": None, "offset_s": 1.5, "confidence": 0.9}
    assert Answer.of({"matches": [match, {**match, "uri": "y"}]}, 3.0) == Answer("x.mp3", "x.mp3", 1.5, 0.9, 3.0)
    assert Answer.of({"matches": []}, 3.0) == Answer(None, None, None, None, 3.0)


def test_trials_ask_everything_inside_the_songs() -> None:
    """Every condition is asked, of different songs, inside of each; the unknown ones come last; a seed fixes it all."""
    songs, unheard = catalog(7, 28), unknown(7, 2)
    trials = draw_trials(7, songs, unheard)
    assert trials == draw_trials(7, songs, unheard)
    assert [(trial.condition.name, trial.clip_s) for trial in trials] == [*ASKED, *ASKED_OF_UNKNOWN]
    assert len({trial.song.seed for trial in trials}) == len(trials)
    assert [trial.known for trial in trials] == [True] * len(ASKED) + [False] * len(ASKED_OF_UNKNOWN)
    for trial in trials:
        end_s = trial.offset_s + trial.condition.source_s(trial.clip_s)
        assert MARGIN_S <= trial.offset_s < end_s <= trial.song.duration_s - MARGIN_S + 0.01


def test_few_songs_are_asked_more_than_once() -> None:
    """With fewer songs than questions, songs come again at other places."""
    trials = draw_trials(7, catalog(7, 3), unknown(7, 1))
    assert len(trials) == len(ASKED) + 1
    assert len({(trial.song.seed, trial.offset_s) for trial in trials}) == len(trials)


def test_a_clip_comes_from_its_place_in_the_song(tmp_path: Path) -> None:
    """The written clip is the song's own samples from the offset on."""
    song = replace(SONG, duration_s=6.0)
    write_song(tmp_path, song)
    clip = cut(replace(TRIAL, song=song, offset_s=2.0, clip_s=3.0), 4, tmp_path, tmp_path / "clips")
    assert clip.name == "04 clean 3 s.wav"
    np.testing.assert_allclose(read(clip, 16_000), read(tmp_path / song.file_name, 16_000)[32_000:80_000], atol=1e-4)


def test_a_service_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    """Waiting for a service that has gone raises at once, with exit code and log."""
    log = tmp_path / "log"
    log.write_text("no weights\n")
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(processes.DemoError, match=r"exit code 3:\nno weights"):
        processes.wait_until_ready(f"http://127.0.0.1:{processes.free_port()}", process, log, 30)


def test_a_service_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    """After the time allowed, waiting raises; the process can still be ended."""
    (tmp_path / "log").write_text("")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with pytest.raises(processes.DemoError, match="not ready after"):
            processes.wait_until_ready(f"http://127.0.0.1:{processes.free_port()}", process, tmp_path / "log", 0.1)
    finally:
        processes.end(process)
    assert process.returncode is not None


def test_a_process_that_ignores_sigterm_is_killed_and_told() -> None:
    """Nothing is left running, and the demonstration says that it had to kill."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    with process.stdout, pytest.raises(processes.DemoError, match="did not end within"):
        processes.end(process, 0.2)
    assert process.returncode == -9


def test_commands_are_shown_as_typed() -> None:
    """A command is printed so that it can be pasted: the interpreter by its path from here, odd values quoted."""
    command = processes.ingest_command(Path("/tmp/a b"), Path("/tmp/m"))
    assert processes.shown(command).endswith("-m ingest 'home=/tmp/a b' catalog=folder catalog.path=/tmp/m")
    assert processes.shown([str(processes.ROOT / ".venv/bin/python")]) == "$ .venv/bin/python"
