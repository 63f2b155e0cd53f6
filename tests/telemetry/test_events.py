"""Log lines: what stands on them, who writes them, and where."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from conf.events import LogsConfig, events, naming, writing_events
from ingest.errors import ConfigurationError

log = events("ingest.somewhere")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def config(file: Path, **other: Any) -> LogsConfig:
    return LogsConfig(**({"format": "json", "level": "info", "file": str(file)} | other))


def written(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_line_names_its_run_and_its_values(file: Path) -> None:
    """One object a line: the event, its values with their types, what always stands there, and the ids around it."""
    with writing_events(config(file), service="refrain-ingest"), naming(run_id="r1"):
        log.info("rejected", unit=7, uri='a "song", ü\n.mp3', elapsed_s=1.5)
    (line,) = written(file)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "service": "refrain-ingest", "event": "rejected", "run_id": "r1", "level": "info", "logger": "ingest.somewhere",
        "unit": 7, "uri": 'a "song", ü\n.mp3', "elapsed_s": 1.5,
    }  # fmt: skip


def test_ids_end_with_what_they_name(file: Path) -> None:
    """After a request, no line carries its id."""
    with writing_events(config(file)):
        with naming(request_id="mine"):
            log.info("request")
        log.info("other")
    assert [line.get("request_id") for line in written(file)] == ["mine", None]


def test_what_is_not_asked_for_is_not_written(file: Path) -> None:
    """Below the level nothing; nothing of other packages; nothing after the end; what standard loggers say is."""
    with writing_events(config(file)):
        log.debug("too small")
        logging.getLogger("botocore").warning("not ours")
        logging.getLogger("serve.plain").warning("%d keys", 3)
    log.error("too late")
    assert [line["event"] for line in written(file)] == ["3 keys"]


def test_no_secrets(file: Path) -> None:
    """Passwords in addresses are masked, in values and in tracebacks, which stay on the line."""
    with writing_events(config(file)):
        try:
            raise OSError("mysql+pymysql://me:hidden@host/db is away")
        except OSError as error:
            log.exception("failed", error=str(error))
    assert "hidden" not in file.read_text()
    (line,) = written(file)
    assert line["error"] == "mysql+pymysql://me:***@host/db is away"
    assert line["exception"].startswith("Traceback") and "test_events.py" in line["exception"]


def test_a_file_that_is_moved_away_is_begun_anew(file: Path) -> None:
    """As logrotate moves it: later lines go to a new file of the old name."""
    with writing_events(config(file)):
        log.info("before")
        file.rename(file.with_suffix(".1"))
        log.info("after")
    assert [line["event"] for line in written(file)] == ["after"]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Said in one line with the option's name."""
    with pytest.raises(ConfigurationError, match=r"logs\.file=.*: Is a directory"), writing_events(config(tmp_path)):
        pass


def test_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, without colours where no terminal is, and without the values of variables in tracebacks."""
    secret = "hidden"
    with writing_events(LogsConfig("text", "info", None)):
        try:
            raise ValueError(len(secret))
        except ValueError:
            log.exception("failed", unit=7)
    said = capsys.readouterr().err
    assert "failed" in said and "unit=7" in said and "ValueError: 6" in said
    assert "\x1b[" not in said and "hidden" not in said.replace('secret = "hidden"', "")
