// Sound on a canvas: time to the right, pitch upwards. It is written once and does not scroll.

import { BANDS } from "./bands.js";

export class Spectrogram {
  constructor(canvas) {
    this.canvas = canvas;
    this.columns = [];
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.show(this.columns));
  }

  // Empty, with room for so many columns.
  begin(columns) {
    this.canvas.width = columns;
    this.canvas.height = BANDS;
    this.columns = [];
  }

  // In place of all that was there.
  show(columns) {
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, BANDS);
    this.columns = [];
    for (const bands of columns) this.add(bands);
  }

  add(bands) {
    if (this.columns.length >= this.canvas.width) return;
    const column = new ImageData(1, BANDS);
    const [red, green, blue] = getComputedStyle(this.canvas).color.match(/[\d.]+/g).map(Number);
    bands.forEach((level, band) => {
      column.data.set([red, green, blue, level * (level / 255)], (BANDS - 1 - band) * 4); // what is faint, fainter
    });
    this.canvas.getContext("2d").putImageData(column, this.columns.length, 0);
    this.columns.push(bands);
  }
}
