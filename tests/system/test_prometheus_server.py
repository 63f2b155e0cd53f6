"""Prometheus itself, with the rules of the base, and pods found as the PodMonitors say; the figures are made up."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.repository.prometheus import alerts
from tests.repository.test_dashboards import expressions
from tests.system.prometheus_server import Prometheus, prometheus
from tests.waiting import wait_for

pytestmark = pytest.mark.integration
JOB_AND_SERVICE = """\
ray_refrain_ingest_files_total{catalog="default",outcome="rejected"} 30
ray_refrain_ingest_files_total{catalog="default",outcome="done"} 70
ray_serve_deployment_replica_healthy{application="refrain",deployment="api"} 0
"""


class Page(BaseHTTPRequestHandler):
    """Figures as a node of Ray shows them."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(JOB_AND_SERVICE.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def exporter() -> Iterator[int]:
    """The port of a pod that shows the figures."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Three pods show the same: one of the job, one of the service, and one that no PodMonitor selects."""
    with exporter() as port, prometheus(tmp_path_factory.mktemp("scraped") / "prometheus") as scraped:
        for pod, app in (("job", "refrain-ingest"), ("service", "refrain-serve"), ("other", "something-else")):
            scraped.discover(pod, app, [port])
        wait_for(lambda: len(scraped.query("up == 1")) == 2)
        yield scraped


def test_pods_get_the_labels_that_rules_select_by(scraped: Prometheus) -> None:
    """Namespace, pod and job come of the PodMonitors, and a pod of something else is not scraped."""
    found = {(one["namespace"], one["pod"], one["job"]) for one in scraped.series("up")}
    assert found == {("refrain", "job", "refrain-ingest"), ("refrain", "service", "refrain-serve")}


def test_every_expression_can_be_asked(scraped: Prometheus) -> None:
    """Prometheus answers each expression of rules and panels, if only with nothing."""
    for _, expression in expressions():
        scraped.query(expression)


def test_only_alerts_of_present_trouble_wait(scraped: Prometheus) -> None:
    """Rejects and a deployment without replicas are waited for, and nothing else is."""

    def troubled() -> set[str]:
        return {name for name, state in scraped.states().items() if state != "inactive"}

    wait_for(lambda: {"RefrainManyRejects", "RefrainDeploymentDown"} <= troubled())
    assert troubled() == {"RefrainManyRejects", "RefrainDeploymentDown"}
    assert scraped.states().keys() == alerts().keys()
