"""The process around the service: configuration, ports, and what it leaves behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conf import compose
from ingest.stores import ConfigurationError, MetadataError
from serve.__main__ import ExitCode, PortError, configured, listen_once, look_at_metadata, main
from serve.config import ServeConfig, check
from serve.local_ray import cpus
from serve.process_tree import descendants, end, read_process


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return str(line)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "home"),
        (["home=/tmp", "prot=1"], "port"),
        (["home=/tmp", "port=eight"], "port"),
        (["home=/tmp", "port=70000"], "65535"),
        (["home=/tmp", "vectors=faiss"], "milvus"),
        (["home=/dev/null/x"], "home"),
        (["home=/tmp", "encoder.weights=/absent/x.safetensors"], "/absent/x.safetensors"),
        (["home=/tmp", "host=256.1.1.1"], "256.1.1.1"),
        (["home=/tmp", "bounds.clip_s=600"], "batch_embeddings"),
        (["home=/tmp", "bounds.concurrent=0"], "concurrent"),
        (["home=/tmp", "bounds.waiting=-1"], "waiting"),
        (["home=/tmp", "bounds.drain_s=0"], "drain_s"),
        (["home=/tmp", "lookups.cache_s=0"], "cache_s"),
        (["home=/tmp", "lookups.degraded_s=-1"], "degraded_s"),
        (["home=/tmp", "health.failures=0"], "failures"),
        (["home=/tmp", "health.count_every_s=-1"], "count_every_s"),
        (["home=/tmp", "resources.embed_gpus=1"], "embed_replicas=0"),
        (["home=/tmp", "resources.api_replicas=3", "resources.api_max_replicas=2"], "api_max_replicas=2"),
        (["home=/tmp", "catalog.name=a/b", "port=0"], "port"),
    ],
)
def test_configuration_errors_are_one_line_and_a_two(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is wrong with the command line ends in one readable line that names it."""
    assert main(options) == ExitCode.CONFIGURATION
    assert said in one_line(capsys)


def test_a_port_in_use_is_one_line_and_a_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A taken port is told before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main([f"home={tmp_path}", f"port={port}"]) == ExitCode.PORT_IN_USE
    assert str(port) in one_line(capsys)


def test_a_database_that_is_away_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A MySQL that does not answer is told in one line and hinders nothing; a file that cannot be used does."""
    url = "mysql+pymysql://root:s3cret@127.0.0.1:1/refrain"
    look_at_metadata(configured([f"home={tmp_path}", "metadata=mysql", f"metadata.url={url}"]))
    line = one_line(capsys)
    assert "127.0.0.1:1" in line and "once that is there" in line and "s3cret" not in line
    (tmp_path / "metadata.sqlite").write_bytes(b"no database" * 1_000)
    with pytest.raises(MetadataError):
        look_at_metadata(configured([f"home={tmp_path}"]))


def test_a_free_port_is_left_free() -> None:
    """Looking whether a port is free does not take it, nor does a connection of a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortError):
            listen_once("127.0.0.1", port)
    for _ in range(2):
        listen_once("127.0.0.1", port)


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """--help shows the groups and the options with their defaults."""
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for option in ("vectors=", "metadata=", "port=8000", "host=127.0.0.1", "bounds.body_mib=32"):
        assert option in text


def test_homes_are_taken_literally(tmp_path: Path) -> None:
    """Spaces, commas and brackets in the home are part of its name."""
    home = tmp_path / "My Songs (2020), [x] #1"
    config = configured([f"home={home}"])
    assert config.home_path == home
    assert home.is_dir()


@pytest.mark.parametrize("encoders", [0, 1])
def test_the_replicas_leave_room_on_two_cores(encoders: int) -> None:
    """All replicas together, also with an encoder of its own, ask for less than one CPU: a job can run on the other."""
    config = compose("serve", ["home=/tmp", f"resources.embed_replicas={encoders}"], ServeConfig)
    assert cpus(config.resources) < 1
    check(config)
    config.bounds.deadline_s = 0
    with pytest.raises(ConfigurationError, match="deadline_s"):
        check(config)


def test_an_ipv6_host_makes_a_url() -> None:
    """A literal address of IPv6 stands in brackets."""
    assert compose("serve", ["home=/tmp", "host=::1"], ServeConfig).url == "http://[::1]:8000/"


def test_a_cluster_builds_the_application_from_options(tmp_path: Path) -> None:
    """`serve.app:build`, with the options of a serve configuration, gives an application without touching a store."""
    code = (
        "from serve.app import build; "
        f"print(type(build({{'home': {str(tmp_path)!r}, 'open': True, 'vectors': 'milvus', 'vectors.uri': 'http://m:19530'}})).__name__)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "Application\n"
    assert not list(tmp_path.iterdir())


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) > 1:
    subprocess.Popen([sys.executable, "-c", open(sys.argv[1]).read()])
print("up", flush=True)
time.sleep(60)
"""


def test_processes_below_are_found_and_ended(tmp_path: Path) -> None:
    """A child and a grandchild that ignore SIGTERM are found and gone; one in a session of its own is spared."""
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN)
    child = subprocess.Popen([sys.executable, script, script], stdout=subprocess.PIPE)
    apart = subprocess.Popen(["sleep", "60"], start_new_session=True)
    assert child.stdout is not None
    with child.stdout:
        child.stdout.readline()
        child.stdout.readline()
        found = descendants(os.getpid())
        assert len([process for process in found if process.pid == child.pid or process.parent == child.pid]) == 2
        assert apart.pid not in {process.pid for process in found}
        end([process for process in found if process.pid == child.pid or process.parent == child.pid], patience_s=0.3)
        assert child.wait(5) == -signal.SIGKILL
    apart.kill()
    apart.wait()


def test_a_reused_number_is_another_process() -> None:
    """A process that has ended is not taken for a later one; nothing at all is said of a number without a process."""
    gone = subprocess.Popen(["sleep", "60"])
    process = read_process(gone.pid)
    assert process is not None
    assert process.alive
    gone.kill()
    time.sleep(0.05)
    assert not process.alive
    gone.wait()
    assert read_process(gone.pid) is None
