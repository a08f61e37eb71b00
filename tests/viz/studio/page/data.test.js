// @ts-check
// Which examples are shown in which order, how they lie in squares, and what an address says.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Layers, placeOf, rowOf, SIDE } from "../../../../viz/studio/page/data/layers.js";
import { countsOf, knownOf, NOBODY, shownOf } from "../../../../viz/studio/page/data/order.js";
import { fromAddress, settle, START, toAddress, wrongIn } from "../../../../viz/studio/page/state.js";

const LABELS = Uint16Array.of(1, 0, 1, 2, 0, 1);
const KNOWN = {
  labels: LABELS,
  known: 6,
  ink: Float32Array.of(0.5, 0.25, 0.125, 0.75, 0.25, 0),
  odd: Float32Array.of(0, 1, 2, 3, 4, 5),
  predictions: Uint16Array.of(1, 1, 0, NOBODY, 0, 1),
  losses: Float32Array.of(0.1, 3, Infinity, 0, 0.2, NaN),
  confidences: Float32Array.of(0.9, 0.8, 0.7, 0, 0.6, 0.5),
  splits: new Map([["train", { first: 0, count: 4 }], ["test", { first: 4, count: 2 }]]),
};

test("the examples that are asked for are shown, in order, equal ones as they stand", () => {
  const shown = (/** @type {object} */ change) => [...shownOf({ ...START, ...change }, KNOWN)];
  assert.deepEqual(shown({}), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(shown({ split: "test" }), [4, 5]);
  assert.deepEqual(shown({ label: 1 }), [0, 2, 5]);
  assert.deepEqual(shown({ label: 1, split: "train" }), [0, 2]);
  assert.deepEqual(shown({ label: 7 }), []);
  assert.deepEqual(shown({ sort: "class" }), [1, 4, 0, 2, 5, 3]);
  assert.deepEqual(shown({ sort: "ink" }), [5, 2, 1, 4, 0, 3]);
  assert.deepEqual(shown({ sort: "typical", split: "test" }), [4, 5]);
  assert.deepEqual(shown({ wrong: 1 }), [1, 2]);
  assert.deepEqual(shown({ answer: 1 }), [0, 1, 5]);
  assert.deepEqual(shown({ answer: 1, label: 0 }), [1]);
  assert.deepEqual(shown({ sort: "loss", split: "train" }), [2, 1, 0, 3]);
  assert.deepEqual(shown({ sort: "confidence", split: "test" }), [5, 4]);
});

test("the counts of the classes are of what all filters but that of the class let through", () => {
  const counts = (/** @type {object} */ change) => countsOf({ ...START, ...change }, KNOWN, 3);
  assert.deepEqual(counts({ label: 1, sort: "loss" }), [2, 3, 1]);
  assert.deepEqual(counts({ split: "test" }), [1, 1, 0]);
  assert.deepEqual(counts({ answer: 1, split: "train" }), [1, 1, 0]);
  assert.deepEqual(counts({ wrong: 1 }), [1, 1, 0]);
  const labels = Uint16Array.of(1, 0, NOBODY, NOBODY, NOBODY, NOBODY);
  assert.deepEqual(countsOf(START, { ...KNOWN, labels }, 3), [1, 1, 0], "the others are not known yet");
});

test("what the network was not asked for is last, whatever it is sorted by, and is no wrong one", () => {
  const unknown = knownOf(DATASET);
  const shown = (/** @type {object} */ change) => shownOf({ ...START, split: "train", ...change }, unknown);
  assert.equal(shown({ wrong: 1 }).length, 0);
  assert.equal(shown({ answer: 0 }).length, 0);
  unknown.predictions.set([1, 1], 59_998);
  unknown.losses.set([1e9, Infinity], 59_998);
  unknown.confidences.set([1, 0.5], 59_998);
  assert.deepEqual([...shown({ sort: "loss" }).subarray(0, 3)], [59_998, 59_999, 0]);
  assert.deepEqual([...shown({ sort: "confidence" }).subarray(0, 3)], [59_999, 59_998, 0]);
});

test("a class is shown when it is known, and not before", () => {
  const part = { ...KNOWN, labels: Uint16Array.of(1, NOBODY, NOBODY, 2, 0, 1) };
  assert.deepEqual([...shownOf({ ...START, label: 0 }, part)], [4]);
  assert.deepEqual([...shownOf({ ...START, wrong: 1 }, part)], [], "nor is it known to be wrong");
});

test("an example lies in the middle of its square, its mean is told, the next layer is empty", () => {
  const layers = new Layers([2, 3], 32, 255);
  const entries = Uint8Array.of(9, 9, 0, 51, 102, 153, 204, 255);
  assert.ok(Math.abs(layers.draw(33, entries, 2) - 0.5) < 0.01);
  const side = 32 * SIDE;
  const { top, left } = placeOf([2, 3]);
  const at = (SIDE + top) * side + SIDE + left;
  const [whole, half, ...rest] = layers.finish();
  assert.deepEqual([...whole.subarray(at, at + 3)], [0, 51, 102]);
  assert.deepEqual([...whole.subarray(at + side, at + side + 3)], [153, 204, 255]);
  const sum = (/** @type {Uint8Array} */ pixels) => pixels.reduce((total, pixel) => total + pixel, 0);
  assert.equal(sum(whole), 765);
  assert.ok(Math.abs(sum(half) - 765 / 4) <= 3, "a smaller copy is as bright");
  assert.equal(rest.at(-1)?.length, 32 * 32, "the smallest copy has a pixel for each square");
  assert.equal(sum(layers.finish()[0]), 0);
});

test("any shape has a place in a square", () => {
  for (const shape of [[28, 28], [32, 32], [64], [1], [7, 300], [40, 30, 3], [1000]]) {
    const { height, width, shrink, top, left } = placeOf(shape);
    assert.ok(top >= 0 && top + Math.ceil(height / shrink) <= SIDE, `${shape}`);
    assert.ok(left >= 0 && left + Math.ceil(width / shrink) <= SIDE, `${shape}`);
    const layers = new Layers(shape, rowOf(1), 1);
    layers.draw(0, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), 0);
    assert.ok(layers.finish()[0].some((pixel) => pixel === 255), `${shape} is blank`);
  }
});

