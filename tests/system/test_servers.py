"""The same command on a Milvus server and MySQL: two options are all that changes."""

from pathlib import Path

import numpy as np
import pytest

from ingest.fingerprint import Embedder, decode
from ingest.stores import MetadataConfig, VectorsConfig, open_metadata, open_vectors
from serve.directory import Directory
from serve.recogniser import Recogniser
from tests.service.world import config
from tests.system.catalogue import ingest, write_pieces

pytestmark = pytest.mark.integration


@pytest.mark.long
def test_a_job_on_milvus_and_mysql_is_answered_from_them(tmp_path: Path, milvus_uri: str, fresh_mysql_url: str) -> None:
    """Tracks land in the servers, none of the embedded stores is made, and a clip finds its track and place."""
    music, home = tmp_path / "music", tmp_path / "home"
    paths = write_pieces(music, 3, duration_s=20.0)
    servers = ("vectors=milvus", f"vectors.uri={milvus_uri}", "metadata=mysql", f"metadata.url={fresh_mysql_url}")
    done = ingest(home, music, *servers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (home / "vectors").exists() and not (home / "metadata.sqlite").exists()

    clip = decode(paths[1]).samples[5 * 8_000 : 13 * 8_000]
    query = Embedder.load(threads=1).embed(clip)
    vectors_config = VectorsConfig(kind="milvus", uri=milvus_uri, index="HNSW", consistency="Strong")
    metadata_config = MetadataConfig(kind="mysql", url=fresh_mysql_url)
    with open_metadata(metadata_config, home) as metadata, open_vectors(vectors_config, home) as vectors:
        catalog = metadata.catalog("default")
        generation = catalog.active_generation()
        assert generation is not None
        directory = Directory(catalog, config().lookups)
        directory.look()
        best = Recogniser(vectors, directory, generation).recognise(query)[0]
    assert best.track.uri == str(paths[1]) and best.track.title == "Piece 1"
    assert best.alignment.offset_s == pytest.approx(5.0, abs=0.25)
    assert np.isclose(best.alignment.speed, 1.0, atol=0.02)
