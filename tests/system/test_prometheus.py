"""A real Prometheus scrapes a real job and a real service: what dashboards and alerts ask for is there."""

import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from scripts.dashboards.__main__ import main
from scripts.dashboards.boards import read_boards, with_values
from scripts.dashboards.ranges import Ranges, Span
from serve.client import Client, ClientError
from serve.process_tree import descendants
from tests.repository.figures import OF_KUBERAY, recorded, selectors
from tests.repository.test_dashboards import expressions
from tests.system.answering import Answering, answering, clips, stores, until
from tests.system.answering import command as title
from tests.system.catalogue import ROOT, environment, write_pieces
from tests.system.catalogue import command as job_command
from tests.system.prometheus_server import Prometheus, prometheus
from tests.system.scrape import metrics_ports

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(1_800)]
SESSION = re.compile(r"(/[^\0=]*refrain-[^/\0]+)/session_")
PATIENCE_S = 300.0
CALLERS, FEW_PLACES = 4, ("bounds.concurrent=1", "bounds.wait_s=0.01")
OFTEN_COUNTED = "health.count_every_s=1"
VALUES = {"namespace": "refrain", "catalog": "default", "__rate_interval": "20s"}
GPUS = {"ray_node_gpus_available", "ray_node_gpus_utilization"}
# What neither job nor service can export here: figures of KubeRay's operator, and those of GPUs where there are none.
NOT_HERE = {*OF_KUBERAY, *(GPUS if not Path("/dev/nvidiactl").exists() else ())}
NOT_PROVOKED = 'code=~"decode_timeout|decode_failed"'  # an upload that hangs or crashes a decoder: test_decoders.py
FULL, NAMELESS, LOSS = {"RefrainFull"}, {"RefrainDegraded"}, {"RefrainVectorsDiffer"}
AWAY = {
    "RefrainPartAway", "RefrainNotReady", "RefrainErrors",
    "RefrainErrorBudgetBurnsFast", "RefrainErrorBudgetBurnsSlowly",
}  # fmt: skip
ABSENT = {
    "RefrainJobFailed", "RefrainServiceDown", "RefrainManyRejects", "RefrainObjectStoreSpills", "RefrainUnseen",
    "RefrainHostileUploads",
}  # fmt: skip


def service_ports(service: Answering) -> set[int]:
    """The metrics port of the service's own Ray, as Ray wrote it down."""
    folders = {found[1] for one in descendants(service.process.pid) if (found := SESSION.search(title(one.pid)))}
    files = [file for each in folders for file in Path(each).glob("session_latest/metrics_export_port_*")]
    return {int(file.read_text()) for file in files}


@cache
def uploads() -> list[bytes]:
    """Every clip, and two that are none."""
    return [*(clip.body for clip in clips()), b"no music", b""]


def ask(service: Answering) -> None:
    """All uploads, several at once, and whether it is ready; what is refused is counted, too."""
    with Client(service.url, retries=0) as client, ThreadPoolExecutor(CALLERS) as callers:

        def identify(body: bytes) -> None:
            with suppress(ClientError):
                client.identify(body)

        list(callers.map(identify, uploads()))
        client.ready()


def ask_until(scraped: Prometheus, service: Answering, alerts: set[str]) -> None:
    """Until the Prometheus has seen trouble that all of the alerts are about."""

    def seen() -> bool:
        ask(service)
        return alerts <= scraped.troubled()

    until(seen, within_s=PATIENCE_S)


def run_job(folder: Path, scraped: Prometheus) -> None:
    """A text and three hundred files, scraped from the moment that its Ray stands."""
    music = folder / "music"
    for path in write_pieces(music, 4):
        for number in range(75):
            (music / f"{number:02d} {path.name}").hardlink_to(path)
    (music / "0 text.mp3").write_text("These are words, not music.\n" * 200)  # the first one: it is counted in time
    arguments = job_command(folder / "home", music, "compute.sink_windows=8", "on_rejects=exit0")
    often = {"RAY_metrics_report_interval_ms": "300"}
    with (folder / "job.log").open("wb") as said:
        job = subprocess.Popen(arguments, cwd=ROOT, env=environment() | often, stdout=said, stderr=said)
    try:
        while job.poll() is None:
            scraped.discover("job", "refrain-ingest", metrics_ports(job.pid))
            time.sleep(0.5)
    finally:
        job.terminate()
        job.wait()
    scraped.discover("job", "refrain-ingest", [])
    assert job.returncode == 0, (folder / "job.log").read_text(errors="replace")


