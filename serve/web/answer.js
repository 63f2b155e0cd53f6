// An answer for people: the recording, the place in it, how sure that is, and what it rests on.

import { asked } from "./api.js";
import { element, facts } from "./dom.js";
import { evidenceFigure } from "./evidence.js";
import { byline, clock, identity, named, percent, pitchOf, speedOf, titleOf } from "./format.js";

const NAMED_TWINS = 5; // other tracks of the same recording that are looked up

// The best match; `heardS` is how much of the clip was matched, up to `clipS`.
export function matchCard(match, clipS, heardS) {
  return element("article", { class: "card match" },
    element("h2", { class: "title" }, titleOf(match)),
    element("p", { class: "byline" }, byline(match)),
    facts([
      ["confidence", percent(match.confidence)],
      ["place", clock(match.offset_s, 1)],
      ["agreeing", `${match.aligned_s.toFixed(1)} of ${heardS.toFixed(1)} s`],
      ["speed", speedOf(match.speed)],
      ["pitch", pitchOf(match.pitch_semitones)],
    ]),
    match.evidence?.length > 1 && evidenceFigure(match, clipS));
}

// The whole answer to a clip.
export function answerTo(answer) {
  const { duration_s: clipS, used } = answer.query;
  const [best, ...others] = answer.matches;
  if (!best) return [unknownCard()];
  const card = matchCard(best, clipS, used ? used.end_s - used.start_s : clipS);
  if (answer.degraded) card.append(nameless());
  card.append(...twins(best.same_recording), small(best));
  return [card, others.length ? alsoPossible(others) : null].filter(Boolean);
}

export const unknownCard = () => element("article", { class: "card" },
  element("h2", { class: "title" }, "Not in this catalogue"),
  element("p", { class: "soft" }, "Nothing here is surely that recording. A longer or clearer clip may tell more; " +
    "a cover or a live version is another recording."));

const nameless = () =>
  element("p", { class: "soft" }, "Names cannot be looked up at the moment; the number stays the same.");

const small = (match) => element("p", { class: "soft small" }, identity(match));

const alsoPossible = (matches) => element("section", { class: "others" },
  element("h3", {}, "Also possible"),
  element("ul", { class: "rows" }, matches.map((match) => element("li", {},
    element("span", {}, named(match)),
    element("span", { class: "soft" }, `${percent(match.confidence)}, from ${clock(match.offset_s)}`)))));

// Other tracks that hold the same recording, by name as soon as those are known.
function twins(ids) {
  if (!ids.length) return [];
  const rows = ids.slice(0, NAMED_TWINS).map((id) => {
    const row = element("li", {}, `track ${id}`);
    asked(`/v1/tracks/${id}`, { quiet: true })
      .then((track) => { row.textContent = [named(track), track.album].filter(Boolean).join(" · "); })
      .catch(() => row.append(" (its name could not be looked up)"));
    return row;
  });
  const others = ids.length - NAMED_TWINS;
  const more = others > 0 && element("li", { class: "soft" }, `and ${others} more`);
  return [element("h3", {}, "The same recording is also here as"), element("ul", { class: "rows" }, rows, more)];
}
