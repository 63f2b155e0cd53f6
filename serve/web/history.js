// The answers of this browser, kept in it and nowhere else.

import { byId, element } from "./dom.js";
import { clock, named, percent } from "./format.js";
import { forThisBrowser } from "./storage.js";

const PLACE = "refrain.history";
const KEPT = 100;

export function remember(source, match) {
  const entry = { at: Date.now(), source, match: match ? kept(match) : null };
  forThisBrowser.set(PLACE, JSON.stringify([entry, ...entries()].slice(0, KEPT)));
}

const kept = ({ track_id, uri, title, artist, album, offset_s, confidence }) =>
  ({ track_id, uri, title, artist, album, offset_s, confidence });

function entries() {
  try {
    return JSON.parse(forThisBrowser.get(PLACE)) ?? [];
  } catch {
    return []; // what is no JSON is none of ours
  }
}

export function showHistory() {
  const found = entries();
  byId("history-clear").hidden = !found.length;
  byId("history-empty").hidden = found.length > 0;
  byId("history-list").replaceChildren(...found.map(row));
}

export function acceptClearing() {
  byId("history-clear").addEventListener("click", () => {
    forThisBrowser.remove(PLACE);
    showHistory();
    byId("history-heading").focus();
  });
}

function row({ at, source, match }) {
  const when = new Date(at);
  const time = element("time", { datetime: when.toISOString() },
    when.toLocaleString("en", { dateStyle: "medium", timeStyle: "short" }));
  const told = match ? ` · ${percent(match.confidence)} · from ${clock(match.offset_s, 1)}` : "";
  return element("li", {},
    element("span", { class: match ? "name" : "soft" }, match ? named(match) : "Not in this catalogue"),
    element("span", { class: "soft" }, time, ` · ${source}${told}`));
}
