// The API key, for services that want one: kept for this tab and no longer.

import { byId } from "./dom.js";
import { forThisTab } from "./storage.js";

const PLACE = "refrain.key";

export const currentKey = () => forThisTab.get(PLACE);

// Whether a key was given. `reason` says why it is asked for.
export function askForKey(reason) {
  const dialog = byId("key-dialog");
  byId("key-reason").textContent = reason;
  byId("key-field").value = "";
  byId("key-forget").hidden = !currentKey();
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(taken(dialog.returnValue)), { once: true });
  });
}

function taken(choice) {
  const given = byId("key-field").value.trim();
  byId("key-field").value = "";
  if (choice === "forget") forThisTab.remove(PLACE);
  if (choice !== "use" || !given) return false;
  forThisTab.set(PLACE, given);
  return true;
}
