"""`python -m scripts.evaluate` and `python -m scripts.calibrate` on small music: reports, resuming, errors."""

import json
from pathlib import Path
from typing import Any

import pytest

from conf import compose
from scripts.calibrate import main as calibrate
from scripts.evaluate import main as evaluate
from scripts.evaluation import stores
from scripts.evaluation.options import CalibrateConfig, EvaluateConfig, as_command, read_options
from scripts.evaluation.workers import each
from serve.matching import Calibration
from tests.evaluation.world import SONGS

CONDITIONS, LENGTHS = ["clean", "noise 0 dB"], [1.0, 3.0]
SMALL = ["clips=8", "lengths=[1, 3]", "conditions=[clean, noise 0 dB]"]


def options(music: Path, weights: Path, out: Path, *more: str) -> list[str]:
    return [f"catalog.path={music}", f"encoder.weights={weights}", f"out={out}", *SMALL, *more]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def evaluated(music: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole evaluation with simulated vectors, in a folder with an awkward name."""
    out = tmp_path_factory.mktemp("evaluated") / "My Run (1), [x]"
    more = ["distractors=[300, 900]", "distractor_clips=3", "distractor_conditions=[clean]", "distractor_lengths=[3]"]
    assert evaluate(options(music, weights, out, *more)) == 0
    return out


def test_every_question_is_asked_of_both_folds(evaluated: Path) -> None:
    """Each clip is known once and unknown once, in every condition and length, and outcomes say what came of it."""
    outcomes = lines(evaluated / "outcomes.jsonl")
    assert len(outcomes) == 2 * 8 * len(CONDITIONS) * len(LENGTHS)
    kinds = {(one["condition"], one["clip_s"]) for one in outcomes}
    assert kinds == {(condition, length) for condition in CONDITIONS for length in LENGTHS}
    asked: dict[Any, list[bool]] = {}
    for one in outcomes:
        asked.setdefault((one["condition"], one["clip_s"], one["track"], one["offset_s"]), []).append(one["known"])
        assert one["accepted"] == (one["features"] is not None and one["confidence"] >= one["threshold"])
    assert all(sorted(known) == [False, True] for known in asked.values())
    clean = [one for one in outcomes if one["condition"] == "clean" and one["clip_s"] == 3.0 and one["known"]]
    assert all(one["right_place"] and one["rank"] == 1 for one in clean)
    assert not any(one["right_track"] for one in outcomes if not one["known"])


def test_the_report_and_the_figures_agree(evaluated: Path) -> None:
    """results.json counts what outcomes.jsonl holds, and report.md shows it beside plots that are there."""
    results, text = json.loads((evaluated / "results.json").read_text()), (evaluated / "report.md").read_text()
    outcomes = lines(evaluated / "outcomes.jsonl")
    for cell in results["cells"]:
        part = [o for o in outcomes if (o["condition"], o["clip_s"]) == (cell["condition"], cell["clip_s"])]
        known = [o for o in part if o["known"]]
        assert cell["hits"]["n"] == len(known) == 8
        assert cell["hits"]["k"] == sum(o["accepted"] and o["right_place"] for o in known)
        assert cell["unknown_answered"]["k"] == sum(o["accepted"] for o in part if not o["known"])
    assert results["recordings"] == SONGS and results["options"]["clips"] == 8
    assert set(results["ms"]) == {"embed", "search", "match", "all"} and results["matching"]["hits"] == 100
    for plot in ("hit-rate", "false-accepts", "reliability"):
        path = f"plots/recognition-of-held-out-music-{plot}.png"
        assert f"({path})" in text and (evaluated / path).read_bytes().startswith(b"\x89PNG")
    assert "### Found: answered" in text and "### Milliseconds of CPU, clips of 3 s" in text
    assert "first impression" in text  # of so few clips


def test_bad_files_are_left_out_and_named(evaluated: Path) -> None:
    """A file that is no sound is counted and named with its reason; the others are asked about."""
    (skipped,) = json.loads((evaluated / "results.json").read_text())["skipped"]
    assert skipped["name"] == "bad.wav" and skipped["code"] == "unreadable" and skipped["reason"]
    assert "files left out: 1" in (evaluated / "report.md").read_text()


def test_simulated_vectors_have_their_place(evaluated: Path) -> None:
    """Hit rates are told for every size, beside how like real vectors the simulated ones are."""
    told = json.loads((evaluated / "results.json").read_text())["distractors"]
    assert [cell["distractors"] for cell in told["cells"]] == [0, 300, 900]
    assert all(cell["hits"]["n"] == 3 for cell in told["cells"])
    assert len(told["tuning"]) > 3 and len(told["checks"]) == 2 and 0 <= told["checks"][0]["ks"] <= 1
    assert "| clean | 3 s | 900 |" in (evaluated / "report.md").read_text()


def test_nothing_is_asked_twice(
    evaluated: Path, music: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second run asks nothing and says the same; of an interrupted one, what is missing; fresh=true, everything."""
    out = tmp_path / "again"
    assert evaluate(options(music, weights, out)) == 0
    first = (out / "outcomes.jsonl").read_bytes()
    assert "4 of 4" in capsys.readouterr().err
    assert evaluate(options(music, weights, out)) == 0
    assert " of 4" not in capsys.readouterr().err and (out / "outcomes.jsonl").read_bytes() == first
    next((out / "asked").rglob("clean-3s-8.jsonl")).unlink()
    assert evaluate(options(music, weights, out, "conditions=[clean]")) == 0
    assert "1 of 1: clean, 3 s: 8 of 8 found" in capsys.readouterr().err
    assert evaluate(options(music, weights, out, "fresh=true", "lengths=[3]")) == 0
    assert "2 of 2" in capsys.readouterr().err


def test_other_options_are_other_answers(
    music: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another seed or another setting of the matcher is asked anew; a calibration that is given is measured."""
    one = ["lengths=[3]", "conditions=[clean]"]
    for more in (["seed=1"], ["seed=2"], ["matching.hits=50"], ["calibration=shipped"]):
        assert evaluate(options(music, weights, tmp_path, *one, *more)) == 0
        asked = "1 of 1" in capsys.readouterr().err
        assert asked == (more != ["calibration=shipped"])  # which is what is asked with by default
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["calibrations"]["0"] == results["calibrations"]["1"] == Calibration.shipped().to_dict()
    assert "thresholds: as shipped" in (tmp_path / "report.md").read_text()


def test_tracks_of_the_split_train_are_never_asked_about(music: Path, weights: Path, tmp_path: Path) -> None:
    """A CSV with a split: only held-out tracks are asked about, each with its source on one side."""
    rows = [f"{music}/song-{n}.wav,{'train' if n < 2 else 'dev'},{'st'[n % 2]}" for n in range(SONGS)]
    (tmp_path / "list.csv").write_text("\n".join(["file,split,source", *rows]))
    out = tmp_path / "out"
    assert evaluate(options(tmp_path / "list.csv", weights, out, "lengths=[3]", "conditions=[clean]")) == 0
    asked = {Path(one["track"]).stem for one in lines(out / "outcomes.jsonl")}
    assert asked == {f"song-{n}" for n in range(2, SONGS)}
    results = json.loads((out / "results.json").read_text())
    assert (results["recordings"], results["asked_about"], results["skipped"]) == (SONGS, SONGS - 2, [])


def test_a_calibration_is_made(
    evaluated: Path, music: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Thresholds before and after are told a length, and what is written can be loaded and measured."""
    out = tmp_path / "out"
    assert calibrate(options(music, weights, out)) == 0
    said = capsys.readouterr().out
    assert "| 1 s |" in said and "| 3 s |" in said and " → " in said and "serve.adopt" in said
    made = Calibration.from_dict(json.loads((out / "calibration.json").read_text()))
    assert len(made.models) == 2
    assert evaluate(options(music, weights, out, f"calibration={out / 'calibration.json'}")) == 0
    assert "thresholds: as given" in (out / "report.md").read_text()


@pytest.mark.integration
def test_processes_ask_the_real_store(music: Path, weights: Path, tmp_path: Path) -> None:
    """Two processes over Milvus Lite answer as one over memory does, and the collections are gone afterwards."""
    one, two = tmp_path / "one", tmp_path / "two"
    assert evaluate(options(music, weights, one)) == 0
    assert evaluate(options(music, weights, two, "processes=2", "vectors=milvus_lite")) == 0
    assert "Milliseconds on the clock" in (two / "report.md").read_text()
    for some, others in zip(lines(one / "outcomes.jsonl"), lines(two / "outcomes.jsonl"), strict=True):
        assert (some["track"], some["answer"], some["right_place"]) == (
            others["track"],
            others["answer"],
            others["right_place"],
        )
    config, _ = read_options("evaluate", options(music, weights, two, "vectors=milvus_lite"), EvaluateConfig)
    with stores.open_vectors(config.vectors, two) as vectors:
        assert vectors.list() == []


def _squared(number: int) -> int:
    return number**2


def test_work_is_shared_out() -> None:
    """Every item comes back with what came of it, from here and from two processes."""
    for processes in (1, 2):
        assert dict(each(_squared, [1, 2, 3], processes)) == {1: 1, 2: 4, 3: 9}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("catalog.path=", "catalog.path is not given"),
        ("catalog.path={music}/none", "cannot be read"),
        ("catalog.path={music}/bad.wav", "no CSV with rows and a column file"),
        ("catalog=s3", "only files of this machine"),
        ("catalog=tape", "catalog must be one of"),
        ("noise={music}/none", "holds no audio files"),
        ("rooms={music}/none", "holds no audio files"),
        ("noises=[rain]", "say noise=FOLDER"),
        ("conditions=[loud]", "'loud' is none of clean"),
        ("conditions=[clean, clean]", "none twice"),
        ("lengths=[]", "at least one"),
        ("lengths=[0.1]", "between 0.5 and 60"),
        ("clips=0", "clips=0 must be positive"),
        ("processes=0", "must be positive"),
        ("tolerance_s=0", "must be positive"),
        ("max_false_accepts=1", "must be a share"),
        ("vectors=faiss", "vectors must be one of"),
        ("vectors.uri=", "vectors"),
        ("matching.hitz=3", "did you mean 'matching.hits'"),
        ("lenghts=[3]", "did you mean 'lengths'"),
        ("encoder.weights={music}/bad.wav", "not an encoder of ours"),
        ("calibration={music}/none.json", "calibration="),
        ("device=tpu", "device must be one of"),
        ("distractors=[0]", "distractors must be positive"),
        ("distractors=[9];distractor_clips=0", "distractor_clips must be positive"),
        ("distractors=[9];distractor_conditions=[x]", "distractor_conditions: 'x' is none of"),
        ("out=/proc/none", "cannot be written"),
        ("lengths=[30]", "ask more"),
    ],
)
def test_errors_are_one_line(
    change: str, told: str, music: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is missing, unreadable or misspelt: exit code 2 and one line that says so."""
    if change == "vectors.uri=":
        change = "vectors=milvus;vectors.uri="
    changes = [part.format(music=music) for part in change.split(";")]
    assert evaluate(options(music, weights, tmp_path, *changes)) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evaluate: ")]
    assert len(error) == 1 and told in error[0]


def test_noises_must_be_there(music: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stem that the folder does not hold is named, and a folder of nothing but broken files says why."""
    assert evaluate(options(music, weights, tmp_path, f"noise={music}", "noises=[rain]")) == 2
    assert "'rain' is no recording of" in capsys.readouterr().err
    assert evaluate(options(music, weights, tmp_path, f"noise={music}", "noises=[bad]")) == 2
    assert "none of 1 files can be used" in capsys.readouterr().err


def test_a_store_that_is_away_is_exit_code_1(
    music: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Milvus that does not answer is no fault of the configuration."""
    away = ["vectors=milvus", "vectors.uri=http://127.0.0.1:9", "vectors.timeout_s=1"]
    assert evaluate(options(music, weights, tmp_path, *away)) == 1
    assert "Milvus at 127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize(("main", "name"), [(evaluate, "evaluate"), (calibrate, "calibrate")])
def test_help_tells_the_options(main: Any, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help prints the usage and every option with its default; without arguments it is an error."""
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert f"python -m scripts.{name} catalog.path=FOLDER|CSV" in said and "clips=150" in said
    assert main([]) == 2


def test_both_commands_share_their_questions() -> None:
    """What is asked has one home: the two commands have the same defaults for it."""
    given = ["catalog.path=x", "out=y"]
    one, two = compose("evaluate", given, EvaluateConfig), compose("calibrate", given, CalibrateConfig)
    assert {name: value for name, value in vars(one).items() if name in vars(two)} == vars(two)


def test_vectors_names_the_store() -> None:
    """flat is memory, the others are stores; the last one said counts."""

    def store(*arguments: str) -> tuple[str, str]:
        config, _ = read_options("evaluate", ["catalog.path=x", "out=y", *arguments], EvaluateConfig)
        return config.store, config.vectors.kind

    assert store()[0] == store("vectors=flat")[0] == store("vectors=milvus", "vectors=flat")[0] == "flat"
    assert store("vectors=milvus_lite") == ("vectors", "milvus_lite")
    assert store("vectors=flat", "vectors=milvus") == ("vectors", "milvus")


def test_the_command_that_is_shown_names_nothing_of_this_machine() -> None:
    """Paths are left out, everything that changes the figures stays."""
    shown = as_command(
        "scripts.evaluate", ["catalog.path=/home/me/music", "clips=9", "calibration=shipped", "rooms=/r"]
    )
    assert shown == "python -m scripts.evaluate catalog.path=… clips=9 calibration=shipped rooms=…"
