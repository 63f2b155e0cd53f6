"""`python -m serve.keys`, and which services start without a key."""

import stat
from pathlib import Path

import pytest

from conf import compose
from ingest.stores import ConfigurationError
from serve.__main__ import configured
from serve.__main__ import main as serve
from serve.config import ServeConfig
from serve.keys import check_access, hash_of, is_loopback, main, parse_keys, read_keys

HASH = "sha256:" + "ab" * 32


def config(*options: str) -> ServeConfig:
    return compose("serve", ["home=/tmp", *options], ServeConfig)


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]


def test_a_new_key_is_a_token_and_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The line is an entry of `keys` that the token fits, and no two tokens are alike."""
    assert main(["laptop", "--scopes", "read,write", "--per-minute", "90", "--burst", "5"]) == 0
    token, line = printed(capsys)
    (key,) = parse_keys(line, "line")
    assert key.hash == hash_of(token) and token not in line
    assert (key.name, key.scopes, key.per_minute, key.burst) == ("laptop", ["read", "write"], 90.0, 5)
    assert config(f"keys=[{line.removeprefix('- ')}]").keys == [key]
    assert len(token.removeprefix("refrain_")) == 43  # 32 bytes in base64
    assert main(["laptop"]) == 0
    assert printed(capsys)[0] != token


def test_keys_are_appended_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file holds the lines, never a token, and is its owner's alone; a second key of a name is refused."""
    file = tmp_path / "keys.yaml"
    assert main(["one", "--append", str(file)]) == 0
    (token,) = printed(capsys)
    file.write_text(file.read_text().rstrip("\n"))
    assert main(["two", "--append", str(file)]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [key.name for key in read_keys(file)] == ["one", "two"] and token not in file.read_text()
    before = file.read_text()
    assert main(["two", "--append", str(file)]) == 2
    assert file.read_text() == before
    assert "same name" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["a b"], ["x", "--scopes", "all"], ["x", "--per-minute", "0"], ["x", "--burst", "3"]]
)
def test_a_wrong_key_is_a_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be a key is one line and no token."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("refrain_secret", "list"),
        ("- refrain_secret", "list"),
        ("{a: [", "YAML"),
        ("- {name: x, hash: refrain_secret}", "hash of x"),
        (f"- {{name: x, hash: '{HASH}', scopes: []}}", "scope"),
        (f"- {{name: x, hash: '{HASH}', scope: [read]}}", "unknown option"),
        (f"- {{name: x, hash: '{HASH}'}}\n- {{name: y, hash: '{HASH}'}}", "same hash"),
        (f"- {{name: '{'x' * 65}', hash: '{HASH}'}}", "64"),
        (f"- {{hash: '{HASH}'}}", "keys"),
    ],
)
def test_files_that_hold_no_keys(text: str, said: str) -> None:
    """Whatever is wrong with a file is one line, which does not repeat what may be a token."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        parse_keys(text, "keys_file=x")
    assert "secret" not in str(caught.value)


def test_others_are_let_in_by_keys_or_on_purpose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beyond loopback a service without keys ends with 2 and one line, before anything is started."""
    assert serve([f"home={tmp_path}", "host=0.0.0.0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "host=0.0.0.0" in line and "python -m serve.keys" in line and "open=true" in line
    assert serve([f"home={tmp_path}", f"keys_file={tmp_path}/none"]) == 2
    assert "No such file" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match="in a cluster"):
        check_access(config(), exposed=True)
    key = f"keys=[{{name: x, hash: '{HASH}'}}]"
    for allowed in ((key,), ("keys_file=/x",), ("open=true",)):
        check_access(config("host=0.0.0.0", *allowed), exposed=True)
    check_access(config(), exposed=False)
    for wrong, said in (
        ((key, "open=true"), "without keys"),
        (("cors_origins=[app.example]",), "no origin"),
        (("cors_origins=[https://app.example/]",), "no origin"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            check_access(config(*wrong), exposed=False)
    check_access(config("cors_origins=[https://app.example:8443, '*']"), exposed=False)


def test_a_file_is_found_from_wherever_the_replicas_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative `keys_file` is one of the folder that the service was started in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.yaml").write_text(f"- {{name: x, hash: '{HASH}'}}")
    assert configured([f"home={tmp_path}", "keys_file=keys.yaml"]).keys_file == str(tmp_path / "keys.yaml")


def test_what_loopback_is() -> None:
    """Only addresses of this machine alone count, and no other name than localhost."""
    assert [host for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost") if not is_loopback(host)] == []
    assert [
        host for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example") if is_loopback(host)
    ] == []
