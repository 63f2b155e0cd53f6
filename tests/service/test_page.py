"""The page at / as people use it: in a browser, against the real service with the shipped network."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from ingest.stores import MetadataError
from serve.access import KeyRing
from serve.config import KeyConfig
from serve.keys import hash_of, new_token
from tests.service.live import serving
from tests.service.pages import (
    HEARD,
    KEEP_SHARES,
    KEEP_STATES,
    LISTENED,
    MICROPHONE_RATE,
    REFUSE_MICROPHONE,
    SONGS,
    Conversations,
    Visit,
    browsing,
    check_progress,
    check_readable,
    drawn,
    drop_clip,
    microphone_file,
    music_world,
    radio,
)
from tests.service.world import World
from tests.waiting import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
WAIT_MS = 30_000


@pytest.fixture(scope="module")
def world() -> World:
    return music_world()


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[httpx.Client]:
    with serving(world.api("bounds.clip_s=20", "bounds.timeline_window_s=10")) as client:
        yield client


@pytest.fixture(scope="module")
def browser(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(microphone_file(world, tmp_path_factory.mktemp("microphone"))) as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    yield context
    context.close()


@pytest.fixture
def visit(context: BrowserContext, client: httpx.Client) -> Iterator[Visit]:
    """Nothing may be asked of another origin, and the browser may complain of nothing, whatever a test does."""
    visit = Visit.of(context, str(client.base_url))
    yield visit
    assert not visit.complaints
    assert {urlsplit(url).netloc for url in visit.asked} == {client.base_url.netloc.decode()}


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page


def go(page: Page, view: str) -> None:
    page.get_by_role("link", name=view, exact=True).click()


def answered(page: Page, number: int) -> None:
    """The answer names this track."""
    expect(page.locator("#answer .title")).to_have_text(HEARD[number - 1].tags.title)


def test_a_dropped_file_is_answered(visit: Visit, world: World) -> None:
    """Title, artist, place, speed and confidence are told, and the moments that met lie on the plot."""
    drop_clip(visit, world)
    answered(visit.page, 3)
    card = visit.page.locator("#answer .match")
    expect(card).to_contain_text(HEARD[2].tags.artist)
    expect(card).to_contain_text(re.compile(r"0:2[01]\.\d"))
    expect(card).to_contain_text(re.compile(r"[45]\.\d % faster"))
    expect(card).to_contain_text(re.compile(r"9\d\.\d %"))
    assert card.locator("circle").count() >= 12
    expect(visit.page.get_by_role("status").first).to_contain_text(HEARD[2].tags.title)


def test_other_tracks_of_the_recording_are_named(visit: Visit, world: World) -> None:
    """A recording that the catalogue holds twice is one answer that names the other track."""
    drop_clip(visit, world, 1, "clean")
    answered(visit.page, 1)
    expect(visit.page.locator("#answer .match")).to_contain_text("Collected")


def test_the_microphone_is_heard_live(page: Page) -> None:
    """With the keyboard alone: the focus is seen, Enter listens, the answer appears while listening, Enter stops."""
    button = page.locator("#listen-button")
    for _ in range(9):
        page.keyboard.press("Tab")
        if button.evaluate("node => node === document.activeElement"):
            break
    assert button.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(button).to_contain_text("Stop")
    answered(page, LISTENED)
    assert int(page.locator("#level").get_attribute("aria-valuenow") or 0) > 0
    assert drawn(page) > 0
    page.keyboard.press("Enter")
    expect(button).to_have_text("Listen")
    answered(page, LISTENED)
    go(page, "History")
    expect(page.locator("#history-list li")).to_contain_text(HEARD[LISTENED - 1].tags.title)


def test_listening_starts_with_what_was_just_heard(page: Page) -> None:
    """The second time the first message holds the seconds before; switched off, the microphone is closed."""
    conversations = Conversations(page)
    button = page.locator("#listen-button")
    button.click()
    conversations.wait_for(1)
    expect(page.locator("#listen-clock")).not_to_have_text("0 s")
    button.click()
    page.wait_for_timeout(3_000)
    page.evaluate(KEEP_STATES)
    button.click()
    conversations.wait_for(2)
    answered(page, LISTENED)
    button.click()
    assert [told for told in page.evaluate("window.told") if "a few seconds ago" in told]
    first, second = conversations.first_bytes
    assert first < MICROPHONE_RATE * 2 * 1.0
    assert second > first + MICROPHONE_RATE * 2 * 2.0
    page.get_by_label("Keep the last 5 seconds").uncheck()
    expect(page.locator("#sound")).to_be_hidden()


def test_a_microphone_that_is_not_allowed_is_told(page: Page) -> None:
    """The reason stands there in words, with its code, and the button is as before."""
    page.evaluate(REFUSE_MICROPHONE)
    page.locator("#listen-button").click()
    expect(page.get_by_role("alert")).to_contain_text("microphone_denied")
    expect(page.locator("#listen-button")).to_have_text("Listen")


def test_a_long_file_becomes_a_timeline(visit: Visit, world: World) -> None:
    """Segments and the gap between them are drawn and listed, and how far it is; the arrow keys move between them."""
    page = visit.page
    go(page, "Timeline")
    page.evaluate(KEEP_SHARES)
    visit.drop("radio.wav", radio(world))
    expect(page.locator("#timeline-state")).to_contain_text("2 segments in 0:54")
    check_progress(page, "0:5")
    rows = page.locator("#timeline-list li")
    expect(rows).to_have_count(3)
    for row, told in enumerate((HEARD[2].tags.title, "nothing known", HEARD[3].tags.title)):
        expect(rows.nth(row)).to_contain_text(told)
    first, second = page.locator(".segment").all()
    boxes = [box for box in (first.bounding_box(), second.bounding_box()) if box]
    assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"]
    first.focus()
    page.keyboard.press("ArrowRight")
    expect(second).to_be_focused()
    expect(page.locator("#timeline-detail")).to_contain_text(HEARD[3].tags.title)


def test_what_is_too_long_for_a_clip_can_be_followed(visit: Visit, world: World) -> None:
    """Of a file that was matched in part the page says which, and follows it whole when asked."""
    visit.drop("radio.wav", radio(world))
    expect(visit.page.locator("#answer")).to_contain_text("the loudest part, was matched")
    visit.page.get_by_role("button", name="whole file").click()
    expect(visit.page.locator("#timeline-state")).to_contain_text("2 segments in 0:54")


def test_the_catalogue_is_searched_and_paged(page: Page) -> None:
    """All tracks come page by page; words narrow them down; a track opens and tells its uri."""
    go(page, "Catalogue")
    rows = page.locator("#search-list li")
    expect(rows).to_have_count(25)
    page.get_by_role("button", name="More").click()
    expect(rows).to_have_count(len(SONGS) + 1)
    expect(page.locator("#search-more")).to_be_hidden()
    page.locator("#search-field").fill(SONGS[9].tags.title.lower())
    expect(rows).to_have_count(1)
    rows.first.locator("summary").press("Enter")
    expect(rows.first).to_contain_text(SONGS[9].file_name)
    page.locator("#search-field").fill("no such words")
    expect(page.locator("#search-state")).to_have_text("No track has these words")


def test_the_history_stays_until_it_is_cleared(visit: Visit, world: World) -> None:
    """Answers outlast a reload, and clearing leaves nothing of them in the browser."""
    page = visit.page
    drop_clip(visit, world)
    answered(page, 3)
    page.reload()
    go(page, "History")
    expect(page.locator("#history-list li")).to_contain_text([HEARD[2].tags.title])
    page.get_by_role("button", name="Forget them all").click()
    expect(page.locator("#history-list li")).to_have_count(0)
    assert page.evaluate("localStorage.getItem('refrain.history')") is None


def test_problems_are_told_in_words(visit: Visit, context: BrowserContext) -> None:
    """What the service refuses, and its being away, stand there in words with their codes."""
    visit.drop("text.wav", b"this is no audio at all" * 100)
    alert = visit.page.locator("#answer [role=alert]")
    expect(alert).to_contain_text("cannot be read as audio")
    expect(alert).to_contain_text("unreadable")
    context.set_offline(True)
    visit.drop("text.wav", b"x")
    expect(alert).to_contain_text("unreachable")


def test_an_answer_without_names_has_its_number(context: BrowserContext, world: World) -> None:
    """While the metadata store is away the page tells which number the track has, and that names are missing."""
    with serving(world.api("lookups.cache_s=0.01")) as client:
        visit = Visit.of(context, str(client.base_url))
        world.catalog.failure = MetadataError("away")
        try:
            wait_for(lambda: client.get("/readyz").json()["status"] == "degraded")
            drop_clip(visit, world)
            expect(visit.page.locator("#answer .title")).to_have_text("Track 3")
            expect(visit.page.locator("#answer .match")).to_contain_text("Names cannot be looked up")
        finally:
            world.catalog.failure = None
        assert not visit.complaints


def test_a_key_is_asked_for_and_used(context: BrowserContext, world: World) -> None:
    """A service with keys is asked with the one that was typed in, live listening included; it ends with the tab."""
    token = new_token()
    with serving(world.api(ring=KeyRing([KeyConfig("k", hash_of(token))]))) as client:
        visit = Visit.of(context, str(client.base_url))
        page = visit.page
        go(page, "Catalogue")
        page.locator("#key-field").fill(token)
        page.get_by_role("button", name="Use it").click()
        expect(page.locator("#search-list li")).to_have_count(25)
        go(page, "Listen")
        page.locator("#listen-button").click()
        answered(page, LISTENED)
        page.locator("#listen-button").click()
        assert token not in str(page.evaluate("JSON.stringify(localStorage)"))
        assert not visit.complaints and not [url for url in visit.asked if token in url]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(visit: Visit, world: World, scheme: str) -> None:
    """In both schemes every text has a contrast of 4.5 or more, and no view is wider than a phone of 360 pixels."""
    page = visit.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme=scheme)
    drop_clip(visit, world)
    answered(page, 3)
    check_readable(page)
    visit.drop("text.wav", b"no audio")
    expect(page.locator("#answer [role=alert]")).to_be_visible()
    check_readable(page)
    go(page, "Timeline")
    visit.drop("radio.wav", radio(world))
    expect(page.locator("#timeline-state")).to_contain_text("segments in")
    page.locator(".segment").first.click()
    check_readable(page)
    for view in ("Catalogue", "History"):
        go(page, view)
        expect(page.locator(f"#{view.lower()} li").first).to_be_visible()
        check_readable(page)
    page.get_by_role("button", name="Key").click()
    check_readable(page)


def test_numbers_are_told_as_they_are(page: Page) -> None:
    """Times, probabilities, speeds and pitches in words; nothing is ever called certain."""
    told = page.evaluate("""async () => {
        const { clock, percent, pitchOf, speedOf } = await import("/web/format.js");
        return [clock(63.42), clock(63.42, 1), clock(-3.04, 1), clock(3725), clock(59.96, 1), clock(-0.01, 1),
            percent(1), percent(0.9987), percent(0), speedOf(1.02), speedOf(0.95), speedOf(1.001),
            pitchOf(-1), pitchOf(0)];
    }""")
    assert told == [
        *("1:03", "1:03.4", "−0:03.0", "1:02:05", "1:00.0", "0:00.0", "> 99.9 %", "99.9 %", "< 0.1 %"),
        *("2.0 % faster", "5.0 % slower", "as recorded", "1.0 semitones lower", "as recorded"),
    ]