def make_trouble(scraped: Prometheus, service: Answering) -> None:
    """More callers than places, which is no error; then the names are away for a while, some vectors are lost, and at
    last all of them are away."""
    ask_until(scraped, service, FULL)
    assert not (AWAY | LOSS) & scraped.troubled()
    service.servers.stop("mysql")
    ask_until(scraped, service, NAMELESS)
    service.servers.start("mysql")
    assert not LOSS & scraped.troubled()
    with stores(service.servers) as (_, vectors):
        vectors.delete_recordings(service.generations[0].collection, [1])
    ask_until(scraped, service, LOSS)
    service.servers.stop("milvus")
    ask_until(scraped, service, AWAY)


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """After a job, and a service in all the trouble."""
    folder = tmp_path_factory.mktemp("scraped")
    with prometheus(folder / "prometheus") as scraped:
        run_job(folder, scraped)
        with answering(folder / "service", *FEW_PLACES, OFTEN_COUNTED) as service:
            scraped.discover("service", "refrain-serve", service_ports(service))
            make_trouble(scraped, service)
            yield scraped


def test_every_selector_finds_its_series(scraped: Prometheus) -> None:
    """What rules and panels select was scraped, and what rules record is there; what is listed as not here is not."""
    asked = {one for _, expression in expressions() for one in selectors(expression)} | set(recorded())
    elsewhere = {one for one in asked if one.partition("{")[0] in NOT_HERE or NOT_PROVOKED in one}
    missing = sorted(one for one in asked - elsewhere if not scraped.series(one))
    assert not missing, "\n".join(missing)
    assert not [one for one in elsewhere if scraped.series(one)], "it is here after all"


def test_rays_proxies_count_by_route(scraped: Prometheus) -> None:
    """Requests and looks at the readiness are told apart where errors of the objective are counted."""
    counted = {one["route"] for one in scraped.series('ray_serve_num_http_requests_total{application="refrain"}')}
    assert counted >= {"/v1/identify", "/readyz"}  # and "/" of the first look, before a proxy has learnt the routes


def test_every_panel_shows_numbers(scraped: Prometheus) -> None:
    """Each expression of each panel has a finite value at some time, but for what cannot be here."""
    ranges = Ranges(scraped.url, Span(scraped.began_s, time.time(), 1.0), VALUES)
    targets = [target for board in read_boards() for panel in board.panels for target in panel.targets]
    silent = {target.expression for target in targets if not list(ranges.curves_of(target))}
    elsewhere = {one.expression for one in targets if any(name in one.expression for name in NOT_HERE)}
    assert silent == elsewhere, "\n".join(with_values(one, VALUES) for one in silent ^ elsewhere)


def test_alerts_know_trouble_from_none(scraped: Prometheus) -> None:
    """Those of the trouble that was made waited or fired, and those of other trouble did not."""
    assert scraped.troubled() >= FULL | NAMELESS | LOSS | AWAY
    assert not ABSENT & scraped.troubled()


def test_the_dashboards_can_be_drawn(scraped: Prometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m scripts.dashboards` makes a picture of each, and only what cannot be here is missing in them."""
    until_s = time.time()
    span = [f"last_s={until_s - scraped.began_s}", f"until_s={until_s}", "step_s=1", "rate_s=20"]
    assert main([f"url={scraped.url}", f"out={tmp_path}", *span]) == 0
    job, serve, stores = capsys.readouterr().out.splitlines()
    assert "; no data: Jobs" in job and "no data" not in serve + stores
    for name in ("ingest", "serve", "stores"):
        assert (tmp_path / f"dashboard-{name}.png").stat().st_size > 20_000
