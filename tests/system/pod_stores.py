"""Milvus, MariaDB and a bucket of music, where the pods of a network find them under the names of the manifests."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pymysql
from moto.server import ThreadedMotoServer

from ingest.stores import MetadataConfig, VectorsConfig
from scripts.services import mariadb, milvus
from tests.repository.configured import SECRETS
from tests.system.catalogue import Left, left_on
from tests.system.network import Network

BUCKET = "refrain"  # of the manifest, for lake and music
PORTS = {"milvus": 19530, "mysql": 3306, "bucket": 443}  # those that the NetworkPolicies let out
WAITS_S = {"bucket": 0.5}  # as one far away does: so that a job on little music has a middle
CREDENTIALS = SECRETS["refrain-credentials"]


@dataclass(frozen=True)
class Stores:
    """As this machine sees them."""

    metadata: MetadataConfig
    vectors: VectorsConfig

    def left(self, name: str, files: int) -> Left:
        """What they hold of a catalogue: keys by uri, rows, vectors."""
        return left_on(self.metadata, self.vectors, name, files)


@contextmanager
def stores(network: Network, folder: Path, music: list[Path]) -> Iterator[Stores]:
    """They listen on this machine's loopback, and relays take the pods there."""
    with ExitStack() as opened:
        url = opened.enter_context(mariadb(folder / "mysql"))
        _add_user(url)
        uri = opened.enter_context(milvus(folder / "milvus"))
        s3 = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        s3.start()
        opened.callback(s3.stop)
        host, port = s3.get_host_and_port()
        _upload(f"http://{host}:{port}", music)
        places = {"milvus": uri, "mysql": url, "bucket": f"http://{host}:{port}"}
        for name, place in places.items():
            target = ("127.0.0.1", urlsplit(place).port or 0)
            opened.enter_context(network.offered(PORTS[name], target, WAITS_S.get(name, 0.0)))
        yield Stores(MetadataConfig("mysql", f"{url}/refrain"), VectorsConfig("milvus", uri, index="HNSW"))


def _add_user(url: str) -> None:
    """Whom the manifest's URL names, with the password of the Secret."""
    port, password = urlsplit(url).port or 0, CREDENTIALS["REFRAIN_MYSQL_PASSWORD"]
    with closing(pymysql.connect(host="127.0.0.1", port=port, user="root")) as root, root.cursor() as cursor:
        cursor.execute("CREATE DATABASE refrain")
        cursor.execute("CREATE USER refrain@localhost IDENTIFIED BY %s", [password])
        cursor.execute("GRANT ALL ON refrain.* TO refrain@localhost")


def _upload(endpoint: str, music: list[Path]) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=BUCKET)
    for path in music:
        client.upload_file(str(path), BUCKET, f"music/{path.name}")
    client.close()
