// @ts-check
// What fails is done again: by itself, at once when somebody says so, and when the network is back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { again, untilDone } from "../../../../viz/studio/page/again.js";
import { fetchAll } from "../../../../viz/studio/page/loading.js";

const turn = () => new Promise((done) => setTimeout(done));

test("what fails is done again, at once where somebody says so or the network is back", async () => {
  let times = 0;
  /** @type {string[]} */ const told = [];
  const done = untilDone(async () => {
    if (++times < 4) throw new Error(`no ${times}`);
    return await Promise.resolve(times);
  }, (problem) => told.push(problem));
  await turn();
  assert.deepEqual(told, ["no 1"], "it waits before the next time");
  again();
  await turn();
  dispatchEvent(new Event("online"));
  await turn();
  assert.deepEqual(told, ["no 1", "no 2", "no 3"]);
  again();
  assert.equal(await done, 4);
  assert.equal(told.at(-1), "");
});

test("of blocks each is fetched once it can be, and the others do not wait for it", async () => {
  const blocks = Array.from({ length: 9 }, (_, first) => ({ address: "", first, count: 1 }));
  /** @type {number[]} */ const got = [];
  let isAway = true;
  /** @type {import("../../../../viz/studio/page/loading.js").Loaded[]} */ const said = [];
  const all = fetchAll(blocks, async ({ first }) => {
    await turn();
    if (first === 1 && isAway) throw new Error("away");
    got.push(first);
  }, (loaded) => said.push(loaded));
  while (got.length < 8) await turn();
  assert.deepEqual(said.at(-1), { all: 9, here: 8, coming: 0, failed: 1, problem: "away" });
  assert.ok(said.every(({ coming, here, failed }) => coming + failed <= 4 && coming + here + failed <= 9));
  isAway = false;
  again();
  await all;
  assert.deepEqual(got, [0, 2, 3, 4, 5, 6, 7, 8, 1]);
  assert.deepEqual(said.at(-1), { all: 9, here: 9, coming: 0, failed: 0, problem: "" });
});
