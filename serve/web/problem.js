// Problems in words, with their code.

import { element } from "./dom.js";

const BUSY = "The service cannot answer just now";
const HEADINGS = {
  unauthorized: "This service wants an API key",
  forbidden: "This key may not do that",
  rate_limited: "This key has asked enough for now",
  too_many_requests: "Too many are asking at once",
  empty_body: "That file is empty",
  unreadable: "That cannot be read as audio",
  no_audio_stream: "There is no sound in that file",
  too_short: "That is too short",
  too_long: "That is too long for one clip",
  decode_failed: "That cannot be read as audio",
  decode_timeout: "That takes too long to decode",
  silent: "There is nothing to hear",
  body_too_large: "That file is too large",
  body_timeout: "That took too long to arrive",
  not_ready: BUSY,
  overloaded: BUSY,
  replica_lost: BUSY,
  draining: BUSY,
  encoder: BUSY,
  decoder: BUSY,
  deadline_exceeded: BUSY,
  vector_store: BUSY,
  metadata_store: BUSY,
  unreachable: "The service does not answer",
  connection_lost: "The connection broke off",
  microphone_denied: "The microphone was not allowed",
  microphone_missing: "There is no microphone",
  microphone_insecure: "No microphone on this page",
  microphone_failed: "The microphone does not start",
};

export function problemCard(problem, ...more) {
  const again = problem.retryS ? ` Ask again in ${problem.retryS} s.` : "";
  return element("article", { class: "card problem", role: "alert" },
    element("h3", {}, HEADINGS[problem.code] ?? "That did not work"),
    element("p", {}, `${sentence(problem.message)}${again}`),
    element("p", { class: "soft" }, element("code", {}, problem.code ?? "unexpected")),
    more);
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
