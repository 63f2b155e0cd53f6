// The documentation: /openapi.json, rendered without any library.
"use strict";

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function table(head, rows) {
  const made = element("table");
  for (const [tag, cells] of [["th", head], ...rows.map((row) => ["td", row])]) {
    const line = element("tr");
    line.append(...cells.map((cell) => element(tag, cell)));
    made.append(line);
  }
  return made;
}

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  return schema.format || schema.type || "";
}

function schemaCard(name, schema) {
  const made = element("section", undefined, "card");
  made.append(element("h2", name), element("p", schema.description || "", "soft"));
  const fields = Object.entries(schema.properties || {});
  made.append(table(["field", "type", ""], fields.map(([field, of]) => [field, typeOf(of), of.description || ""])));
  for (const example of schema.examples || []) made.append(element("pre", JSON.stringify(example, null, 2)));
  return made;
}

function answersOf(route) {
  return Object.entries(route.responses).map(([status, response]) => {
    const [content] = Object.values(response.content || {});
    return [status, typeOf(content && content.schema), response.description || ""];
  });
}

function routeCard(path, method, route) {
  const made = element("section", undefined, "card");
  const title = element("h2");
  title.append(element("span", method.toUpperCase(), "method"), element("code", path));
  made.append(title, element("p", route.summary || ""));
  if (route.requestBody) {
    const kinds = Object.keys(route.requestBody.content).join(", ");
    made.append(element("p", `Body: ${route.requestBody.description || ""} (${kinds})`, "soft"));
  }
  const parameters = (route.parameters || []).map((p) => [p.name, typeOf(p.schema), p.in, p.description || ""]);
  if (parameters.length) made.append(table(["parameter", "type", "in", ""], parameters));
  made.append(table(["status", "body", ""], answersOf(route)));
  return made;
}

async function render() {
  const place = document.getElementById("routes");
  const spec = await (await fetch("/openapi.json")).json();
  place.replaceChildren();
  for (const [path, methods] of Object.entries(spec.paths)) {
    for (const [method, route] of Object.entries(methods)) place.append(routeCard(path, method, route));
  }
  for (const [name, schema] of Object.entries(spec.components.schemas)) place.append(schemaCard(name, schema));
}

for (const place of document.getElementsByClassName("origin")) place.textContent = location.origin;
render();
