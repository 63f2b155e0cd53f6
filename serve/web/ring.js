// The last seconds of sound, in memory and nowhere else.

export class Ring {
  constructor(keptS) {
    this.keptS = keptS;
    this.pieces = [];
  }

  push(piece, rate) {
    this.pieces.push(piece);
    const most = Math.floor((this.keptS * rate) / piece.samples.length);
    if (this.pieces.length > most) this.pieces.shift();
  }

  // What was kept, oldest first; nothing is kept any more.
  take() {
    return this.pieces.splice(0);
  }
}

export function joined(pieces) {
  const samples = new Int16Array(pieces.reduce((sum, piece) => sum + piece.samples.length, 0));
  let place = 0;
  for (const piece of pieces) {
    samples.set(piece.samples, place);
    place += piece.samples.length;
  }
  return samples;
}
