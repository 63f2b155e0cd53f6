// What the browser keeps for this page; where it refuses, the page itself keeps it until it is left.

const instead = new Map();

function attempt(work, otherwise) {
  try {
    return work();
  } catch {
    return otherwise();
  }
}

const keeper = (place) => ({
  get: (name) => attempt(() => place().getItem(name), () => instead.get(name) ?? null),
  set: (name, value) => attempt(() => place().setItem(name, value), () => instead.set(name, value)),
  remove: (name) => attempt(() => place().removeItem(name), () => instead.delete(name)),
});

export const forThisTab = keeper(() => sessionStorage);

export const forThisBrowser = keeper(() => localStorage);
