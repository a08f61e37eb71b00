// @ts-check
// Scales and ticks of charts: every number lies where it should, and what is written can be read.

import assert from "node:assert/strict";
import { test } from "node:test";
import { measuredAt, nearest, pointNear, rowsOf } from "../../../viz/page/points.js";
import { fromZero, numberAt, placeOn, scaleOf, ticks, within, written } from "../../../viz/page/ticks.js";
import { between } from "./numbers.js";

/** Numbers of any size. */
const drawn = () => Array.from({ length: 500 }, () => between(-0.5, 0.5) * 10 ** between(-12, 12));

test("a scale holds all its numbers, and a place and its number are one", () => {
  const numbers = drawn();
  for (let i = 0; i + 2 < numbers.length; i++) {
    const three = numbers.slice(i, i + 3);
    for (const log of [false, true]) {
      const some = log ? three.map(Math.abs) : three;
      const scale = scaleOf(some, log);
      assert.ok(scale.low < scale.high, `${some}: no range`);
      for (const number of some) {
        const place = placeOn(scale, number);
        assert.ok(place >= -1e-9 && place <= 1 + 1e-9, `${number} of ${some} lies at ${place}`);
        const back = numberAt(scale, place);
        assert.ok(Math.abs(back - number) <= 1e-9 * (scale.high - scale.low), `${number} became ${back}`);
      }
    }
  }
});

test("what cannot be shown is left out", () => {
  const scale = scaleOf([NaN, 1, Infinity, 3], false, true);
  assert.ok(scale.low === 1 && scale.high === 3, "NaN or infinity is in the scale");
  assert.ok(scaleOf([-1, 0, 2, 8], true, true).low === 2, "a logarithm of no positive number");
  assert.ok(Number.isNaN(placeOn(scaleOf([1, 10], true), -1)), "-1 has a place on a logarithm");
  for (const log of [false, true]) assert.ok(scaleOf([], log).low < scaleOf([], log).high, "no range");
});

test("an axis of steps begins at 0", () => {
  assert.deepEqual(fromZero([]), { low: 0, high: 1, log: false });
  assert.deepEqual(fromZero([0, 0]), { low: 0, high: 1, log: false });
  assert.deepEqual(fromZero([1, 50]), { low: 0, high: 50, log: false });
});

test("what lies beyond the limits takes no room, and the highest does not touch the edge", () => {
  assert.deepEqual(within([20, NaN, 98], 88, 100), { low: 87.5, high: 98.5, log: false });
  const { low, high } = within([0.1, 2.3, 1e33], -Infinity, 6.9);
  assert.ok(low > -1 && high > 6.9 && high < 8, "a divergence has the rest lie flat");
  assert.ok(within([1e20, 1e33], -Infinity, 6.9).high >= 1e33, "of what is beyond alone nothing is shown");
  for (const numbers of [[], [100], [100, 100], [NaN], [0], [3, 40], [10], [97.5]]) {
    const found = within(numbers, 94, 100);
    assert.ok(found.low < found.high && found.high < 101, `${numbers}: ${found.low} to ${found.high}`);
  }
});

test("ticks are few, in order, on the scale, and told apart by what is written", () => {
  const numbers = drawn();
  for (let i = 0; i + 1 < numbers.length; i++) {
    for (const log of [false, true]) {
      const pair = numbers.slice(i, i + 2).map((n) => log ? Math.abs(n) : n);
      const scale = scaleOf(pair, log);
      const found = ticks(scale, 6);
      assert.ok(found.length >= 1 && found.length <= 20, `${found.length} ticks of ${pair}, log ${log}`);
      found.forEach((tick, k) => {
        assert.ok(tick >= scale.low && tick <= scale.high, `${tick} is not on ${pair}`);
        assert.ok(k === 0 || tick > found[k - 1], `${found} are not in order`);
      });
    }
  }
});

test("numbers are written as people read them", () => {
  const pairs = /** @type {[number, string][]} */ ([
    [0, "0"], [0.5, "0.5"], [1234, "1,234"], [60000, "60,000"], [1e7, "1e7"], [1.25e-5, "1.25e-5"],
    [NaN, "nan"], [Infinity, "inf"], [-0.25, "-0.25"], [0.1 + 0.2, "0.3"],
  ]);
  for (const [number, text] of pairs) {
    assert.ok(written(number) === text, `${number}: ${written(number)}, wanted ${text}`);
  }
});

test("the nearest of a list is found", () => {
  const list = drawn().sort((a, b) => a - b);
  for (const x of drawn()) {
    const best = Math.min(...list.map((each) => Math.abs(each - x)));
    assert.ok(Math.abs(list[nearest(list, x)] - x) === best, `${x}: not the nearest`);
  }
  assert.ok(nearest([], 1) === -1, "an empty list has none");
});

test("a line is looked at where it is, and is over further out", () => {
  const list = [10, 20, 30];
  assert.deepEqual([-1, 1, 14, 29, 39, 41].map((x) => pointNear(list, x, 2)), [-1, 0, 0, 2, 2, -1]);
  assert.deepEqual([2, 8, 9, 11, 13].map((x) => pointNear([10], x, 2)), [-1, 0, 0, 0, -1], "of one point");
  assert.equal(pointNear([], 1, 5), -1);
});

test("a table has what was measured, where it was", () => {
  const x = Array.from({ length: 1000 }, (_, i) => i + 1);
  const lines = [{ x, y: x }, { x: [10, 117], y: [0.5, 0.25] }, { x: [], y: [] }];
  const rows = rowsOf(lines, 30);
  assert.ok(rows.length <= 30 && rows.at(-1) === 1000 && rows.every((row, i) => !i || row > rows[i - 1]));
  assert.ok(rows.includes(10) && rows.includes(117), "what was measured seldom is left out");
  assert.deepEqual([10, 11, 116, 117, 1000].map((at) => measuredAt(lines[1], at)), [0.5, null, null, 0.25, null]);
  assert.equal(measuredAt({ x: [1], y: [NaN] }, 1), null);
  assert.deepEqual(rowsOf([], 30), []);
});
