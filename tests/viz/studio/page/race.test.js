// @ts-check
// What a race is of, and what is told of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { agreement, fastest, figuresOf, stepsOf, unsteady } from "../../../../viz/studio/page/race/race.js";

/** @param {string} name @param {number} threads @param {number[]} seconds @param {number[]} losses */
const result = (name, threads, seconds, losses = [2, 1]) => ({ name, threads, seconds, losses });

test("a lap is of one epoch, and of no more than the server takes", () => {
  assert.equal(stepsOf([784, 12, 10], 128, 2000), 15);
  assert.equal(stepsOf([784, 12, 10], 4096, 2000), 1); // there is one at least
  const tiny = stepsOf([784, 10], 128, 60_000);
  assert.ok(tiny * 128 * 784 <= 2 ** 25 && (tiny + 1) * 128 * 784 > 2 ** 25);
  assert.ok(stepsOf([784, 4096, 4096, 10], 128, 60_000) < 3); // it is to end
});

test("of the laps the middle one counts, and the range is told", () => {
  const { speed, least, most, gflops } = figuresOf(result("C", 1, [4, 1, 2]), 100, 6e9);
  assert.deepEqual([speed, least, most, gflops], [50, 25, 100, 3]);
});

test("the fastest is told first, and how many times the others it is", () => {
  const results = [result("WebAssembly", 1, [4]), result("C", 1, [2]), result("C", 2, [1])];
  const figures = results.map((each) => figuresOf(each, 1000, 1));
  const words = "The fastest is C on 2 threads: 1,000 images a second, 2.0 times C on 1 thread, 4.0 times WebAssembly on 1 thread.";
  assert.equal(fastest(results, figures), words);
  assert.equal(fastest(results.slice(1, 2), figures.slice(1, 2)), "The fastest is C on 1 thread: 500 images a second.");
});

test("rounds that differ much are not told as if they did not", () => {
  const told = (/** @type {number[]} */ ...seconds) => unsteady([figuresOf(result("C", 1, seconds), 1, 1)]);
  assert.equal(told(1, 1.2, 1.4), "");
  assert.match(told(1, 1.2, 1.6), /race again/);
});

test("losses that differ by more than rounding are never told as the same", () => {
  const told = (/** @type {number[][]} */ ...losses) => agreement(losses.map((each) => result("C", 1, [1], each)));
  assert.match(told([2, 1], [2, 1.0000002]), /^It was the same work: in 2 steps .* at most 2e-7, which is rounding/);
  assert.match(told([2, 1], [2, 1.1]), /^Their losses differ by 0 in the first step, and by up to 0\.1 later/);
  assert.match(told([2, 1], [2, NaN]), /differ by 0 in the first step, and later one is no number before another/);
  assert.match(told([2, NaN], [2, NaN]), /^It was the same work: .* the loss ends as no number\.$/);
  assert.match(told([2, 1], [2, 1]), /at most 0, which/);
  assert.equal(told([2, 1]), "");
});
