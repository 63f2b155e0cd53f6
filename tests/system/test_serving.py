"""From a folder of music to answers over HTTP, with the real commands."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.client import connect

from ingest.fingerprint import SAMPLE_RATE, decode
from ingest.fingerprint.pcm import to_int16
from scripts.demo.processes import free_port, service
from scripts.music import compose
from scripts.music.files import FORMATS, encode
from scripts.spoil import CONDITIONS
from serve.client import Client
from tests.system.catalogue import ingest, write_piece, write_pieces
from tests.waiting import wait_for

pytestmark = pytest.mark.integration
PIECES, PIECE_S, CLIP_S = 5, 30.0, 8.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def paths(folder: Path) -> list[Path]:
    return write_pieces(folder / "music", PIECES, PIECE_S)


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A service on a home that is empty when it starts."""
    home = folder / "home"
    home.mkdir()
    with service(home, free_port()) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str, folder: Path, paths: list[Path]) -> Iterator[Client]:
    """Of that service; the pieces were ingested while it ran."""
    home = folder / "home"
    with Client(url) as asked:
        assert asked.identify(clip_of(paths[0], "clean", 5.0))["matches"] == [], "an empty catalogue matches nothing"
        done = ingest(home, folder / "music")
        assert done.returncode == 0, done.stderr
        wait_for(lambda: asked.identify(clip_of(paths[0], "clean", 5.0))["matches"])
        yield asked


def clip_of(path: Path, condition: str, offset_s: float) -> bytes:
    samples = decode(path).samples
    clip = CONDITIONS[condition].clip(samples, offset_s, CLIP_S, np.random.default_rng(3))
    return encode(np.clip(clip, -1, 1)[None], SAMPLE_RATE, FORMATS["wav"])


@pytest.mark.parametrize("condition", ["clean", "pink 5 dB", "room", "speed 1.05", "mp3 32 kbit/s"])
def test_spoilt_clips_find_their_place(condition: str, client: Client, paths: list[Path]) -> None:
    """A clip spoilt in each of the usual ways is answered with its track and the offset of its first sample."""
    for number, path in enumerate(paths):
        offset_s = 4.0 + 2.3 * number
        best = client.identify(clip_of(path, condition, offset_s))["matches"][0]
        assert best["uri"] == str(path)
        assert best["title"] == f"Piece {number}" and best["isrc"] == f"XXABC26{number:05d}"
        assert best["offset_s"] == pytest.approx(offset_s, abs=0.25)
        assert best["speed"] == pytest.approx(CONDITIONS[condition].speed, abs=0.02)
        assert 0.5 < best["confidence"] <= 1
        assert client.track(best["track_id"])["uri"] == str(path)


def test_unknown_music_is_not_answered(client: Client) -> None:
    """Pieces that were never ingested match nothing."""
    for seed in (71, 72, 73):
        samples = compose(seed, CLIP_S, SAMPLE_RATE)
        assert client.identify(encode(samples[None], SAMPLE_RATE, FORMATS["wav"]))["matches"] == []


def test_a_mix_is_told_apart(client: Client, paths: list[Path], tmp_path: Path) -> None:
    """Two pieces of the catalogue around one that is not, as a file: both with their times, and nothing between."""
    unknown = compose(81, 20.0, SAMPLE_RATE)
    pieces = [decode(path).samples[: int(25 * SAMPLE_RATE)] for path in (paths[1], paths[3])]
    mix = tmp_path / "mix.flac"
    mix.write_bytes(encode(np.concatenate([pieces[0], unknown, pieces[1]])[None], SAMPLE_RATE, FORMATS["flac"]))
    segments = list(client.timeline(mix))
    assert [segment["uri"] for segment in segments] == [str(paths[1]), str(paths[3])]
    for segment, start_s in zip(segments, (0.0, 45.0), strict=True):
        assert segment["start_s"] == pytest.approx(start_s, abs=2.0)
        assert segment["end_s"] == pytest.approx(start_s + 25.0, abs=2.0)
        assert segment["track_start_s"] == pytest.approx(segment["start_s"] - start_s, abs=0.5)
        assert segment["confidence"] > 0.5


@pytest.mark.usefixtures("client")
def test_live_sound_is_told(url: str, paths: list[Path]) -> None:
    """Samples sent over a WebSocket as a microphone gives them are answered with the piece that they are of."""
    samples = to_int16(decode(paths[2]).samples[5 * SAMPLE_RATE : 13 * SAMPLE_RATE])
    with connect(f"{url.replace('http:', 'ws:')}/v1/listen", proxy=None) as socket:
        for piece in np.array_split(samples, 16):
            socket.send(piece.tobytes())
            heard = json.loads(socket.recv(timeout=30))
    assert heard["heard_s"] == pytest.approx(8.0)
    assert heard["matches"][0]["uri"] == str(paths[2])
    assert heard["matches"][0]["offset_s"] == pytest.approx(5.0, abs=0.25)


def test_new_tracks_answer_without_a_restart(client: Client, folder: Path, paths: list[Path]) -> None:
    """What a later run adds is found by the service that was running all the time."""
    new = write_piece(folder / "music", 31, PIECE_S)
    clip = clip_of(new, "clean", 6.0)
    assert client.identify(clip)["matches"] == []
    done = ingest(folder / "home", folder / "music")
    assert done.returncode == 0, done.stderr
    wait_for(lambda: client.identify(clip)["matches"])
    best = client.identify(clip)["matches"][0]
    assert best["uri"] == str(new) and best["offset_s"] == pytest.approx(6.0, abs=0.25)
    assert client.identify(clip_of(paths[1], "clean", 5.0))["matches"][0]["uri"] == str(paths[1]), "the others still do"


def test_an_encoder_of_its_own(client: Client, folder: Path, paths: list[Path]) -> None:
    """With an encoder beside the API, answers are the same, of what is heard at once and of what is heard again."""
    clips = [clip_of(paths[2], condition, 7.0) for condition in ("clean", "speed 1.05")]
    with service(folder / "home", free_port(), "resources.embed_replicas=1") as url, Client(url) as other:
        for clip in clips:
            here, there = (asked.identify(clip)["matches"] for asked in (client, other))
            assert here and [{**match, "score": 0.0} for match in here] == [{**match, "score": 0.0} for match in there]
