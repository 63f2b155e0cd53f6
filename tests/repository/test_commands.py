"""Every command and variable of the manifests, run with the configuration that the ConfigMap carries."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.repository import serve_config
from tests.repository.configured import environment, mounted, needed_files, python, run, shipped, write_files
from tests.repository.kubernetes import (
    INSTALLATIONS,
    RAY_KINDS,
    Manifest,
    cluster_spec,
    containers,
    every_installation,
    of_kind,
    pod_specs,
)

CONF = "/etc/refrain/conf"
SHOWN = {"vectors": ("uri", "REFRAIN_MILVUS_URI"), "metadata": ("url", "REFRAIN_MYSQL_URL")}
# Variable: who reads it. All of them in one program, which prints what they read.
ELSEWHERE = {
    "RAY_USAGE_STATS_ENABLED": "usage_stats_enabled()",
    "RAY_health_check_period_ms": "Config.health_check_period_ms()",
    "RAY_health_check_timeout_ms": "Config.health_check_timeout_ms()",
    "RAY_health_check_failure_threshold": "Config.health_check_failure_threshold()",
    "RAY_max_direct_call_object_size": "compiled('max_direct_call_object_size')",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "int(PROXY_READY_CHECK_TIMEOUT_S)",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH",
    "RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH": "RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH",
    "RAY_SERVE_TRACING_SAMPLING_RATIO": "RAY_SERVE_TRACING_SAMPLING_RATIO",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "collector(OTLPSpanExporter())",
    "OTEL_TRACES_SAMPLER": "sampler(TracerProvider())",
    "OTEL_TRACES_SAMPLER_ARG": "share()",
    "AWS_ENDPOINT_URL": "s3.meta.endpoint_url",
    "AWS_DEFAULT_REGION": "s3.meta.region_name",
    "AWS_ACCESS_KEY_ID": "session.get_credentials().access_key",
    "AWS_SECRET_ACCESS_KEY": "session.get_credentials().secret_key",
}
READERS = """
import json
import os
from pathlib import Path
import botocore.session
from conf.traces import share
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from ray import _raylet
from ray._raylet import Config
from ray._common.usage.usage_lib import usage_stats_enabled
from ray.serve._private.constants import PROXY_READY_CHECK_TIMEOUT_S, RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH
from ray.serve._private.constants import RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH, RAY_SERVE_TRACING_SAMPLING_RATIO

def compiled(name):  # Ray's native part alone asks for it, and lets nobody see: at least it is a name that it knows
    return os.environ["RAY_" + name] if name.encode() in Path(_raylet.__file__).read_bytes() else "unknown"

def collector(exporter):
    return exporter._endpoint.removesuffix("/v1/traces")

def sampler(provider):
    return "parentbased_traceidratio" if provider.sampler.get_description().count("TraceIdRatio") else "another"

session = botocore.session.Session()
s3 = session.create_client("s3")
"""


def ray_containers(layer: str) -> list[tuple[Manifest, Manifest]]:
    """Pod and container of every node of the Ray clusters; the job's submitter only passes the entrypoint on."""
    return [
        (group["template"]["spec"], group["template"]["spec"]["containers"][0])
        for manifest in of_kind(layer, *RAY_KINDS)
        for group in (cluster_spec(manifest)["headGroupSpec"], *cluster_spec(manifest)["workerGroupSpecs"])
    ]


@pytest.fixture
def node(tmp_path: Path) -> Any:
    """The environment of a layer's containers, its configuration laid out as files."""

    def lay_out(layer: str) -> dict[str, str]:
        pod, container = ray_containers(layer)[0]
        variables = environment(layer, container)
        assert variables["REFRAIN_CONF"] == CONF
        write_files(mounted(layer, pod, container, CONF), tmp_path / "conf")
        return variables | {"REFRAIN_CONF": str(tmp_path / "conf")}

    return lay_out


@every_installation
def test_the_config_map_carries_conf(layer: str) -> None:
    """Every node finds exactly the files that job and service are composed of, as they lie in the repository."""
    expected = {path: shipped(path) for path in needed_files()}
    for pod, container in ray_containers(layer):
        assert mounted(layer, pod, container, CONF) == expected


@every_installation
def test_the_entrypoint_is_a_configuration(layer: str, node: Any, tmp_path: Path) -> None:
    """The job's command composes with the ConfigMap's files and the environment, which say where the stores are."""
    (job,) = of_kind(layer, "RayJob")
    variables = node(layer)
    done = run(f"{job['spec']['entrypoint']} --cfg job", variables, tmp_path)
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load(done.stdout)
    assert (config["action"], config["on_rejects"], config["compute"]["address"]) == ("run", "exit0", "auto")
    assert config["home"].startswith("s3://") and config["catalog"]["path"].startswith("s3://")
    assert_stores(config, variables)


@every_installation
def test_the_service_is_a_configuration(layer: str, node: Any, tmp_path: Path) -> None:
    """The service's options compose the same way, to the same stores as the job's."""
    variables = node(layer)
    options = " ".join(f"'{key}={value}'" for key, value in arguments(layer).items())
    done = run(f"python -m serve {options} --cfg job", variables, tmp_path)
    assert done.returncode == 0, done.stderr
    assert_stores(yaml.safe_load(done.stdout), variables)


