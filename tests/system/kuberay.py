"""What KubeRay 1.7 makes of a RayJob and a RayService: `ray start`, the containers' variables, the submitter's command.

As the operator's `pod.go` and `job.go` have it. In place of cgroups, which would tell Ray how much memory a container
has, stands the size of the object store.
"""

import shlex
from typing import Any

from tests.repository.kubernetes import Manifest

GCS, DASHBOARD, AGENT, METRICS = 6379, 8265, 52365, 8080
OBJECT_STORE = {"object-store-memory": str(100_000_000)}
BINARY = {"Gi": 2**30, "Mi": 2**20}
GIVEN = {
    "RAY_PORT": str(GCS),
    "RAY_USAGE_STATS_KUBERAY_IN_USE": "1",
    "RAY_DASHBOARD_ENABLE_K8S_DISK_USAGE": "1",
    "RAY_AUTH_MODE": "token",
}
OF_A_SERVICE = {
    "RAY_timeout_ms_task_wait_for_death_info": "0",
    "RAY_gcs_server_request_timeout_seconds": "5",
    "RAY_SERVE_KV_TIMEOUT_S": "5",
}


def start_command(group: Manifest, head: str | None) -> str:
    """Of a container of this group; `head` is where the workers find the GCS, None: it is the head."""
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    options = {
        "metrics-export-port": str(METRICS),
        "dashboard-agent-listen-port": str(AGENT),
        "num-cpus": str(limits["cpu"]),
        "memory": str(int(limits["memory"][:-2]) * BINARY[limits["memory"][-2:]]),
        **OBJECT_STORE,
        **({"dashboard-host": "0.0.0.0"} if head is None else {"address": f"{head}:{GCS}"}),
        **group["rayStartParams"],
        "block": "true",
    }
    told = [f"--{name}" if value == "true" else f"--{name}={value}" for name, value in sorted(options.items())]
    return shlex.join(["ray", "start", *(["--head"] if head is None else []), *told])


def variables(kind: str, head: str | None, token: str) -> dict[str, str]:
    """What a container of a Ray cluster finds beside what its manifest says."""
    own = {"RAY_ADDRESS": f"{head or '127.0.0.1'}:{GCS}", "RAY_AUTH_TOKEN": token}
    return GIVEN | (OF_A_SERVICE if kind == "RayService" else {}) | own


def submit_command(entrypoint: str, job: str, head: str) -> str:
    """Of the container that submits: once, however often it is started, and then it follows the log."""
    address = f"--address http://{head}:{DASHBOARD}"
    return (
        f"if ! ray job status {address} {job} >/dev/null 2>&1 ; then "
        f"ray job submit {address} --no-wait --submission-id {job} -- {entrypoint.strip()} ; fi ; "
        f"ray job logs {address} --follow {job}"
    )


def running(applications: Any) -> bool:
    """Whether what GET /api/serve/applications/ told is all there, as the operator looks at it."""
    told = applications["applications"].values()
    return bool(told) and all(
        one["status"] == "RUNNING" and all(part["status"] == "HEALTHY" for part in one["deployments"].values())
        for one in told
    )
