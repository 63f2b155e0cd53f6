// The four views of the page; the address says which one is shown.

import { byId } from "./dom.js";

const NAMES = ["listen", "timeline", "catalogue", "history"];
let current = NAMES[0];

export const currentView = () => current;

export const go = (name) => { location.hash = name; };

// `onShow[name]` is called whenever that view comes up.
export function startViews(onShow) {
  addEventListener("hashchange", () => {
    if (follow(onShow)) byId(`${current}-heading`).focus();
  });
  if (!follow(onShow)) show(onShow);
}

// Whether the address names another view than the one that is shown.
function follow(onShow) {
  const named = NAMES.find((name) => `#${name}` === location.hash);
  if (!named || named === current) return false;
  current = named;
  show(onShow);
  return true;
}

function show(onShow) {
  for (const name of NAMES) {
    byId(name).hidden = name !== current;
    const link = document.querySelector(`nav a[href="#${name}"]`);
    if (name === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  onShow[current]?.();
}
