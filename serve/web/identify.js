// A file → POST /v1/identify → the answer.

import { answerTo } from "./answer.js";
import { asked } from "./api.js";
import { byId, element } from "./dom.js";
import { clock, named } from "./format.js";
import { remember } from "./history.js";
import { problemCard } from "./problem.js";
import { tell } from "./state.js";

let running = null; // what aborts the question before

// `onWhole(file)` follows the file as a long recording.
export async function identifyFile(file, onWhole) {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  tell(`Sending ${file.name} …`);
  byId("answer").replaceChildren();
  try {
    const request = { method: "POST", body: file, signal, headers: typed(file) };
    const answer = await asked("/v1/identify?evidence=true", request);
    show(answer, file, onWhole);
  } catch (error) {
    if (error.name !== "AbortError") refuse(error, file, onWhole);
  }
}

export const stopIdentifying = () => running?.abort();

const typed = (file) => ({ "content-type": file.type || "application/octet-stream" });

function show(answer, file, onWhole) {
  const [best] = answer.matches;
  tell("", best ? `${named(best)}, from ${clock(best.offset_s)}` : "Not in this catalogue");
  remember(file.name, best);
  byId("answer").replaceChildren(...answerTo(answer), ...about(answer, file, onWhole));
}

function refuse(error, file, onWhole) {
  tell("");
  const long = error.code === "too_long" || error.code === "body_too_large";
  byId("answer").replaceChildren(problemCard(error, long && wholeButton(file, onWhole)));
}

function about({ query, timings_ms: timings }, file, onWhole) {
  const used = query.used;
  const part = used ? `, of which ${clock(used.start_s)} to ${clock(used.end_s)}, the loudest part, was matched` : "";
  const told = element("p", { class: "soft small" },
    `${file.name}: ${query.duration_s.toFixed(1)} s${part}. Answered in ${timings.total.toFixed(0)} ms.`);
  return used ? [told, wholeButton(file, onWhole)] : [told];
}

const wholeButton = (file, onWhole) =>
  element("button", { type: "button", class: "quiet", click: () => onWhole(file) }, "What is heard in the whole file?");
