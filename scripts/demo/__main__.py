"""python -m scripts.demo [--home .demo] [--songs 28] [--seed 7]: the whole way from music to answers, in one command.

Exits with 0 when every answer is right, 1 when one is wrong or something fails. What exists already in the home is
used again.
"""

import argparse
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table

from scripts.demo import processes
from scripts.demo.trials import Answer, Trial, cut, draw_trials, fault, offset_error_s
from scripts.music.catalog import Song, catalog, unknown, write_songs
from serve.client import Client, ClientError

UNKNOWN_SONGS = 2

Item = TypeVar("Item")


def main(arguments: Sequence[str]) -> int:
    """Tells the story; comes back with the exit code."""
    chosen = _parsed(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    started = time.monotonic()
    try:
        faults = _tell(console, chosen.home.resolve(), catalog(chosen.seed, chosen.songs), chosen.seed)
    except (processes.DemoError, ClientError) as error:
        console.print(f"[red]demo: {error}[/red]", markup=True)
        return 1
    console.print(f"\nAll of this took {time.monotonic() - started:.0f} s.")
    return 1 if faults else 0


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description="From music to answers in one command.")
    parser.add_argument("--home", type=Path, default=processes.ROOT / ".demo", help="where everything goes")
    parser.add_argument("--songs", type=int, default=28, help="how many songs to compose (%(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="another seed composes other songs (%(default)s)")
    return parser.parse_args(arguments)


def _tell(console: Console, home: Path, songs: list[Song], seed: int) -> int:
    """Compose, ingest, serve, ask; comes back with the number of wrong answers."""
    unheard = unknown(seed, UNKNOWN_SONGS)
    _compose(console, home, songs, unheard)
    console.rule("Ingest")
    console.print(processes.shown(processes.ingest_command(home, home / "music")), markup=False, soft_wrap=True)
    processes.ingest(home, home / "music")
    trials = draw_trials(seed, songs, unheard)
    clips = _cut(console, home, trials)
    console.rule("Serve")
    port = processes.free_port()
    console.print(processes.shown(processes.serve_command(home, port)), markup=False, soft_wrap=True)
    started = time.monotonic()
    with processes.service(home, port) as url:
        console.print(f"ready after {time.monotonic() - started:.0f} s")
        answers = _ask(url, clips)
    faults = [fault(trial, answer) for trial, answer in zip(trials, answers, strict=True)]
    console.print(_table(trials, answers, faults))
    wrong = sum(fault is not None for fault in faults)
    console.print(f"{len(trials) - wrong} of {len(trials)} answers are right.", style="red" if wrong else "green")
    _go_on(console, home)
    return wrong


def _compose(console: Console, home: Path, songs: list[Song], unheard: list[Song]) -> None:
    console.rule("Compose")
    minutes = sum(song.duration_s for song in songs) / 60
    console.print(f"{len(songs)} songs, {minutes:.0f} minutes, in {len({song.form for song in songs})} formats")
    for folder, pieces in ((home / "music", songs), (home / "unknown", unheard)):
        written = write_songs(folder, pieces)
        for _ in _progress(console, written, folder.name, len(pieces)):
            pass


def _progress(console: Console, items: Iterable[Item], what: str, total: int) -> Iterable[Item]:
    """A bar while it lasts, on a terminal; elsewhere nothing."""
    return track(items, what, total, console=console, transient=True, disable=not console.is_terminal)


def _cut(console: Console, home: Path, trials: Sequence[Trial]) -> list[Path]:
    """The clips as files, in order."""
    console.rule("Spoil")
    clips = []
    for number, trial in enumerate(_progress(console, trials, "clips", len(trials)), 1):
        clips.append(cut(trial, number, home / ("music" if trial.known else "unknown"), home / "clips"))
    console.print(f"{len(clips)} clips, cut at random places and spoilt")
    return clips


def _ask(url: str, clips: Sequence[Path]) -> list[Answer]:
    """One answer a clip, over HTTP."""
    answers = []
    with Client(url) as client:
        for clip in clips:
            started = time.perf_counter()
            reply = client.identify(clip)
            answers.append(Answer.of(reply, 1000 * (time.perf_counter() - started)))
    return answers


def _table(trials: Sequence[Trial], answers: Sequence[Answer], faults: Sequence[str | None]) -> Table:
    table = Table(title="What was heard, and what was answered")
    for heading in ("clip", "condition", "expected", "answered"):
        table.add_column(heading, overflow="fold")
    for heading in ("offset", "answered", "error", "confidence", "ms"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for trial, answer, wrong in zip(trials, answers, faults, strict=True):
        error_s = offset_error_s(trial, answer)
        table.add_row(
            f"{trial.clip_s:.0f} s",
            trial.condition.name,
            trial.song.tags.title if trial.known else "(no match)",
            answer.title or "(no match)",
            f"{trial.offset_s:.2f} s" if trial.known else "",
            "" if answer.offset_s is None else f"{answer.offset_s:.2f} s",
            "" if error_s is None else f"{error_s:+.2f} s",
            "" if answer.confidence is None else f"{answer.confidence:.3f}",
            f"{answer.round_trip_ms:.0f}",
            f"[red]{wrong}[/red]" if wrong else "[green]right[/green]",
        )
    return table


def _go_on(console: Console, home: Path) -> None:
    python = processes.shown([sys.executable])
    console.print(
        f"""
Everything lies in {home}:
  music/ unknown/ clips/   what was composed, and what was asked
  runs/                    a report for every run of ingest, HTML included
  serve.log                what the service said

With your own music:
  {python} -m ingest home=my-home catalog=folder catalog.path=/path/to/music
  {python} -m serve home=my-home
  {python} -m serve.client http://127.0.0.1:8000 clip.mp3      (or open http://127.0.0.1:8000 in a browser)""",
        markup=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
