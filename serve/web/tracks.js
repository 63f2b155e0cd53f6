// The catalogue, page by page, by words.

import { asked } from "./api.js";
import { byId, element, facts } from "./dom.js";
import { clock, titleOf } from "./format.js";
import { problemCard } from "./problem.js";

const PAGE = 25;
const PAUSE_MS = 250; // after the last letter
let asking = null; // what aborts the search before
let timer = null;
let next = null; // of the page that is shown last
let shown = false;

export function acceptSearching() {
  const field = byId("search-field");
  byId("search").addEventListener("submit", (event) => { event.preventDefault(); search(field.value); });
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => search(field.value), PAUSE_MS);
  });
  byId("search-more").addEventListener("click", () => more(field.value));
}

// The first page, the first time the view comes up.
export const showCatalogue = () => shown || search(byId("search-field").value);

function search(words) {
  clearTimeout(timer);
  return page(words, 0, (rows) => byId("search-list").replaceChildren(...rows));
}

async function more(words) {
  const place = byId("search-list");
  const before = place.children.length;
  await page(words, next, (rows) => place.append(...rows));
  place.children[before]?.querySelector("summary").focus();
}

async function page(words, after, put) {
  asking?.abort();
  asking = new AbortController();
  byId("search-problem").replaceChildren();
  try {
    const query = new URLSearchParams({ q: words.trim(), limit: PAGE, after });
    const found = await asked(`/v1/tracks?${query}`, { signal: asking.signal });
    shown = true;
    put(found.tracks.map(row));
    ({ next } = found);
    byId("search-more").hidden = next === null;
    byId("search-state").textContent = summary(byId("search-list").children.length);
  } catch (error) {
    if (error.name === "AbortError") return;
    byId("search-problem").replaceChildren(problemCard(error));
  }
}

const summary = (shownNow) =>
  shownNow ? `${shownNow} shown${next === null ? ", that is all" : ""}` : "No track has these words";

const row = (track) => element("li", {}, element("details", {},
  element("summary", {},
    element("span", { class: "name" }, titleOf(track)),
    element("span", { class: "soft" }, [track.artist, lengthOf(track)].filter(Boolean).join(" · "))),
  facts([["album", track.album], ["ISRC", track.isrc], ["track", track.track_id], ["uri", track.uri]])));

const lengthOf = (track) => track.duration_s && clock(track.duration_s);
