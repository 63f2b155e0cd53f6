// The microphone: pieces of sound, each with its samples, its spectrum and its level.

import { Problem } from "./api.js";
import { BANDS, bandsOf } from "./bands.js";

export const PIECE = 2048; // samples
const AS_IT_IS = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
const SPECTRUM = { fftSize: PIECE, smoothingTimeConstant: 0, minDecibels: -95, maxDecibels: -25 };
const REASONS = {
  NotAllowedError: ["microphone_denied", "allow it in the browser's settings of this page"],
  NotFoundError: ["microphone_missing", "connect one, or choose a file"],
};

export class Microphone {
  // Calls `onPiece({ samples, bands, level })` until it is closed, or `onLost()` when it goes away. Throws Problem.
  static async open(onPiece, onLost) {
    const stream = await allowed();
    const context = new AudioContext();
    try {
      await context.audioWorklet.addModule(new URL("./samples-worklet.js", import.meta.url));
      await context.resume();
      stream.getAudioTracks()[0].addEventListener("ended", onLost);
      return new Microphone(stream, context, onPiece);
    } catch (error) {
      release(stream, context);
      throw new Problem("microphone_failed", error.message);
    }
  }

  constructor(stream, context, onPiece) {
    this.stream = stream;
    this.context = context;
    this.analyser = new AnalyserNode(context, SPECTRUM);
    this.spectrum = new Uint8Array(this.analyser.frequencyBinCount);
    const mono = { channelCount: 1, channelCountMode: "explicit", processorOptions: { piece: PIECE } };
    const samples = new AudioWorkletNode(context, "samples", mono);
    samples.port.onmessage = ({ data }) => onPiece(this.piece(data));
    context.createMediaStreamSource(stream).connect(this.analyser).connect(samples).connect(context.destination);
  }

  get rate() {
    return Math.round(this.context.sampleRate);
  }

  piece(samples) {
    this.analyser.getByteFrequencyData(this.spectrum);
    return { samples, bands: bandsOf(this.spectrum, this.rate, BANDS), level: levelOf(samples) };
  }

  close() {
    release(this.stream, this.context);
  }
}

async function allowed() {
  if (!navigator.mediaDevices) {
    throw new Problem("microphone_insecure", "browsers give it to pages of this machine, or over https, alone");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: AS_IT_IS });
  } catch (error) {
    throw new Problem(...(REASONS[error.name] ?? ["microphone_failed", error.message]));
  }
}

function release(stream, context) {
  for (const track of stream.getTracks()) track.stop();
  context.close();
}

// Root mean square on a scale of decibels, from −60 (0) to 0 (1).
function levelOf(samples) {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length / 32767 ** 2;
  return Math.max(0, Math.min(1, 1 + (10 * Math.log10(power + 1e-12)) / 60));
}