def arguments(layer: str) -> dict[str, Any]:
    (service,) = of_kind(layer, "RayService")
    (application,) = serve_config.parse(service["spec"]["serveConfigV2"]).applications
    return application.args


def assert_stores(config: Manifest, variables: dict[str, str]) -> None:
    """Addresses come from the environment, and so do the secrets, which are not shown."""
    for group, (option, variable) in SHOWN.items():
        assert config[group][option] == variables[variable]
    assert (config["metadata"]["password"], config["vectors"]["token"]) == ("***", "***")


@pytest.mark.parametrize("layer", ["k8s/base", "k8s/overlays/dev"])
def test_the_service_builds(layer: str, node: Any, tmp_path: Path) -> None:
    """serve.app:build makes the application of the manifest's arguments where the service will make it."""
    code = "import sys; from serve.app import build; print(build(dict(a.split('=', 1) for a in sys.argv[1:])))"
    options = [f"{key}={value}" for key, value in arguments(layer).items()]
    done = run(python(code, *options), node(layer), tmp_path)
    assert done.returncode == 0, done.stderr


@every_installation
def test_the_service_that_was_built_is_all_there_is(layer: str) -> None:
    """No installation has other arguments for the service than those that are built above."""
    assert arguments(layer) in [arguments("k8s/base"), arguments("k8s/overlays/dev")]


@every_installation
def test_every_variable_is_read(layer: str, node: Any, tmp_path: Path) -> None:
    """What a variable says arrives at whom it is for."""
    variables = node(layer)
    there = {name: reader for name, reader in ELSEWHERE.items() if name in variables}
    readers = ", ".join(f'"{name}": str({reader})' for name, reader in there.items())
    done = run(python(f"{READERS}print(json.dumps({{{readers}}}))"), variables, tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {name: variables[name] for name in there} | {"RAY_USAGE_STATS_ENABLED": "False"}


def test_every_reader_has_a_variable(node: Any) -> None:
    """Nobody is asked above what no installation says."""
    assert set(ELSEWHERE) <= {name for layer in INSTALLATIONS for name in node(layer)}


@every_installation
def test_no_variable_is_misspelt(layer: str, node: Any) -> None:
    """There is nobody's variable: each is read by the configuration, or by those that the test above asks."""
    ours = {"REFRAIN_CONF", "REFRAIN_MYSQL_PASSWORD", "REFRAIN_MILVUS_TOKEN"} | {name for _, name in SHOWN.values()}
    assert set(node(layer)) <= ours | set(ELSEWHERE)


@every_installation
def test_the_nightly_command_starts(layer: str, node: Any, tmp_path: Path) -> None:
    """The CronJob's command takes its arguments and variables; what it misses here is the Kubernetes API alone."""
    for place, _, container in containers(layer):
        if place.endswith(".nightly"):
            variables = {variable["name"]: "refrain-nightly-1" for variable in container["env"]}
            done = run(" ".join(container["command"]), variables, tmp_path)
            assert (done.returncode, "KUBERNETES_SERVICE_HOST is not set" in done.stderr) == (2, True), done.stderr


@every_installation
def test_the_pools_fit_the_workers(layer: str, node: Any, tmp_path: Path) -> None:
    """The job's actors fit on the workers that its cluster may have, and leave at least one CPU to the other stages."""
    (job,) = of_kind(layer, "RayJob")
    compute = yaml.safe_load(run(f"{job['spec']['entrypoint']} --cfg job", node(layer), tmp_path).stdout)["compute"]
    spec = cluster_spec(job)
    count = "maxReplicas" if spec.get("enableInTreeAutoscaling") else "replicas"
    assert compute["grows"] is (count == "maxReplicas")
    limits = [
        (g[count], g["template"]["spec"]["containers"][0]["resources"]["limits"]) for g in spec["workerGroupSpecs"]
    ]
    asked = compute["decode_actors"] * compute["decode_cpus"] + compute["embed_actors"] * compute["embed_cpus"]
    assert asked + 1 <= sum(number * int(limit["cpu"]) for number, limit in limits)
    gpus = sum(number * int(limit.get("nvidia.com/gpu", 0)) for number, limit in limits)
    assert compute["embed_actors"] * compute["embed_gpus"] == gpus


def test_the_keys_lie_where_they_are_mounted() -> None:
    """The file of keys that the service is told of lies in the Secret's folder, in every pod of it."""
    for layer in ("k8s/base", "k8s/overlays/dev"):
        (service,) = of_kind(layer, "RayService")
        folder = arguments(layer)["keys_file"].rpartition("/")[0]
        for place, pod in pod_specs(service):
            (volume,) = [volume["name"] for volume in pod["volumes"] if "secret" in volume]
            for container in pod["containers"]:
                assert {"name": volume, "mountPath": folder, "readOnly": True} in container["volumeMounts"], place
