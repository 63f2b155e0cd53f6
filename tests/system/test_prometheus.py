"""A real Prometheus scrapes a real job and a real service: what dashboards and alerts ask for is there."""

import json
import math
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from serve.client import Client, ClientError
from serve.process_tree import descendants
from tests.repository.figures import OF_KUBERAY, selectors
from tests.repository.test_dashboards import expressions
from tests.system.answering import Answering, answering, clips, wait_for
from tests.system.answering import command as title
from tests.system.catalogue import ROOT, environment, write_pieces
from tests.system.catalogue import command as job_command
from tests.system.prometheus_server import Prometheus, prometheus
from tests.system.scrape import metrics_ports

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(1_800)]
SESSION = re.compile(r"(/[^\0=]*refrain-[^/\0]+)/session_")
PATIENCE_S = 300.0
UPLOADS = (b"no music", b"")
NOT_HERE = {  # figures that neither job nor service can export on this machine
    **dict.fromkeys(OF_KUBERAY, "the operator's own"),
    "ray_node_gpus_available": "no GPU",
    "ray_node_gpus_utilization": "no GPU",
}
NOT_PROVOKED = (
    "too_many_requests",
    "decode_timeout",
    'route="/readyz"',
    "SPILLED",
)  # trouble that would have to happen
PROVOKED = {"RefrainPartAway", "RefrainErrors", "RefrainErrorBudgetBurnsFast", "RefrainErrorBudgetBurnsSlowly"}
ABSENT = {"RefrainJobFailed", "RefrainServiceDown", "RefrainManyRejects", "RefrainObjectStoreSpills", "RefrainUnseen"}


def service_ports(service: Answering) -> set[int]:
    """The metrics port of the service's own Ray, as Ray wrote it down."""
    folders = {found[1] for one in descendants(service.process.pid) if (found := SESSION.search(title(one.pid)))}
    files = [file for each in folders for file in Path(each).glob("session_latest/metrics_export_port_*")]
    return {int(file.read_text()) for file in files}


def ask(service: Answering) -> None:
    """Every clip, and two uploads that are none; what is refused is counted, too."""
    with Client(service.url, retries=0) as client:
        for body in (*(clip.body for clip in clips()), *UPLOADS):
            with suppress(ClientError):
                client.identify(body)


def run_job(folder: Path, scraped: Prometheus) -> None:
    """A hundred files and a text, scraped from the moment that its Ray stands."""
    music = folder / "music"
    for path in write_pieces(music, 4):
        for number in range(25):
            (music / f"{number:02d} {path.name}").hardlink_to(path)
    (music / "00 text.mp3").write_text("These are words, not music.\n" * 200)
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
    assert job.returncode == 0, (folder / "job.log").read_text(errors="replace")


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """After a job, clips that were answered, and clips that were refused because Milvus was gone."""
    folder = tmp_path_factory.mktemp("scraped")
    with prometheus(folder / "prometheus") as scraped:
        run_job(folder, scraped)
        with answering(folder / "service") as service:
            scraped.discover("service", "refrain-serve", service_ports(service))
            ask(service)
            wait_for(lambda: bool(scraped.query('ray_refrain_requests_total{code="ok"}')), PATIENCE_S)
            ask(service)
            service.servers.stop("milvus")
            away = 'rate(ray_refrain_requests_total{code="vector_store"}[5m]) > 0'

            def refused() -> bool:
                ask(service)
                return bool(scraped.query(away))

            wait_for(refused, PATIENCE_S)
            wait_for(lambda: not [n for n in PROVOKED if scraped.states()[n] == "inactive"], PATIENCE_S)
            yield scraped


def test_every_selector_finds_its_series(scraped: Prometheus) -> None:
    """What rules and panels select was scraped or recorded; what is listed as not here was not."""
    asked = {one for _, expression in expressions() for one in selectors(expression)}
    elsewhere = {one for one in asked if re.split(r"\{", one)[0] in NOT_HERE}
    untroubled = {one for one in asked if any(trouble in one for trouble in NOT_PROVOKED)}
    missing = sorted(one for one in asked - elsewhere - untroubled if not scraped.series(one))
    assert not missing, "\n".join(missing)
    assert not [name for name in NOT_HERE if scraped.series(name)], "it is here after all"


def test_alerts_know_trouble_from_none(scraped: Prometheus) -> None:
    """Those of the trouble that was made wait or fire, and those of other trouble do not."""
    states = scraped.states()
    assert not {name for name in PROVOKED if states[name] == "inactive"}
    assert not {name for name in ABSENT if states[name] != "inactive"}


def test_the_panels_of_the_service_show_numbers(scraped: Prometheus) -> None:
    """What tells of a service that is asked yields a finite value now."""
    shown = {
        "refrain_requests_total": "sum(rate(ray_refrain_requests_total[5m]))",
        "memory": "ray_node_mem_used / ray_node_mem_total",
        "p99": "namespace:refrain_identify_ms:p99_5m",
    }
    for name, expression in shown.items():
        values = [float(one["value"][1]) for one in scraped.query(expression)]
        assert values and all(map(math.isfinite, values)), (name, json.dumps(values))
