// @ts-check
// The address holds the state of a page, a moment later, and never another entry of the history.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Store } from "../../../viz/page/store.js";

const here = { hash: "", protocol: "http:" };
const replaceState = (/** @type {unknown} */ _, /** @type {string} */ __, /** @type {string} */ to) => {
  here.hash = to;
};
for (const [name, value] of Object.entries({ location: here, history: { replaceState } })) {
  Object.defineProperty(globalThis, name, { value, configurable: true });
}
const moment = () => new Promise((done) => setTimeout(done, 300));

/** @returns {Store<{digit: number}>} */
const store = () =>
  new Store({ digit: 0 }, {
    settle: (state) => state,
    show: () => {},
    fromAddress: () => ({}),
    toAddress: ({ digit }) => `#digit=${digit}`,
  });

test("what was set last is in the address", async () => {
  const one = store();
  one.set({ digit: 1 });
  one.set({ digit: 2 });
  await moment();
  assert.equal(here.hash, "#digit=2");
});

test("who went back before it was written is not brought forward again", async () => {
  store().set({ digit: 3 });
  here.hash = "#digit=1"; // Back, whose event has not come yet
  await moment();
  assert.equal(here.hash, "#digit=1");
});
