// Requests to the service this page came from, and what goes wrong with them.

import { askForKey, currentKey } from "./key.js";

// `code` is the service's own, or `unreachable`, `connection_lost`, `microphone_…` of this page.
export class Problem extends Error {
  constructor(code, detail, retryS = null) {
    super(detail);
    this.code = code;
    this.retryS = retryS;
  }
}

export const problemOf = ({ code, detail }, retryS = null) =>
  new Problem(code || "unexpected", detail || "no reason was given", retryS);

// The response, if it is none of the errors: they are thrown as Problems. Where the service wants a key, the person is
// asked for one, unless the request is a quiet one.
export async function ask(path, { quiet = false, ...options } = {}) {
  const key = currentKey();
  const headers = { ...options.headers, ...(key && { "x-api-key": key }) };
  const response = await reached(path, { ...options, headers });
  if (response.ok) return response;
  const problem = await problemIn(response);
  if (response.status === 401 && !quiet && (await askForKey(problem.message))) return ask(path, options);
  throw problem;
}

async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("unreachable", "it may be starting, or the network may be away");
  }
}

async function problemIn(response) {
  const retryS = Number(response.headers.get("retry-after")) || null;
  const body = await response.json().catch(() => ({ detail: `status ${response.status}` }));
  return problemOf(body, retryS);
}

export const asked = async (path, options) => (await ask(path, options)).json();

// The same service's WebSocket; a browser can give it no header, so the key is offered as a subprotocol.
export function socketTo(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const key = currentKey();
  return new WebSocket(url, key ? ["refrain", `refrain.key.${key}`] : []);
}
