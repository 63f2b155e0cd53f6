// The page: a file or the microphone → POST /v1/identify → the answer, in words.
"use strict";

const LISTEN_MS = 10_000;
const byId = (id) => document.getElementById(id);
const say = (text) => { byId("state").textContent = text; };

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function clock(seconds) {
  const size = Math.abs(seconds);
  const rest = (size % 60).toFixed(1).padStart(4, "0");
  return `${seconds < 0 ? "−" : ""}${Math.floor(size / 60)}:${rest}`;
}

function changed(match) {
  const parts = [];
  const faster = (match.speed - 1) * 100;
  if (Math.abs(faster) >= 0.5) parts.push(`${Math.abs(faster).toFixed(1)} % ${faster > 0 ? "faster" : "slower"}`);
  const higher = match.pitch_semitones;
  if (Math.abs(higher) >= 0.1) parts.push(`${Math.abs(higher).toFixed(1)} semitones ${higher > 0 ? "higher" : "lower"}`);
  return parts.join(", ") || "as recorded";
}

function card(match) {
  const made = element("article", undefined, "card");
  made.append(element("h2", match.title || match.uri));
  const list = element("dl");
  const rows = [
    ["artist", match.artist], ["album", match.album], ["ISRC", match.isrc],
    ["where", `the clip begins at ${clock(match.offset_s)}, ${match.aligned_s.toFixed(1)} s agree`],
    ["confidence", `${(match.confidence * 100).toFixed(1)} %`],
    ["played", changed(match)], ["track", `${match.track_id} · ${match.uri}`],
    ["same recording", match.same_recording.map((id) => `track ${id}`).join(", ")],
  ];
  for (const [name, value] of rows) {
    if (value) list.append(element("dt", name), element("dd", value));
  }
  made.append(list);
  return made;
}

function show(answer, name) {
  const place = byId("answer");
  place.replaceChildren();
  if (answer.code) {
    const made = element("article", undefined, "card problem");
    made.append(element("h2", "That did not work"), element("p", `${answer.detail} (${answer.code})`));
    place.append(made);
    return;
  }
  if (!answer.matches.length) {
    const made = element("article", undefined, "card");
    made.append(element("h2", "Not in this catalogue"), element("p", "Nothing here is that recording.", "soft"));
    place.append(made);
  }
  place.append(...answer.matches.map(card));
  const length = answer.query.duration_s.toFixed(1);
  place.append(element("p", `${name}, ${length} s, answered in ${answer.timings_ms.total.toFixed(0)} ms`, "soft"));
}

// Asks the service; where it wants a key, asks the person once and keeps it as long as the tab is open.
async function ask(path, options = {}) {
  const key = sessionStorage.getItem("key");
  const headers = { ...options.headers, ...(key && { "x-api-key": key }) };
  const response = await fetch(path, { ...options, headers });
  if (response.status !== 401) return response;
  sessionStorage.removeItem("key");
  const given = prompt("This service wants an API key:");
  if (!given) return response;
  sessionStorage.setItem("key", given.trim());
  return ask(path, options);
}

async function identify(blob, name) {
  say("listening to it …");
  try {
    const response = await ask("/v1/identify", {
      method: "POST", body: blob, headers: { "content-type": blob.type || "application/octet-stream" },
    });
    show(await response.json(), name);
    say("");
  } catch (error) {
    say(`no answer: ${error.message}`);
  }
}

function watchLevel(stream) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const meter = byId("level");
  meter.hidden = false;
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    meter.value = Math.min(1, 4 * Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length));
  }, 50);
  return () => { clearInterval(timer); meter.hidden = true; context.close(); };
}

async function listen() {
  if (!navigator.mediaDevices) {
    say("the browser gives the microphone only to pages of this machine, or over https");
    return;
  }
  const button = byId("listen");
  button.disabled = true;
  try {
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
    const stopLevel = watchLevel(stream);
    const recorder = new MediaRecorder(stream);
    const pieces = [];
    recorder.ondataavailable = (event) => pieces.push(event.data);
    const done = new Promise((resolve) => { recorder.onstop = resolve; });
    recorder.start();
    say("recording …");
    setTimeout(() => recorder.stop(), LISTEN_MS);
    await done;
    stopLevel();
    stream.getTracks().forEach((track) => track.stop());
    await identify(new Blob(pieces, { type: recorder.mimeType }), "microphone");
  } catch (error) {
    say(`no recording: ${error.message}`);
  } finally {
    button.disabled = false;
  }
}

function acceptDrops(zone) {
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) identify(file, file.name);
  });
}

async function describe() {
  const response = await ask("/v1/info");
  if (!response.ok) return;
  const info = await response.json();
  const filled = info.generation === null ? "nothing has been ingested yet" : `${info.tracks} tracks`;
  byId("info").textContent = `Catalogue “${info.catalog}”: ${filled}. Refrain ${info.version}.`;
}

acceptDrops(byId("drop"));
byId("listen").addEventListener("click", listen);
byId("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) identify(file, file.name);
  event.target.value = "";
});
describe();
