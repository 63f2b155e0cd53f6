// Segments along a line of time. One of them is chosen, by click or by arrow keys.

import { element } from "./dom.js";
import { clock, named, titleOf } from "./format.js";

const STEPS_S = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const TICKS = 6; // at most, about
const LAST_MARK = 0.9; // of the axis: one further right would not fit
const SHORTEST_GAP_S = 1;
const MOVES = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };

export class Axis {
  // `onChoose(segment)` is called with the one that was chosen.
  constructor(place, onChoose) {
    this.segments = [];
    this.durationS = null;
    this.expectedS = 0; // as far as is known
    this.onChoose = onChoose;
    const label = "Segments; arrow keys move between them";
    const keydown = (event) => this.move(event);
    this.lane = element("div", { class: "lane", role: "group", "aria-label": label, keydown });
    this.ticks = element("div", { class: "ticks", "aria-hidden": "true" });
    place.replaceChildren(this.lane, this.ticks);
  }

  add(segment) {
    const label = `${clock(segment.start_s)} to ${clock(segment.end_s)}: ${named(segment)}`;
    const button = element("button", {
      type: "button", class: "segment", "aria-label": label, title: label, "aria-pressed": "false",
      tabindex: this.segments.length ? -1 : 0, click: () => this.choose(segment),
    }, element("span", {}, titleOf(segment)));
    this.segments.push(segment);
    this.lane.append(button);
    this.lay();
  }

  expect(lengthS) {
    this.expectedS = lengthS;
    this.lay();
  }

  end(durationS) {
    this.durationS = durationS;
    this.lay();
  }

  get lengthS() {
    return this.durationS ?? Math.max(this.expectedS, ...this.segments.map((segment) => segment.end_s));
  }

  lay() {
    this.segments.forEach((segment, number) => {
      const { style } = this.lane.children[number];
      style.left = this.share(segment.start_s);
      style.width = this.share(segment.end_s - segment.start_s);
    });
    const step = STEPS_S.find((candidate) => this.lengthS / candidate <= TICKS) ?? 4 * 3600;
    const last = Math.floor((LAST_MARK * this.lengthS) / step);
    const marks = Array.from({ length: last + 1 }, (_, number) => number * step);
    this.ticks.replaceChildren(...marks.map((seconds) => {
      const mark = element("span", {}, clock(seconds));
      mark.style.left = this.share(seconds);
      return mark;
    }));
  }

  share(seconds) {
    return `${((100 * seconds) / this.lengthS).toFixed(3)}%`;
  }

  choose(segment) {
    this.segments.forEach((other, number) => {
      this.lane.children[number].setAttribute("aria-pressed", String(other === segment));
      this.lane.children[number].tabIndex = other === segment ? 0 : -1;
    });
    this.onChoose(segment);
  }

  move(event) {
    const by = MOVES[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const now = [...this.lane.children].indexOf(document.activeElement);
    const next = Math.max(0, Math.min(this.segments.length - 1, now + by));
    this.lane.children[next].focus();
    this.choose(this.segments[next]);
  }

  // Segments and the gaps between them, in order.
  parts() {
    const found = [];
    let upTo = 0;
    const gap = (end) => end - upTo >= SHORTEST_GAP_S && found.push({ start_s: upTo, end_s: end });
    for (const segment of this.segments) {
      gap(segment.start_s);
      found.push({ start_s: segment.start_s, end_s: segment.end_s, segment });
      upTo = Math.max(upTo, segment.end_s);
    }
    gap(this.durationS ?? upTo);
    return found;
  }

  knownS() {
    let upTo = 0;
    return this.segments.reduce((sum, { start_s, end_s }) => {
      const more = Math.max(0, end_s - Math.max(upTo, start_s));
      upTo = Math.max(upTo, end_s);
      return sum + more;
    }, 0);
  }
}
