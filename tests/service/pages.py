"""The page in a real browser: composed music in memory, the shipped network, chromium with a microphone of ours."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, WebSocket, sync_playwright
from scipy.signal import resample_poly

from ingest.fingerprint import EMBEDDING_DIM, Embedder
from ingest.fingerprint.pcm import to_int16
from ingest.stores import Generation, Track
from scripts.music import compose
from scripts.music.catalog import Song, catalog, unknown
from scripts.services import find_chromium
from scripts.spoil import CONDITIONS
from tests.service.sounds import RATE, Samples, wav
from tests.service.world import COLLECTION, World

SEED = 7
SONGS = catalog(SEED, 40)
HEARD = SONGS[:4]  # those with sound; the others are names in the catalogue
HEARD_S = 50.0
TWIN = 101  # track that holds the first song once more
MICROPHONE_RATE = 48_000
LISTENED, LISTENED_FROM_S = 2, 8.0  # what the microphone hears: a track, and from where on
DROP = """([name, text]) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type: "audio/wav" }));
    window.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
}"""
REFUSE_MICROPHONE = """() => {
    navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("no", "NotAllowedError"); };
}"""
KEEP_STATES = """() => {
    const state = document.querySelector("#listen-state");
    window.told = [];
    const keep = () => window.told.push(state.textContent);
    new MutationObserver(keep).observe(state, { childList: true, characterData: true, subtree: true });
}"""  # every text of the state, also one that an answer replaces at once
KEEP_SHARES = """() => {
    const bar = document.querySelector("#timeline-progress");
    window.shares = [];
    const keep = () => bar.hasAttribute("value") && window.shares.push([bar.value, bar.nextElementSibling.textContent]);
    new MutationObserver(() => setTimeout(keep)).observe(bar, { attributeFilter: ["value"] });
}"""  # how far a long file is, each time that it is told
CONTRASTS = """() => {
    const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const over = (colours) => {
        paint.clearRect(0, 0, 1, 1);
        for (const colour of colours) { paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1); }
        return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = (rgb) => {
        const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const told = (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    const found = [];
    for (const node of document.querySelectorAll("body, body *")) {
        if (!told(node) || !node.checkVisibility()) continue;
        const grounds = [];
        for (let at = node; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
        const style = getComputedStyle(node);
        const ground = ["white", ...grounds];
        const ink = node.namespaceURI.endsWith("svg") ? style.fill : style.color;
        const [dark, light] = [luminance(over(ground)), luminance(over([...ground, ink]))].sort((a, b) => a - b);
        found.push([(light + 0.05) / (dark + 0.05), node.textContent.trim().slice(0, 40)]);
    }
    return found;
}"""
NETWORK = ("Failed to load resource", "WebSocket connection to")  # the browser's own words on a status of ours


def music_world() -> World:
    """Four songs, one of them twice, as tracks 1 to 4 and TWIN; the names of the others follow."""
    world = World(embedder=Embedder.load(None, device="cpu", threads=1))
    for number, song in enumerate(SONGS, 1):
        world.catalog.tracks[number] = track_of(number, song)
    for number, song in enumerate(HEARD, 1):
        world.songs[number] = compose(song.seed, HEARD_S, RATE)
        embeddings = world.embedder.embed(to_int16(world.songs[number]))
        for recording in (number, *([TWIN] if number == 1 else [])):
            world.vectors.add(COLLECTION, recording, embeddings)
    world.catalog.tracks[TWIN] = track_of(TWIN, HEARD[0], "Collected")
    world.catalog.active = Generation(
        1, COLLECTION, world.embedder.checksum, EMBEDDING_DIM, "FLAT", None, "active", 0.0
    )
    return world


def track_of(number: int, song: Song, album: str | None = None) -> Track:
    tags = song.tags
    return Track(
        number, number, song.file_name, tags.title, tags.artist, album or tags.album, tags.isrc, song.duration_s
    )


def spoilt(world: World, number: int, start_s: float, duration_s: float, condition: str) -> Samples:
    rng = np.random.default_rng(SEED)
    return CONDITIONS[condition].clip(world.songs[number], start_s, duration_s, rng)


def radio(world: World) -> bytes:
    """Twenty seconds of track 3, ten of something unknown, twenty-four of track 4: a wav file."""
    foreign = unknown(SEED, 1)[0]
    pieces = (world.clip(3, 5.0, 20.0), compose(foreign.seed, 10.0, RATE), world.clip(4, 20.0, 24.0))
    return wav(np.concatenate(pieces))


def microphone_file(world: World, folder: Path) -> Path:
    """What chromium plays in place of a microphone."""
    heard = spoilt(world, LISTENED, LISTENED_FROM_S, 40.0, "room, pink 10 dB")
    path = folder / "microphone.wav"
    path.write_bytes(wav(0.8 * resample_poly(heard, MICROPHONE_RATE // RATE, 1), MICROPHONE_RATE))
    return path


@contextmanager
def browsing(microphone: Path) -> Iterator[Browser]:
    """Chromium, with a microphone that is allowed and plays the file over and over."""
    options = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=options)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page as somebody sees it, with what the browser complained of and what it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, context: BrowserContext, url: str) -> "Visit":
        visit = cls(context.new_page())
        visit.page.on("console", visit._complain)
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.on("request", lambda request: visit.asked.append(request.url))
        visit.page.on("websocket", lambda socket: visit.asked.append(socket.url))
        visit.page.goto(url)
        return visit

    def _complain(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(NETWORK):
            self.complaints.append(message.text)

    def drop(self, name: str, data: bytes) -> None:
        """Lets go of a file over the page."""
        self.page.evaluate(DROP, [name, base64.b64encode(data).decode()])


class Conversations:
    """The live conversations of a page, and how long the first message of each was."""

    def __init__(self, page: Page) -> None:
        self.first_bytes: list[int] = []
        self._page = page
        page.on("websocket", self._watch)

    def _watch(self, socket: WebSocket) -> None:
        number = len(self.first_bytes)
        self.first_bytes.append(0)

        def sent(frame: bytes | str) -> None:
            self.first_bytes[number] = self.first_bytes[number] or len(frame)

        socket.on("framesent", sent)

    def wait_for(self, number: int) -> None:
        """Until something was sent in this conversation."""
        while len(self.first_bytes) < number or not self.first_bytes[number - 1]:
            self._page.wait_for_timeout(50)


def drop_clip(visit: Visit, world: World, number: int = 3, condition: str = "speed 1.05") -> None:
    """Eight seconds of a track."""
    visit.drop("clip.wav", wav(spoilt(world, number, 21.0, 8.0, condition)))


def drawn(page: Page) -> int:
    """Pixels of the spectrogram that show something."""
    pixels = """node => node.getContext("2d").getImageData(0, 0, node.width, node.height).data
        .filter((value, place) => place % 4 === 3 && value > 40).length"""
    return int(page.locator("#spectrogram").evaluate(pixels))


def check_readable(page: Page) -> None:
    """Every text that is shown has a contrast of 4.5 or more, and nothing is wider than 360 pixels."""
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 10
    assert not [told for told in contrasts if told[0] < 4.5]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def check_progress(page: Page, duration: str) -> None:
    """How far it was grew while the file was listened to, and the length was about right; nothing is left of it."""
    shares = page.evaluate("window.shares")
    values = [value for value, _ in shares]
    assert values == sorted(values) and len({value for value in values if 0 < value < 1}) > 1, shares
    assert [text for _, text in shares if f" of about {duration}" in text and text.endswith(" heard")], shares
    assert page.locator("#timeline-progress").is_hidden() and page.locator("#timeline-heard").text_content() == ""
