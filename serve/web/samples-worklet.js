// On the audio thread: what the microphone hears, as pieces of 16-bit samples.

class Samples extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.piece = new Int16Array(processorOptions.piece);
    this.filled = 0;
  }

  process([input]) {
    for (const sample of input[0] ?? []) {
      this.piece[this.filled++] = Math.round(Math.max(-1, Math.min(1, sample)) * 32767);
      if (this.filled === this.piece.length) this.handOver();
    }
    return true;
  }

  handOver() {
    const next = new Int16Array(this.piece.length);
    this.port.postMessage(this.piece, [this.piece.buffer]);
    this.piece = next;
    this.filled = 0;
  }
}

registerProcessor("samples", Samples);
