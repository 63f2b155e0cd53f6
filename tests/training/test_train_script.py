"""`python -m scripts.train` on generated sound: from files to an encoder, stopped and resumed, and its errors."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from ingest.fingerprint import Embedder
from ingest.fingerprint.encoder import read_notes
from scripts.train import main, music_split
from tests.fingerprint.signals import float_wav, melody

TINY = [
    "steps=4", "local=[4, 4, 8]", "width=12", "context_kernels=[2]", "dim=8",
    "seconds_a_step=8", "clip_s=[1.0]", "warmup_steps=1",
    "threads=1", "workers=0", "log_every=1", "validate_every=2", "checkpoint_every=2", "validation_clips=4",
    "held_out_noises=[rain]",
]  # fmt: skip


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio")
    for place, seed, seconds in [
        *((f"music/song-{i}.wav", i, 5.0) for i in range(4)),
        *((f"noise/{name}.wav", 20 + i, 2.0) for i, name in enumerate(["rain", "wind", "speech-1"])),
        ("rooms/hall.wav", 30, 0.3),
    ]:
        path = folder / place
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(float_wav(melody(seconds, seed)))
    rows = [f"music/song-{i}.wav,{'dev' if i == 3 else 'train'}" for i in range(4)]
    (folder / "catalogue.csv").write_text("\n".join(["file,split", *rows]), encoding="utf-8")
    return folder


def options(audio: Path, out: Path, *more: str, music: str = "catalogue.csv") -> list[str]:
    return [f"out={out}", f"music={audio / music}", f"noise={audio / 'noise'}", *TINY, *more]


def test_from_files_to_an_encoder(audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One command leaves an encoder that embeds and tells of its making, a history and a curve; it tells its pace."""
    out = tmp_path / "My Run (1), [x]"
    assert main(options(audio, out, f"rooms={audio / 'rooms'}")) == 0
    assert Embedder.load(out / "encoder.safetensors", threads=1).dim == 8
    notes = read_notes(out / "encoder.safetensors")
    assert notes["music"].startswith("3 recordings") and notes["noises"] == "speech-1 wind" and notes["rooms"] == "hall"
    assert json.loads(notes["recipe"])["steps"] == 4 and "torch 2" in notes["versions"]
    assert [point["step"] for point in json.loads((out / "history.json").read_text())] == [2, 4]
    assert (out / "validation.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "noises 2 and 1 held out, rooms 1" in said and "step 3/4" in said and "min left" in said


def test_running_it_again_goes_on_and_changes_nothing(audio: Path, tmp_path: Path) -> None:
    """The same command over a finished run trains no further and gives the same encoder, to the byte."""
    whole = tmp_path / "whole"
    assert main(options(audio, whole)) == 0
    finished = (whole / "encoder.safetensors").read_bytes()
    (whole / "encoder.safetensors").unlink()
    assert main(options(audio, whole)) == 0
    assert (whole / "encoder.safetensors").read_bytes() == finished


def test_another_recipe_is_not_mixed_in(audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that holds a run of another seed or network is refused, in one line that says how they differ."""
    assert main(options(audio, tmp_path)) == 0
    capsys.readouterr()
    assert main(options(audio, tmp_path, "seed=2", "dim=16")) == 2
    error = capsys.readouterr().err
    assert "seed 1" in error and "dim 8" in error and error.count("\n") == 1


def test_a_run_starts_from_another(audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """start=CHECKPOINT or a folder of some is part of the recipe, by checksums; what is no checkpoint is refused."""
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(options(audio, first)) == 0
    start = first / "checkpoint.pt"
    assert main(options(audio, second, f"start={start}", "memory=16")) == 0
    recipe = json.loads((second / "recipe.json").read_text())
    assert recipe["start"] == hashlib.sha256(start.read_bytes()).hexdigest() and recipe["memory"] == 16
    assert (first / "encoder.safetensors").read_bytes() != (second / "encoder.safetensors").read_bytes()
    (tmp_path / "both").mkdir()
    for number, run in enumerate((first, second)):
        shutil.copy(run / "encoder.safetensors", tmp_path / "both" / f"{number}.safetensors")
    assert main(options(audio, tmp_path / "third", f"start={tmp_path / 'both'}")) == 0
    assert json.loads((tmp_path / "third" / "recipe.json").read_text())["start"].count("+") == 1
    capsys.readouterr()
    for wrong, told in ((tmp_path / "none.pt", "cannot be read"), (first / "history.json", "is no checkpoint")):
        assert main(options(audio, tmp_path / wrong.stem, f"start={wrong}")) == 2
        error = capsys.readouterr().err
        assert str(wrong) in error and told in error and error.count("\n") == 1


def test_hard_negatives_are_what_the_start_confuses(
    audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """echo_share looks for echoes once, with the encoder of `start`, and needs one; a margin is another loss."""
    assert main(options(audio, tmp_path / "none", "echo_share=0.5")) == 2
    assert "say start=CHECKPOINT" in capsys.readouterr().err
    assert main(options(audio, tmp_path / "first")) == 0
    again = options(audio, tmp_path / "second", f"start={tmp_path / 'first/checkpoint.pt'}", "echo_share=1.0")
    assert main(again) == 0
    assert "passages have an echo" in capsys.readouterr().out
    assert main(again) == 0 and (tmp_path / "second/echoes.npz").is_file()
    assert "passages have an echo" not in capsys.readouterr().out
    assert main(options(audio, tmp_path / "third", *again[-2:], "margin=0.3")) == 0
    weights = [(tmp_path / run / "encoder.safetensors").read_bytes() for run in ("second", "third")]
    assert weights[0] != weights[1]


def test_a_folder_is_split_by_the_seed(audio: Path) -> None:
    """A share of the files, at least one, is held out: the same by the same seed, no file on both sides."""
    train, dev = music_split(audio / "music", 0.5, 1)
    assert (train, dev) == music_split(audio / "music", 0.5, 1)
    assert len(train) == len(dev) == 2 and not set(train) & set(dev)
    assert len(music_split(audio / "music", 0.01, 1)[1]) == 1
    assert len({tuple(music_split(audio / "music", 0.5, seed)[1]) for seed in range(9)}) > 1


def test_nothing_held_out_is_allowed(audio: Path, tmp_path: Path) -> None:
    """With no noise held out validation hears the noises of training; with a folder as music it is split."""
    assert main(options(audio, tmp_path, "held_out_noises=[]", "steps=2", music="music")) == 0
    assert read_notes(tmp_path / "encoder.safetensors")["noises"] == "rain speech-1 wind"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("music=", "music is not given"),
        ("music={audio}/none.csv", "cannot be read"),
        ("music={audio}/noise/../rooms", "0 files to train with"),
        ("music={audio}/wrong.csv", "no column 'split'"),
        ("noise={audio}/nowhere", "holds no audio files"),
        ("rooms={audio}/nowhere", "holds no audio files"),
        ("held_out_noises=[rain, wind, speech-1]", "leaves no noise"),
        ("stem=[8, 8]", "are not the 1024 of an embedding"),
        ("snr_db=[5, -5]", "is not [lowest, highest]"),
        ("device=tpu", "device must be one of"),
        ("stepz=3", "did you mean 'steps'"),
        ("plot={audio}/none.json", "cannot be read"),
        ("plot={audio}/catalogue.csv", "cannot be read"),
        ("plot={audio}/empty.json", "no history"),
    ],
)
def test_errors_are_one_line(
    change: str, told: str, audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is missing, unreadable or misspelt: exit code 2 and one line that says so."""
    (audio / "wrong.csv").write_text("file\nx.wav\n")
    (audio / "empty.json").write_text("[]")
    assert main(options(audio, tmp_path, change.format(audio=audio))) == 2
    error = capsys.readouterr().err
    assert error.startswith("train: ") and told in error and error.count("\n") == 1


def test_a_bad_file_is_named(audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of the corpus that cannot be decoded ends the run with its name."""
    bad = tmp_path / "noises"
    bad.mkdir()
    (bad / "bad.wav").write_text("no sound")
    assert main(options(audio, tmp_path / "out", f"noise={bad}")) == 2
    assert "bad.wav: no decoder makes sense of it" in capsys.readouterr().err


def test_the_curve_of_any_run_is_drawn(tmp_path: Path) -> None:
    """A history whose conditions came and went is drawn all the same."""
    history = tmp_path / "history.json"
    history.write_text(json.dumps([{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0, "clean": 0.5, "0 dB": 0.2}]))
    assert main([f"plot={history}", f"out={tmp_path / 'new'}"]) == 0
    assert (tmp_path / "new/validation.png").stat().st_size > 5_000


def test_help_tells_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    """--help prints the usage and every option with its default."""
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert "python -m scripts.train out=DIR" in said and "learning_rate=0.002" in said
