// One segment of a long recording, in full.

import { element, facts } from "./dom.js";
import { byline, clock, identity, named, percent, pitchOf, speedOf, titleOf } from "./format.js";

export const segmentCard = (segment) => element("article", { class: "card match" },
  element("h2", { class: "title" }, titleOf(segment)),
  element("p", { class: "byline" }, byline(segment)),
  facts([
    ["confidence", percent(segment.confidence)],
    ["heard", span(segment.start_s, segment.end_s)],
    ["of the track", span(segment.track_start_s, segment.track_end_s)],
    ["speed", speedOf(segment.speed)],
    ["pitch", pitchOf(segment.pitch_semitones)],
  ]),
  segment.alternatives.length > 0 && element("p", { class: "soft" }, `It could also be ${others(segment)}.`),
  element("p", { class: "soft small" }, identity(segment)));

const span = (start, end) => `${clock(start)} – ${clock(end)}`;

const others = ({ alternatives }) =>
  alternatives.map((other) => `${named(other)} (${percent(other.confidence)})`).join(", ");