/** @type {import("../../../../viz/studio/page/api.js").Dataset} */
const DATASET = {
  name: "mnist", shape: [28, 28], classes: [..."0123456789"], scale: 255, dtype: "uint8",
  splits: { train: { count: 60000, sha256: "" }, test: { count: 10000, sha256: "" } },
  thumbnail: { shape: [28, 28] },
};

test("an address gives the state that it was made of", () => {
  const state = {
    ...START, dataset: "mnist", split: "test", label: 7, x: 12.5, zoom: 48, digit: 61234,
    sort: /** @type {const} */ ("ink"),
  };
  const address = toAddress(state);
  assert.deepEqual(settle({ ...START, ...fromAddress(address) }, DATASET), state);
  assert.ok(!toAddress(START).includes("zoom"), "what is as usual stands in no address");
});

test("every address opens something, and what is left out of it is said", () => {
  const names = ["digit", "zoom", "label", "sort", "split", "view", "wrong", "step", "answer"];
  const hash = "#digit=-5&zoom=x&label=1e9&sort=up&split=a&dataset=%00&view=&wrong=2&step=0.5&answer=10";
  for (const [each, wrong] of /** @type {[string, string[]][]} */ ([
    ["", []], ["#", []], [hash, names], ["#zoom=-2", ["zoom"]], ["#x=1e9&y=3&zoom=30", ["x, y, zoom"]], ["#digit=70000", ["digit"]],
  ])) {
    const state = settle({ ...START, ...fromAddress(each) }, DATASET);
    assert.deepEqual(state, { ...START, dataset: "mnist" }, each);
    const said = wrongIn(each, DATASET);
    assert.equal(said.split("expected").length - 1, wrong.length, said);
    for (const name of wrong) assert.ok(said.includes(`${name}: expected`), said);
  }
  assert.equal(wrongIn(toAddress({ ...START, digit: 69_999, split: "test", x: 3, y: 0.5, zoom: 400, wrong: 1 }), DATASET), "");
  assert.ok(wrongIn("#digit=70000", DATASET).includes("digit: expected 0 to 69999, found 70000"));
});
