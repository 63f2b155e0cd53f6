"""serveConfigV2, a string to Kubernetes: Ray's schema and our options, both strictly."""

import re

import pytest

from conf import compose
from ingest.stores import ConfigurationError
from serve.config import ServeConfig
from tests.repository import serve_config
from tests.repository.kubernetes import every_installation, of_kind


def text_of(layer: str) -> str:
    (service,) = of_kind(layer, "RayService")
    text: str = service["spec"]["serveConfigV2"]
    return text


def check(text: str) -> None:
    """Raises ValueError for what Ray does not know, ConfigurationError for what we do not."""
    for application in serve_config.parse(text).applications:
        compose("serve", [f"{key}={value}" for key, value in application.args.items()], ServeConfig)


@every_installation
def test_the_serve_configuration_is_understood(layer: str) -> None:
    """serveConfigV2 has only keys that Ray and Refrain know, and listens where KubeRay's Service looks."""
    check(text_of(layer))
    config = serve_config.parse(text_of(layer))
    assert (config.http_options.host, config.http_options.port) == ("0.0.0.0", 8000)
    assert [application.name for application in config.applications] == ["refrain"]


@every_installation
def test_every_installation_has_encoders_of_its_own(layer: str) -> None:
    """On a cluster the number of encoders is written down: the default, none, is for one machine."""
    (application,) = serve_config.parse(text_of(layer)).applications
    assert application.args["resources.embed_replicas"] >= 1


@every_installation
def test_a_misspelt_key_is_an_error(layer: str) -> None:
    """One letter too many in any key inside serveConfigV2, which Ray itself would pass over, is refused."""
    text = text_of(layer)
    keys = list(re.finditer(r"^[ -]*([\w.]+)(?=:)", text, flags=re.MULTILINE))
    assert len(keys) > 10
    for key in keys:
        with pytest.raises((ValueError, ConfigurationError)):
            check(f"{text[: key.end()]}x{text[key.end() :]}")


@every_installation
def test_the_entrypoint_survives_the_submitter(layer: str) -> None:
    """The job is `python -m ingest`, and holds nothing that a shell would change."""
    (job,) = of_kind(layer, "RayJob")
    words = job["spec"]["entrypoint"].split(" ")
    assert words[:3] == ["python", "-m", "ingest"]
    assert all(re.fullmatch(r"[\w.:/@+=-]+", word) for word in words)
