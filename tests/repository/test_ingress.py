"""What leaves the cluster: every route for callers, and no figures."""

import re

import pytest

from tests.repository.kubernetes import of_kind
from tests.repository.paths import ROOT, python_files

OVERLAYS = ("k8s/overlays/staging", "k8s/overlays/prod")
INSIDE = {"/metrics"}
SITE_KEYS = {"host", "gateway-class", "issuer"}


def routes() -> set[str]:
    """The paths that the source of the service declares, FastAPI's description included."""
    text = "".join((ROOT / path).read_text() for path in python_files("serve"))
    return {*re.findall(r'app\.[a-z]+\(\s*"(/[^"]*)"', text), "/openapi.json"}


def passes(layer: str, path: str) -> bool:
    """Whether the HTTPRoute lets a path through."""
    (route,) = of_kind(layer, "HTTPRoute")
    matches = [match["path"] for rule in route["spec"]["rules"] for match in rule["matches"]]
    return any(
        path == match["value"] if match["type"] == "Exact" else f"{path}/".startswith(f"{match['value']}/")
        for match in matches
    )


@pytest.mark.parametrize("layer", OVERLAYS)
def test_callers_reach_what_is_theirs(layer: str) -> None:
    """Every route of the service passes the gateway but the figures; Ray's own pages do not."""
    assert len(routes()) > 10
    assert {path for path in routes() if not passes(layer, path)} == INSIDE
    assert not passes(layer, "/-/routes")


@pytest.mark.parametrize("layer", OVERLAYS)
def test_one_name_stands_everywhere(layer: str) -> None:
    """Certificate, listener and route have the name of site.env; no placeholder is left."""
    (certificate,), (gateway,), (route,) = (of_kind(layer, kind) for kind in ("Certificate", "Gateway", "HTTPRoute"))
    site = dict(line.split("=", 1) for line in (ROOT / layer / "site.env").read_text().splitlines() if line[0] != "#")
    assert set(site) == SITE_KEYS | {"ingest"}
    names = {*certificate["spec"]["dnsNames"], gateway["spec"]["listeners"][0]["hostname"], *route["spec"]["hostnames"]}
    assert names == {site["host"]}
    assert gateway["spec"]["gatewayClassName"] == site["gateway-class"]
    assert certificate["spec"]["issuerRef"]["name"] == site["issuer"]
    assert gateway["spec"]["listeners"][0]["tls"]["certificateRefs"][0]["name"] == certificate["spec"]["secretName"]


@pytest.mark.parametrize("layer", OVERLAYS)
def test_long_recordings_have_their_time(layer: str) -> None:
    """The route waits longer than the service for a recording of any length that it takes."""
    (route,) = of_kind(layer, "HTTPRoute")
    (api,) = [rule for rule in route["spec"]["rules"] if rule["matches"][0]["path"]["value"] == "/v1"]
    text = (ROOT / "conf/serve.yaml").read_text()
    bounds = {
        name: float(value) for name, value in re.findall(r"^  (timeline_\w+_s): ([\d.]+)", text, flags=re.MULTILINE)
    }
    granted_s = float(api["timeouts"]["request"].removesuffix("s"))
    assert granted_s > bounds["timeline_body_timeout_s"] + bounds["timeline_deadline_s"]
