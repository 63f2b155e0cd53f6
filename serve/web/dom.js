// Elements in one line, by attributes and children.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export const element = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);

export const drawn = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

// Attributes that are null, undefined or false are left out, as are such children; a function listens.
function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (isThere(value)) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter(isThere));
  return made;
}

const isThere = (value) => value !== null && value !== undefined && value !== false;

// A list of terms and what is said of them; those without a value are left out.
export function facts(rows) {
  const told = rows.filter(([, value]) => isThere(value) && value !== "");
  return element("dl", { class: "facts" }, told.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}
