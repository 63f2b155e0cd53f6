"""The nightly copy of a RayJob: made once, awaited, and not made while another one runs."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest import nightly
from ingest.nightly import AWAY, DONE, FAILED, REFUSED, AccountToken, Owner, RayJobs, main, run

OWNER = Owner("refrain-nightly-1", "5ae5e8f4")
TEMPLATE = {
    "apiVersion": "ray.io/v1",
    "kind": "RayJob",
    "metadata": {"name": "refrain-ingest", "labels": {"app.kubernetes.io/name": "refrain-ingest"}, "uid": "1"},
    "spec": {"entrypoint": "python -m ingest", "jobId": "of-the-first-run", "suspend": True, "backoffLimit": 3},
    "status": {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"},
}


@dataclass
class Api:
    """The RayJobs of a namespace as Kubernetes tells them; `fails` breaks the next requests, `asleep` is the clock."""

    jobs: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {"refrain-ingest": json.loads(json.dumps(TEMPLATE))}
    )
    fails: list[httpx.Response | httpx.TransportError] = field(default_factory=list)
    asleep: Callable[[], None] = lambda: None
    slept_s: float = 0.0

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.fails:
            failure = self.fails.pop(0)
            if isinstance(failure, httpx.TransportError):
                raise failure
            return failure
        name = request.url.path.removeprefix("/apis/ray.io/v1/namespaces/music/rayjobs").strip("/")
        if request.method == "POST":
            return self._create(json.loads(request.content))
        if name:
            return httpx.Response(200, json=self.jobs[name]) if name in self.jobs else httpx.Response(404)
        key, _, value = request.url.params["labelSelector"].partition("=")
        return httpx.Response(
            200, json={"items": [job for job in self.jobs.values() if job["metadata"]["labels"].get(key) == value]}
        )

    def _create(self, job: dict[str, Any]) -> httpx.Response:
        if job["metadata"]["name"] in self.jobs:
            return httpx.Response(409)
        self.jobs[job["metadata"]["name"]] = job
        return httpx.Response(201, json=job)

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self.asleep()

    def end(self, status: str = "SUCCEEDED", deployment: str = "Complete") -> None:
        self.jobs[OWNER.name]["status"] = {"jobDeploymentStatus": deployment, "jobStatus": status}

    def client(self) -> RayJobs:
        return RayJobs(httpx.Client(transport=httpx.MockTransport(self.answer), base_url="https://api"), "music")


def test_a_copy_is_made_and_awaited() -> None:
    """The copy does the same work, belongs to the night's Job, is let go, and has an identity of its own."""
    api = Api()
    api.asleep = api.end
    assert run(api.client(), "refrain-ingest", OWNER, api.sleep) == DONE
    copy = api.jobs[OWNER.name]
    assert copy["spec"] == {"entrypoint": "python -m ingest", "suspend": False, "backoffLimit": 3}
    assert copy["metadata"] == {
        "name": OWNER.name,
        "labels": TEMPLATE["metadata"]["labels"],  # type: ignore[index]
        "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": OWNER.name, "uid": OWNER.uid}],
    }


@pytest.mark.parametrize(
    ("status", "deployment"), [("FAILED", "Failed"), ("STOPPED", "Complete"), ("", "ValidationFailed")]
)
def test_a_job_that_fails_is_told(status: str, deployment: str) -> None:
    """Whatever is not a success ends with exit code 1."""
    api = Api()
    api.asleep = lambda: api.end(status, deployment)
    assert run(api.client(), "refrain-ingest", OWNER, api.sleep) == FAILED


@pytest.mark.parametrize("state", ["Running", "Initializing", "Retrying", ""])
def test_nothing_is_done_while_another_runs(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The job itself is still under way, or one of an earlier night: no copy is made, and that is no failure."""
    api = Api()
    api.jobs["refrain-ingest"]["status"] = {"jobDeploymentStatus": state}
    assert run(api.client(), "refrain-ingest", OWNER, api.sleep) == DONE
    assert set(api.jobs) == {"refrain-ingest"}
    assert "refrain-ingest is still running" in capsys.readouterr().out


def test_a_pod_that_is_restarted_finds_its_copy() -> None:
    """A second process of the same Job waits for the copy of the first and makes none."""
    api = Api()
    api.jobs[OWNER.name] = nightly.copy_of(TEMPLATE, OWNER) | {"status": {"jobDeploymentStatus": "Running"}}
    api.asleep = api.end
    assert run(api.client(), "refrain-ingest", OWNER, api.sleep) == DONE
    assert len(api.jobs) == 2


def test_passing_failures_are_waited_out() -> None:
    """While the API is away, for up to ten minutes, the job is still awaited."""
    api = Api()
    passing = [httpx.ConnectError("refused"), httpx.Response(503, request=httpx.Request("GET", "https://api"))]

    def fail_then_end() -> None:
        if passing:
            api.fails.append(passing.pop())  # type: ignore[arg-type]
        else:
            api.end()

    api.asleep = fail_then_end
    assert run(api.client(), "refrain-ingest", OWNER, api.sleep) == DONE
    assert api.slept_s >= 3 * nightly.POLL_S


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in nightly.VARIABLES:
        monkeypatch.setenv(name, OWNER.name)


@pytest.mark.usefixtures("pod")
def test_exit_codes_of_what_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """No such job, no permission, nobody there, and wrong arguments have the exit codes that the CronJob knows."""
    forbidden = httpx.Response(403, request=httpx.Request("GET", "https://api"))
    assert main(["no-such-job"], Api().client()) == REFUSED
    assert main(["refrain-ingest"], Api(fails=[forbidden]).client()) == REFUSED
    assert main(["refrain-ingest"], Api(fails=[httpx.ConnectError("refused")]).client()) == AWAY
    assert main([], Api().client()) == REFUSED
    monkeypatch.delenv("JOB_UID")
    assert main(["refrain-ingest"], Api().client()) == REFUSED


def test_a_renewed_token_is_used(tmp_path: Path) -> None:
    """Kubernetes writes a new token into the file every hour: each request reads it."""
    seen = []
    transport = httpx.MockTransport(
        lambda request: seen.append(request.headers["Authorization"]) or httpx.Response(200)
    )
    client = httpx.Client(transport=transport, auth=AccountToken(tmp_path / "token"))
    for token in ("first", "second\n"):
        (tmp_path / "token").write_text(token)
        client.get("https://api")
    assert seen == ["Bearer first", "Bearer second"]
