"""A new encoder beside the one that answers, as whole jobs: promoted, rolled back, and filled from the lake alone."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from safetensors.torch import load_file

from ingest.fingerprint.architecture import SHIPPED_WEIGHTS, read_architecture
from ingest.fingerprint.encoder import Encoder, save_encoder
from ingest.stores import MetadataConfig, VectorsConfig, open_metadata, open_vectors
from tests.system.catalogue import ingest, possible_keys, write_piece, write_pieces

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Shop:
    """One home, one folder of music, two encoders."""

    home: Path
    music: Path
    other: Path

    def run(self, *options: str, encoder: Path | None = None, says: str = "") -> dict[str, int]:
        """A job to its end; the counts of its report."""
        chosen = (f"encoder.weights={encoder}",) if encoder else ()
        done = ingest(self.home, self.music, *options, *chosen)
        assert done.returncode == 0 and says in done.stdout, done.stdout + done.stderr
        report = max((self.home / "runs").iterdir(), key=os.path.getmtime) / "report.json"
        counts: dict[str, int] = json.loads(report.read_text())["counts"]
        return counts

    def answers(self) -> tuple[str, set[str]]:
        """Collection that answers, and the names of the files that are published and in it."""
        with (
            open_metadata(MetadataConfig(), self.home) as metadata,
            open_vectors(VectorsConfig(), self.home) as vectors,
        ):
            catalog = metadata.catalog("default")
            active = catalog.active_generation()
            assert active is not None
            held = {
                recording: track
                for recording, track in catalog.lookup(range(1, 50)).items()
                if len(vectors.fetch(active.collection, possible_keys(recording), strong=True).keys)
            }
            assert vectors.count(active.collection) == catalog.loaded_segments(active.generation_id)
            return active.collection, {Path(track.uri).name for track in held.values()}

    def drop(self, collection: str) -> None:
        with open_vectors(VectorsConfig(), self.home) as vectors:
            vectors.drop(collection)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """The other encoder has the weights of the shipped one, and another checksum."""
    encoder = Encoder(read_architecture(SHIPPED_WEIGHTS)[0])
    encoder.load_state_dict(load_file(str(SHIPPED_WEIGHTS)))
    save_encoder(encoder, tmp_path / "other.safetensors", {"made by": "a test"})
    return Shop(tmp_path / "home", tmp_path / "music", tmp_path / "other.safetensors")


def test_what_comes_and_goes_meanwhile_is_right_on_both_sides(shop: Shop) -> None:
    """Tracks are added and deleted while the new generation is filled, after the promote and after the rollback."""
    old_files = [path.name for path in write_pieces(shop.music, 3)]
    shop.run()
    first, answering = shop.answers()
    assert answering == set(old_files)

    during = write_piece(shop.music, 7).name
    assert shop.run(encoder=shop.other)["done"] == 4
    assert shop.answers() == (first, set(old_files)), "the new generation waits"
    assert shop.run()["done"] == 1
    shop.run("action=delete", "delete.track_ids=[1]")
    assert shop.answers() == (first, {*old_files[1:], during})

    shop.run("action=promote")
    second, answering = shop.answers()
    assert second != first and answering == {*old_files[1:], during}
    after = write_piece(shop.music, 8).name
    assert shop.run(encoder=shop.other)["done"] == 1
    shop.run("action=delete", "delete.track_ids=[2]", encoder=shop.other)
    assert shop.answers() == (second, {old_files[2], during, after})

    shop.run("action=rollback", says="not embedded by its encoder yet: 1,")
    assert shop.answers() == (first, {old_files[2], during}), "the old encoder never heard what came after"
    assert shop.run()["done"] == 1
    assert shop.answers() == (first, {old_files[2], during, after})

    shop.drop(first)
    assert shop.run()["done"] == 0, "the lake fills the new collection, no audio is read"
    third, answering = shop.answers()
    assert third not in (first, second) and answering == {old_files[2], during, after}
