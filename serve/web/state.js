// What is being done, told to everybody, and what came of it, told to those who do not see it.

import { byId, element } from "./dom.js";

// Only what is new is told, so that nothing is read aloud twice.
export function tell(seen, spoken = "") {
  const place = byId("listen-state");
  const text = [seen, spoken].filter(Boolean).join(". ");
  if (place.textContent === text) return;
  place.replaceChildren(seen, element("span", { class: "unseen" }, text.slice(seen.length)));
}
