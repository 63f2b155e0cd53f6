// The page at /: its parts, put together.

import { asked } from "./api.js";
import { acceptChoice, acceptDrops } from "./drop.js";
import { byId } from "./dom.js";
import { count } from "./format.js";
import { acceptClearing, showHistory } from "./history.js";
import { identifyFile, stopIdentifying } from "./identify.js";
import { askForKey, currentKey } from "./key.js";
import { Live } from "./live.js";
import { acceptStopping, followFile } from "./timeline.js";
import { acceptSearching, showCatalogue } from "./tracks.js";
import { currentView, go, startViews } from "./views.js";

const live = new Live(stopIdentifying);

function identify(file) {
  if (live.conversation) live.conversation.stop();
  go("listen");
  identifyFile(file, follow);
}

function follow(file) {
  go("timeline");
  followFile(file);
}

async function describe() {
  const info = await asked("/v1/info", { quiet: true }).catch((problem) => problem);
  byId("info").textContent = info instanceof Error ? `What is served cannot be told: ${info.message}.` : served(info);
  live.listenS = info.limits?.listen_s ?? live.listenS;
}

function served(info) {
  const hours = info.hours >= 0.1 ? `, ${info.hours.toFixed(1)} hours` : "";
  const filled = info.generation === null ? "nothing has been ingested yet" : `${count(info.tracks, "track")}${hours}`;
  return `Catalogue “${info.catalog}”: ${filled}. Refrain ${info.version}.`;
}

async function changeKey() {
  const reason = currentKey() ? "A key is in use." : "Only services that others can reach want one.";
  await askForKey(reason);
  describe();
}

acceptDrops((file) => (currentView() === "timeline" ? follow(file) : identify(file)));
acceptChoice("file", identify);
acceptChoice("timeline-file", follow);
acceptStopping();
acceptSearching();
acceptClearing();
byId("key-button").addEventListener("click", changeKey);
startViews({ catalogue: showCatalogue, history: showHistory });
describe();
