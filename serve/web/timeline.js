// A long file → POST /v1/timeline → segments, drawn as they are found.

import { ask, problemOf } from "./api.js";
import { Axis } from "./axis.js";
import { byId, element } from "./dom.js";
import { clock, count, named, percent } from "./format.js";
import { lines } from "./ndjson.js";
import { problemCard } from "./problem.js";
import { segmentCard } from "./segment.js";

const SECOND_MS = 1000;
let running = null; // what aborts the recording before

export async function followFile(file) {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  const axis = start();
  const watch = tellTime(file.name, signal);
  try {
    const headers = { "content-type": file.type || "application/octet-stream", accept: "application/x-ndjson" };
    const response = await ask("/v1/timeline?progress=true", { method: "POST", body: file, headers, signal });
    for await (const line of lines(response)) take(line, axis, file.name);
  } catch (error) {
    if (error.name !== "AbortError") refuse(error);
    else if (running.signal === signal) say("Stopped");
  } finally {
    clearInterval(watch);
    if (running.signal === signal) finishTelling();
  }
}

export const acceptStopping = () => byId("timeline-stop").addEventListener("click", () => running?.abort());

function start() {
  byId("timeline-stop").hidden = false;
  byId("timeline-answer").hidden = false;
  tellShare(null);
  for (const id of ["timeline-problem", "timeline-detail", "timeline-list"]) byId(id).replaceChildren();
  return new Axis(byId("axis"), (segment) => byId("timeline-detail").replaceChildren(segmentCard(segment)));
}

function tellTime(name, signal) {
  const began = Date.now();
  const tell = () => signal.aborted || (byId("timeline-clock").textContent = clock((Date.now() - began) / SECOND_MS));
  say(`Sending ${name} and listening to it …`);
  tell();
  return setInterval(tell, SECOND_MS);
}

// How far it is, in place of how long that takes; null: nobody knows yet.
function tellShare(line) {
  const bar = byId("timeline-progress");
  bar.hidden = false;
  if (line) bar.value = line.share;
  else bar.removeAttribute("value");
  byId("timeline-heard").textContent = line ? farTold(line) : "";
}

function farTold({ heard_s: heard, share }) {
  const whole = share < 1 && share > 0 ? ` of about ${clock(heard / share)}` : "";
  return `${clock(heard)}${whole} heard`;
}

function finishTelling() {
  for (const id of ["timeline-stop", "timeline-progress"]) byId(id).hidden = true;
  byId("timeline-heard").textContent = "";
  byId("timeline-clock").textContent = "";
}

const say = (text) => { byId("timeline-state").textContent = text; };

function take(line, axis, name) {
  if (line.code) throw problemOf(line);
  if ("share" in line) return far(line, axis, name);
  if (line.query) return finish(line.query.duration_s, axis, name);
  axis.add(line);
  say(`${count(axis.segments.length, "segment")} so far; the last is ${named(line)}`);
  return list(axis);
}

function far(line, axis, name) {
  tellShare(line);
  axis.expect(line.share > 0 ? line.heard_s / line.share : line.heard_s);
  if (!axis.segments.length) say(`Listening to ${name} …`);
}

function finish(durationS, axis, name) {
  axis.end(durationS);
  list(axis);
  const known = axis.knownS();
  say(`${name}: ${count(axis.segments.length, "segment")} in ${clock(durationS)}; ` +
    `${clock(known)} known, ${clock(durationS - known)} not`);
}

function refuse(error) {
  say("");
  byId("timeline-problem").replaceChildren(problemCard(error));
}

// The same in words, gaps included.
function list(axis) {
  byId("timeline-list").replaceChildren(...axis.parts().map(row));
}

function row({ start_s, end_s, segment }) {
  const when = `${clock(start_s)} to ${clock(end_s)}`;
  return element("li", {},
    element("span", { class: segment ? "name" : "soft" }, segment ? named(segment) : "nothing known"),
    element("span", { class: "soft" }, segment ? `${when}, ${percent(segment.confidence)}` : when));
}
