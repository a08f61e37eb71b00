// @ts-check
// What a training is set to, and figures of many steps as few points.

import assert from "node:assert/strict";
import { test } from "node:test";
import { History, smoothed } from "../../../../viz/studio/page/train/history.js";
import { architectureOf, DEFAULTS, liveAt, pastOf, settingsOf, typedOf, wayOf } from "../../../../viz/studio/page/train/settings.js";

const TYPED = typedOf(DEFAULTS);

test("what is typed is what is set", () => {
  assert.deepEqual(settingsOf(TYPED), DEFAULTS);
  const typed = { ...TYPED, hidden: " 64,32  16 ", rate: "1e-3", batch: "1" };
  const { hidden, rate, batch } = settingsOf(typed);
  const { accuracy, loss } = settingsOf({ ...TYPED, accuracy: "97.5", loss: " " });
  assert.deepEqual([accuracy, loss], [97.5, null]);
  const written = settingsOf({ ...TYPED, rate: "0,05", accuracy: "97,5 %" }); // as many write them
  assert.deepEqual([written.rate, written.accuracy], [0.05, 97.5]);
  assert.deepEqual([hidden, rate, batch], [[64, 32, 16], 0.001, 1]);
  assert.deepEqual(settingsOf({ ...TYPED, hidden: "" }).hidden, []);
});

test("what makes no sense is refused by the name of its field", () => {
  const wrong = [
    ["hidden", "a"], ["hidden", "5000"], ["hidden", "0"], ["hidden", "1,1,1,1,1,1,1,1,1"],
    ["hidden", "1.5"], ["batch", "0"], ["batch", "1.5"], ["batch", "5000"], ["batch", ""],
    ["dropout", "1"], ["dropout", "-0.1"], ["seed", "-1"], ["seed", "4294967296"], ["rate", "x"],
    ["rate", "-1"], ["rate", "1,000.5"], ["rate", "5 %"], ["rate", "NaN"], ["rate", "Infinity"], ["momentum", "2"], ["decay", " "],
    ["accuracy", "101"], ["accuracy", "x"], ["loss", "-1"], ["activation", "sine"], ["optimizer", ""],
  ];
  for (const [name, value] of wrong) {
    const set = () => settingsOf({ ...TYPED, [name]: value });
    assert.throws(set, (error) => error instanceof Error && error.message.startsWith(`${name}: expected`), `${name} ${value}`);
  }
});

test("what was set on the way is what an address says", () => {
  const live = (/** @type {number} */ rate) => ({ rate, momentum: 0.9, decay: 1e-5 });
  const way = [[0, 0.1], [40, 0.1], [60, 0.01], [90, 0.001]].map(([step, rate]) => ({ step, live: live(rate) }));
  assert.equal(pastOf(way, 59), "", "nothing else was set yet");
  assert.equal(pastOf(way, 60), "0.1_0.9_0.00001_60");
  const past = pastOf(way, 500);
  assert.equal(past, "0.1_0.9_0.00001_60*0.01_0.9_0.00001_90");
  const found = wayOf(past, live(0.001));
  for (const step of [0, 59, 60, 89, 90, 1000]) assert.deepEqual(liveAt(found, step), liveAt(way, step), `${step}`);
  assert.deepEqual(wayOf("", live(1)), [{ step: 0, live: live(1) }]);
  for (const wrong of ["x", "0.1_0.9_0", "0.1_0.9_0_0", "0.1_2_0_5", "-1_0_0_5", "0.1_0_0_9*0.1_0_0_9", "0.1_0_0_1.5"]) {
    assert.throws(() => wayOf(wrong, live(1)), /past: expected rate_momentum_decay_step/, wrong);
  }
});

test("an architecture is named as the server names it", () => {
  const dataset = {
    name: "d", shape: [8, 8], classes: ["a", "b"], scale: 16, dtype: /** @type {const} */ ("uint8"),
    splits: {}, thumbnail: { shape: [8, 8] },
  };
  const settings = { ...DEFAULTS, hidden: [5, 3], dropout: 0.25, batch: 4 };
  assert.equal(architectureOf(settings, dataset, true), "8x8-5-3-2_relu_sgd_4_d0.25_s16_relaxed");
  assert.equal(architectureOf({ ...DEFAULTS, hidden: [] }, { ...dataset, scale: 255 }, false), "8x8-2_relu_sgd_128");
});

test("a million steps are at most 2,000 points, whose mean is that of all", () => {
  const history = new History();
  for (let i = 1; i <= 1_000_000; i++) history.add(i, i % 2);
  assert.ok(history.x.length <= 2000);
  assert.ok(history.y.every((y) => Math.abs(y - 0.5) < 1e-9));
  assert.ok(history.x.every((x, i) => i === 0 || x > history.x[i - 1]));
});

test("the line through the batches is of those before it alone", () => {
  const values = Array.from({ length: 400 }, (_, i) => 2 / (1 + i) + i % 2);
  const line = smoothed(values);
  assert.deepEqual([...line.slice(0, 16)], values.slice(0, 16), "it does not begin with the batches");
  const mean = values.slice(341, 364).reduce((sum, each) => sum + each) / 23;
  assert.ok(Math.abs(line[363] - mean) < 1e-12, "another mean than of the last sixteenth");
  assert.deepEqual(smoothed(values.slice(0, 200)), line.slice(0, 200), "what comes later changes it");
  values[100] = 1e33; // a divergence that it came back from
  assert.equal(smoothed(values)[363], line[363], "what is past is still in it");
  assert.deepEqual([...smoothed([])], []);
});
