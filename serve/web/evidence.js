// What a match rests on, drawn: moments of the clip against moments of the track, and how alike they are.

import { drawn, element } from "./dom.js";
import { clock } from "./format.js";

const LEFT = 52, RIGHT = 12, TOP = 28, GAP = 44, BOTTOM = 42; // px around the two panels
const LINE = 190, BARS = 54; // px, their heights
const STEPS_S = [1, 2, 5, 10, 20, 30, 60, 120, 300];
const TICKS = 6; // of an axis, about

// A figure that fits its place and is drawn anew when the place changes.
export function evidenceFigure(match, clipS) {
  const place = element("div", { class: "plot" });
  new ResizeObserver(() => place.replaceChildren(plot(match, clipS, Math.max(280, place.clientWidth)))).observe(place);
  return element("figure", { class: "evidence" }, place,
    element("figcaption", { class: "soft" }, caption(match)));
}

function caption(match) {
  const speed = Math.abs(match.speed - 1) >= 0.005 ? " The dotted line is what the original speed would be." : "";
  return "Each dot is a moment of the clip that met one of the track: their line begins at the place, and its " +
    `slope is the speed. Bars tell how alike the two sound, as a cosine; ${match.score.toFixed(2)} on average.${speed}`;
}

function plot(match, clipS, width) {
  const pairs = match.evidence;
  const track = (seconds) => match.offset_s + match.speed * seconds;
  const x = scale(0, clipS, LEFT, width - RIGHT);
  const y = scale(track(0), track(clipS), TOP + LINE, TOP);
  const foot = TOP + LINE + GAP + BARS;
  const height = foot + BOTTOM;
  const label = `${pairs.length} moments of the clip lie on one line, from ${clock(track(0), 1)} ` +
    `to ${clock(track(clipS), 1)} of the track; mean similarity ${match.score.toFixed(2)}`;
  return drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label },
    trackAxis(track(0), track(clipS), y, width),
    clipAxis(clipS, x, foot),
    Math.abs(match.speed - 1) >= 0.005 && originalSpeed(match, clipS, x, y),
    drawn("line", { class: "line", x1: x(0), y1: y(track(0)), x2: x(clipS), y2: y(track(clipS)) }),
    pairs.map((pair) => dot(pair, x, y)),
    bars(pairs, match.score, x, foot, width));
}

const scale = (from, to, start, end) => (value) => start + ((value - from) / (to - from || 1)) * (end - start);

const dot = (pair, x, y) => drawn("circle", {
  class: "dot", cx: x(pair.clip_s), cy: y(pair.track_s), r: 3.5, "fill-opacity": Math.max(0.15, pair.similarity),
});

function originalSpeed(match, clipS, x, y) {
  const endS = clipS * Math.min(1, match.speed); // so that it stays inside
  const ends = { x2: x(endS), y2: y(match.offset_s + endS) };
  return drawn("line", { class: "original", x1: x(0), y1: y(match.offset_s), ...ends });
}

function bars(pairs, score, x, foot, width) {
  const height = (similarity) => Math.max(0, similarity) * BARS;
  return drawn("g", {},
    drawn("text", { x: 0, y: foot - BARS - 14 }, "similarity"),
    pairs.map((pair) => drawn("rect", {
      class: "bar", x: x(pair.clip_s) - 2, width: 4, y: foot - height(pair.similarity), height: height(pair.similarity),
    })),
    drawn("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: foot, y2: foot }),
    drawn("line", { class: "mean", x1: LEFT, x2: width - RIGHT, y1: foot - height(score), y2: foot - height(score) }),
    [0, 1].map((similarity) =>
      drawn("text", { x: LEFT - 8, y: foot - height(similarity) + 4, "text-anchor": "end" }, similarity)));
}

function trackAxis(from, to, y, width) {
  return drawn("g", {},
    drawn("text", { x: 0, y: 12 }, "time in the track"),
    ticks(from, to).map((seconds) => drawn("g", {},
      drawn("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(seconds), y2: y(seconds) }),
      drawn("text", { x: LEFT - 8, y: y(seconds) + 4, "text-anchor": "end" }, clock(seconds)))));
}

function clipAxis(clipS, x, foot) {
  return drawn("g", {},
    ticks(0, clipS).map((seconds) => drawn("text", { x: x(seconds), y: foot + 18, "text-anchor": "middle" }, seconds)),
    drawn("text", { x: x(clipS), y: foot + 38, "text-anchor": "end" }, "seconds of the clip"));
}

export function ticks(from, to) {
  const step = STEPS_S.find((candidate) => (to - from) / candidate <= TICKS) ?? 600;
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_, n) => (first + n) * step);
}
