// The one button: listen, tell what is known, go on until it is pressed again or enough was heard.

import { answerTo, matchCard, unknownCard } from "./answer.js";
import { Problem } from "./api.js";
import { byId } from "./dom.js";
import { clock, named } from "./format.js";
import { remember } from "./history.js";
import { Conversation } from "./listen.js";
import { Microphone, PIECE } from "./microphone.js";
import { problemCard } from "./problem.js";
import { Ring, joined } from "./ring.js";
import { Spectrogram } from "./spectrogram.js";
import { tell } from "./state.js";
import { forThisBrowser } from "./storage.js";

const KEPT_S = 5;
const KEEP = "refrain.keep"; // where the choice is kept
const PIECES_A_SHOW = 4; // of what is kept: it is drawn some six times a second

export class Live {
  // `listenS` is how much the service hears at most; `onStart()` is called when listening begins.
  constructor(onStart) {
    this.listenS = 30;
    this.onStart = onStart;
    this.ring = new Ring(KEPT_S);
    this.spectrogram = new Spectrogram(byId("spectrogram"));
    this.microphone = null;
    this.conversation = null;
    this.heard = null;
    this.doing = "";
    this.pieces = 0;
    this.starting = false;
    byId("keep").checked = forThisBrowser.get(KEEP) !== "no";
    byId("keep").addEventListener("change", () => this.chooseKeeping());
    byId("listen-button").addEventListener("click", () => this.press());
  }

  press() {
    if (this.conversation) this.conversation.stop();
    else if (!this.starting) this.start();
  }

  async start() {
    this.starting = true;
    this.onStart();
    byId("answer").replaceChildren();
    if (!this.microphone) tell("Waiting for the microphone");
    try {
      this.microphone ??= await Microphone.open((piece) => this.hear(piece), () => this.lose());
      this.begin(this.ring.take());
    } catch (problem) {
      tell("");
      byId("answer").replaceChildren(problemCard(problem));
    } finally {
      this.starting = false;
    }
  }

  // Starts with what was just heard.
  begin(before) {
    this.heard = null;
    const onHeard = (heard) => this.know(heard);
    this.conversation = new Conversation(this.microphone.rate, onHeard, (problem) => this.end(problem));
    this.conversation.send(joined(before));
    this.makeRoom();
    this.spectrogram.show(before.map((piece) => piece.bands));
    byId("listen-clock").textContent = "0 s";
    this.dress();
    this.doing = before.length ? "Listening, from a few seconds ago on" : "Listening";
    tell(this.doing);
  }

  hear(piece) {
    this.level(piece.level);
    if (this.conversation) {
      this.conversation.send(piece.samples);
      this.spectrogram.add(piece.bands);
    } else if (this.keeping) {
      this.ring.push(piece, this.microphone.rate);
      if (this.pieces++ % PIECES_A_SHOW === 0) this.spectrogram.show(this.ring.pieces.map((kept) => kept.bands));
    }
  }

  know(heard) {
    const [best] = heard.matches;
    byId("listen-clock").textContent = `${heard.heard_s.toFixed(0)} s`;
    byId("answer").replaceChildren(...(best ? [matchCard(best, heard.heard_s, heard.heard_s)] : []));
    tell(heard.enough ? "Sure enough: stop whenever you like" : this.doing, best && named(best));
    this.heard = heard;
  }

  end(problem) {
    this.conversation = null;
    if (!this.keeping) this.closeMicrophone();
    this.dress();
    if (problem) {
      tell("");
      byId("answer").replaceChildren(problemCard(problem));
    } else if (this.heard) this.conclude(this.heard);
    else tell("Nothing was heard yet");
  }

  conclude({ heard_s, matches, degraded }) {
    const [best] = matches;
    remember(`microphone, ${heard_s.toFixed(0)} s`, best);
    tell("", best ? `${named(best)}, from ${clock(best.offset_s)}` : "Not in this catalogue");
    const answer = { query: { duration_s: heard_s }, matches, degraded };
    byId("answer").replaceChildren(...(best ? answerTo(answer) : [unknownCard()]));
  }

  lose() {
    this.conversation?.stop();
    this.closeMicrophone();
    this.dress();
    byId("answer").append(problemCard(new Problem("microphone_missing", "it was unplugged, or is no longer allowed")));
  }

  get keeping() {
    return byId("keep").checked;
  }

  chooseKeeping() {
    forThisBrowser.set(KEEP, this.keeping ? "yes" : "no");
    if (!this.keeping) this.ring.take();
    if (!this.keeping && !this.conversation) this.closeMicrophone();
    this.dress();
  }

  closeMicrophone() {
    this.microphone?.close();
    this.microphone = null;
    this.level(0);
  }

  // What is seen of the state.
  dress() {
    const listening = this.conversation !== null;
    document.body.classList.toggle("listening", listening);
    byId("listen-word").textContent = listening ? "Stop" : "Listen";
    if (!listening) byId("listen-clock").textContent = "";
    byId("sound-start").textContent = listening ? "0 s" : `the last ${KEPT_S} s`;
    byId("sound-end").textContent = listening ? `${this.listenS} s` : "";
    byId("sound").hidden = !this.microphone;
    byId("keep-told").hidden = !this.microphone && this.keeping;
  }

  makeRoom() {
    this.spectrogram.begin(Math.ceil((this.listenS * this.microphone.rate) / PIECE));
  }

  level(share) {
    const meter = byId("level");
    meter.setAttribute("aria-valuenow", Math.round(share * 100));
    meter.firstElementChild.style.transform = `scaleX(${share.toFixed(3)})`;
    byId("listen-button").style.setProperty("--level", share.toFixed(3));
  }
}
