// One conversation over /v1/listen: samples go out, what is known so far comes back.

import { Problem, ask, problemOf, socketTo } from "./api.js";

const DONE = 1000;
const MOST = 1 << 17; // samples of one message: the service has a bound
const REASONS = { 1008: "no sound came for too long", 1009: "a message was too long" };

export class Conversation {
  // `onHeard(heard)` is called with every answer, `onEnd(problem or null)` once.
  constructor(rate, onHeard, onEnd) {
    this.waiting = [];
    this.problem = null;
    this.opened = false;
    this.onEnd = onEnd;
    this.socket = socketTo(`/v1/listen?rate=${rate}&evidence=true`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.open();
    this.socket.onmessage = ({ data }) => this.take(JSON.parse(data), onHeard);
    this.socket.onclose = ({ code }) => this.closed(code);
  }

  send(samples) {
    for (let start = 0; start < samples.length; start += MOST) this.sendPiece(samples.subarray(start, start + MOST));
  }

  sendPiece(samples) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(samples);
    else if (!this.opened) this.waiting.push(samples);
  }

  stop() {
    this.socket.onclose = null;
    this.socket.onmessage = null;
    this.socket.close(DONE);
    this.onEnd(null);
  }

  open() {
    this.opened = true;
    for (const samples of this.waiting.splice(0)) this.socket.send(samples);
  }

  take(answer, onHeard) {
    if (answer.code) this.problem = problemOf(answer);
    else onHeard(answer);
  }

  async closed(code) {
    if (code === DONE || this.problem) this.onEnd(this.problem);
    else if (this.opened) this.onEnd(new Problem("connection_lost", REASONS[code] ?? `it ended with ${code}`));
    else this.onEnd(await refusal());
  }
}

// Browsers do not tell why a WebSocket was refused; another request is refused for the same reason, or asks for a key.
async function refusal() {
  try {
    await ask("/v1/info");
    return new Problem("connection_lost", "live listening was refused; if you just gave a key, press again");
  } catch (problem) {
    return problem;
  }
}
