// Files: dropped anywhere on the page, or chosen.

import { byId } from "./dom.js";

export function acceptDrops(onFile) {
  let depth = 0; // of elements entered and not yet left
  const over = (by) => {
    depth = Math.max(0, by === 0 ? 0 : depth + by);
    document.body.classList.toggle("over", depth > 0);
  };
  addEventListener("dragenter", () => over(1));
  addEventListener("dragleave", () => over(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    over(0);
    const [file] = event.dataTransfer.files;
    if (file) onFile(file);
  });
}

export function acceptChoice(id, onFile) {
  const input = byId(id);
  input.addEventListener("change", () => {
    const [file] = input.files;
    if (file) onFile(file);
    input.value = "";
  });
}
