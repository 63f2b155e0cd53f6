"""catalog=s3, and manifests in a bucket, against a real S3 protocol server."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ingest.catalog import check_source, list_catalog, locate, open_file, probe_source
from ingest.config import CatalogConfig
from ingest.errors import ConfigurationError, InfrastructureError, MissingFile
from tests.jobs.sources import Found, catalog_config, found_by, uris

pytestmark = pytest.mark.integration
HOSTILE = "My Songs (2020), [x]/a #1 100%25 ~ 'é' \"q\" ?v=* {b}.mp3"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An S3 server with a bucket of music, and credentials for it in the environment."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_MAX_ATTEMPTS", "1")
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture(scope="module")
def bucket(endpoint: str) -> str:
    """Audio under music/ and musical/, things that are not audio, and a manifest."""
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="songs")
    quoted = HOSTILE.replace('"', '""')
    contents = {
        "music/b.mp3": b"bb",
        f"music/{HOSTILE}": b"hostile",
        "music/cover.jpg": b"x",
        "music/._b.mp3": b"x",
        "music/folder/": b"",
        "musical/c.mp3": b"x",
        "music/list.csv": f'uri,title\nb.mp3,B\ngone.mp3,\n"s3://songs/music/{quoted}",H\n',
    }
    for key, body in contents.items():
        client.put_object(Bucket="songs", Key=key, Body=body)
    client.close()
    return "s3://songs"


def source(kind: str, path: str, endpoint: str) -> CatalogConfig:
    return replace(catalog_config(kind, path), endpoint_url=endpoint)


def listed(kind: str, path: str, endpoint: str) -> Found:
    return found_by(source(kind, path, endpoint))


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_prefix_is_a_folder(bucket: str, endpoint: str, slash: str) -> None:
    """The audio below the prefix, hidden and other objects skipped, neighbours that begin alike not listed."""
    found = listed("s3", f"{bucket}/music{slash}", endpoint)
    assert uris(found) == sorted([f"{bucket}/music/b.mp3", f"{bucket}/music/{HOSTILE}"])
    assert [file.size_bytes for file in found.files if file.uri.endswith("/b.mp3")] == [2]
    assert found.unusable == []


def test_the_version_is_the_etag(bucket: str, endpoint: str) -> None:
    """Equal content has the same version however often it is listed; it is the server's etag without quotes."""
    (file,) = listed("s3", f"{bucket}/musical", endpoint).files
    assert file.version == "9dd4e461268c8034f5c8564e155c67a6"  # MD5 of "x"


def test_any_key_opens(bucket: str, endpoint: str) -> None:
    """A key with every kind of special character is read literally."""
    config = source("s3", f"{bucket}/music", endpoint)
    with open_file(config, locate(config, f"{bucket}/music/{HOSTILE}")) as opened:
        assert opened.read() == b"hostile"


def test_an_object_that_is_gone_is_missing(bucket: str, endpoint: str) -> None:
    """What vanished since the listing is the file's fault, not the server's."""
    with pytest.raises(MissingFile):
        open_file(source("s3", f"{bucket}/music", endpoint), f"{bucket}/music/gone.mp3")


def test_a_manifest_in_the_bucket(bucket: str, endpoint: str) -> None:
    """Rows are looked up in the bucket, relative ones beside the manifest; a missing object is a reject."""
    found = listed("manifest", f"{bucket}/music/list.csv", endpoint)
    assert [(file.uri, file.title) for file in found.files] == [("b.mp3", "B"), (f"{bucket}/music/{HOSTILE}", "H")]
    assert [(entry.uri, entry.code) for entry in found.unusable] == [("gone.mp3", "missing")]
    direct = {file.uri: file.version for file in listed("s3", f"{bucket}/music", endpoint).files}
    assert direct[found.files[1].uri] == found.files[1].version


def test_what_is_not_there_is_a_configuration_error(bucket: str, endpoint: str) -> None:
    """No such bucket, no such manifest, and paths that are no s3:// address are said in a line."""
    with pytest.raises(ConfigurationError, match="no such bucket"):
        listed("s3", "s3://nowhere/x", endpoint)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        listed("manifest", f"{bucket}/nowhere.csv", endpoint)
    for path in ("music", "s3://", "S3://b"):
        with pytest.raises(ConfigurationError, match="must be s3://bucket/prefix"):
            check_source(source("s3", path, endpoint))


def test_a_source_in_a_bucket_is_probed(bucket: str, endpoint: str) -> None:
    """What can be listed and opened passes, an empty prefix too; what is not there, and a dead server, are told."""
    for kind, path in (("s3", "music"), ("s3", "nothing"), ("manifest", "music/list.csv")):
        probe_source(source(kind, f"{bucket}/{path}", endpoint))
    for kind, path in (("s3", "s3://nowhere/x"), ("manifest", f"{bucket}/nowhere.csv")):
        with pytest.raises(ConfigurationError):
            probe_source(source(kind, path, endpoint))
        with pytest.raises(InfrastructureError):
            probe_source(source(kind, path, "http://127.0.0.1:9"))


def test_an_empty_prefix_is_an_empty_catalogue(bucket: str, endpoint: str) -> None:
    """A prefix of a bucket that holds nothing lists nothing."""
    assert uris(listed("s3", f"{bucket}/nothing/here", endpoint)) == []


def test_a_server_that_does_not_answer_is_infrastructure(bucket: str) -> None:
    """Nobody listens: the job fails and can be run again; no file is blamed."""
    dead = source("s3", f"{bucket}/music", "http://127.0.0.1:9")
    with pytest.raises(InfrastructureError, match="S3 does not list"):
        found_by(dead)
    with pytest.raises(InfrastructureError, match="S3 does not give"):
        open_file(dead, f"{bucket}/music/b.mp3")


def test_many_folders_are_listed_side_by_side(endpoint: str) -> None:
    """Each object comes once, from folders of every depth, with more objects than a page and more folders than listers;
    a reader that stops early ends the listing.
    """
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="deep")
    keys = [f"m/{n % 23:02}/{n % 7}/{n:04}.mp3" for n in range(300)] + ["m/top.mp3", "m/00/mid.mp3"]
    keys += [f"m/05/flat/{n:04}.mp3" for n in range(1_100)]
    for key in keys:
        client.put_object(Bucket="deep", Key=key, Body=b"x")
    client.close()
    config = source("s3", "s3://deep/m", endpoint)
    assert uris(found_by(config)) == sorted(f"s3://deep/{key}" for key in keys)
    seen: list[int] = []
    entries = iter(list_catalog(config, Path("no such home"), seen.append))
    assert next(entries).uri.startswith("s3://deep/m/")
    entries.close()  # type: ignore[attr-defined]  # it is a generator
    assert seen == [1]
