"""`python -m ingest.nightly NAME`: inside Kubernetes, run the RayJob NAME once more, as a copy, and wait for its end.

A CronJob does this every night. The copy is called like the CronJob's Job and belongs to it: they go together, and a
pod that is restarted finds the copy that it made. While NAME itself or another copy runs, nothing is done. Copies are
told by the label app.kubernetes.io/name, which NAME must have.

Exit codes: 0 done, or nothing to do · 1 the copy failed · 2 there is no NAME, or the copy is gone, or the account may
not · 3 the Kubernetes API does not answer: run it again.
"""

import os
import ssl
import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
ENDED = ("Complete", "Failed", "ValidationFailed")
IDLE = ("Suspended", *ENDED)
VARIABLES = ("JOB_NAME", "JOB_UID", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
NAME_LABEL = "app.kubernetes.io/name"
POLL_S = 15.0
TIMEOUT_S = 30.0
PATIENCE_S = 600.0  # without an answer
DONE, FAILED, REFUSED, AWAY = 0, 1, 2, 3

RayJob = dict[str, Any]


@dataclass(frozen=True)
class Owner:
    """The Job that this process is a pod of."""

    name: str
    uid: str

    def reference(self) -> dict[str, str]:
        return {"apiVersion": "batch/v1", "kind": "Job", "name": self.name, "uid": self.uid}


class AccountToken(httpx.Auth):
    """The account's token, read for each request: Kubernetes renews it in its file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._path.read_text(encoding='utf-8').strip()}"
        yield request


class RayJobs:
    """The RayJobs of one namespace. Errors are httpx's."""

    def __init__(self, client: httpx.Client, namespace: str) -> None:
        self._client = client
        self._path = f"/apis/ray.io/v1/namespaces/{namespace}/rayjobs"

    def get(self, name: str) -> RayJob:
        return self._told(self._client.get(f"{self._path}/{name}"))

    def named(self, label: str) -> list[RayJob]:
        """Those whose label of the name says so: a RayJob and its copies."""
        response = self._client.get(self._path, params={"labelSelector": f"{NAME_LABEL}={label}"})
        found: list[RayJob] = self._told(response)["items"]
        return found

    def create(self, job: RayJob) -> None:
        """One that is there already is left as it is."""
        response = self._client.post(self._path, json=job)
        if response.status_code != httpx.codes.CONFLICT:
            response.raise_for_status()

    @staticmethod
    def _told(response: httpx.Response) -> dict[str, Any]:
        response.raise_for_status()
        told: dict[str, Any] = response.json()
        return told


def copy_of(job: RayJob, owner: Owner) -> RayJob:
    """The same work as a new RayJob that belongs to the owner and is not held back."""
    spec = {key: value for key, value in job["spec"].items() if key != "jobId"}
    return {
        "apiVersion": job["apiVersion"],
        "kind": job["kind"],
        "metadata": {
            "name": owner.name,
            "labels": job["metadata"].get("labels", {}),
            "ownerReferences": [owner.reference()],
        },
        "spec": spec | {"suspend": False},
    }


def running(jobs: Sequence[RayJob], besides: str) -> list[str]:
    """The names of those that are under way."""
    names = [job["metadata"]["name"] for job in jobs if _state(job) not in IDLE]
    return [name for name in names if name != besides]


def run(jobs: RayJobs, name: str, owner: Owner, sleep: Callable[[float], None] = time.sleep) -> int:
    """Make the copy and wait for its end; comes back with an exit code."""
    job = jobs.get(name)
    others = running(jobs.named(name), owner.name)
    if others:
        print(f"nightly: {', '.join(others)} is still running: nothing is done tonight", flush=True)
        return DONE
    jobs.create(copy_of(job, owner))
    print(f"nightly: {owner.name} is the job of tonight", flush=True)
    return wait(jobs, owner.name, sleep)


def wait(jobs: RayJobs, name: str, sleep: Callable[[float], None]) -> int:
    """Until it is through; passing errors are waited out for PATIENCE_S."""
    silent_s = 0.0
    while True:
        try:
            job = jobs.get(name)
        except httpx.HTTPError as error:
            silent_s += POLL_S
            if silent_s > PATIENCE_S or not is_passing(error):
                raise
        else:
            silent_s = 0.0
            if _state(job) in ENDED:
                return _ending(job)
        sleep(POLL_S)


def is_passing(error: httpx.HTTPError) -> bool:
    """Whether asking again may help: nobody answered, or the server has a problem of its own."""
    return not isinstance(error, httpx.HTTPStatusError) or error.response.is_server_error


def _state(job: RayJob) -> str:
    return str(job.get("status", {}).get("jobDeploymentStatus", ""))


def _ending(job: RayJob) -> int:
    status = job["status"]
    print(
        f"nightly: {job['metadata']['name']}: {status.get('jobStatus')} {status.get('message', '')}".rstrip(),
        flush=True,
    )
    return DONE if status.get("jobStatus") == "SUCCEEDED" else FAILED


def in_cluster(account: Path = ACCOUNT) -> RayJobs:
    """Through the account of this pod."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    address = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    client = httpx.Client(
        base_url=address,
        verify=_authority(account / "ca.crt"),
        auth=AccountToken(account / "token"),
        timeout=TIMEOUT_S,
        trust_env=False,
    )
    return RayJobs(client, (account / "namespace").read_text(encoding="utf-8").strip())


def _authority(path: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(path))


def main(arguments: Sequence[str], jobs: RayJobs | None = None) -> int:
    """Do it; comes back with an exit code."""
    missing = [name for name in VARIABLES if name not in os.environ]
    if len(arguments) != 1 or missing:
        print(f"nightly: {missing[0]} is not set: this is for a pod" if missing else __doc__, file=sys.stderr)
        return REFUSED
    try:
        return run(jobs or in_cluster(), arguments[0], Owner(os.environ["JOB_NAME"], os.environ["JOB_UID"]))
    except httpx.HTTPError as error:
        print(f"nightly: {error}", file=sys.stderr)
        return AWAY if is_passing(error) else REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
