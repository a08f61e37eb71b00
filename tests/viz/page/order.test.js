// @ts-check
// The order of an epoch. (test_javascript.py holds it against Python's.)

import assert from "node:assert/strict";
import { test } from "node:test";
import { order } from "../../../viz/page/order.js";

test("examples are sorted by what they drew, equal ones as they stand", () => {
  const draws = Float32Array.of(0.5, 0.25, 1 - 2 ** -24, 0, 0.25, 2 ** -24);
  assert.deepEqual(order(draws), Int32Array.of(3, 5, 1, 4, 0, 2));
  assert.deepEqual(order([]), new Int32Array(0));
});

test("the last of many examples keeps its place", () => {
  const draws = new Float32Array(200_000).fill(1 - 2 ** -24);
  assert.deepEqual(order(draws).at(-1), 199_999);
});
