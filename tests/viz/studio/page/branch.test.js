// @ts-check
// The places of a training that are kept, what it was set to when, and how its layers fare.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Branch, thinned } from "../../../../viz/studio/page/train/branch.js";
import { deadShare, flatShare, spreadOf, wordOf } from "../../../../viz/studio/page/train/health.js";
import { DEFAULTS, isReached } from "../../../../viz/studio/page/train/settings.js";
import { explained } from "../../../../viz/studio/page/train/why.js";

/** @param {number} step a place of 1,000 bytes there */
const placeAt = (step) => ({
  step, epoch: 0, position: step,
  states: new Map([["w", { dtype: /** @type {const} */ ("float32"), shape: [250], data: new Float32Array(250) }]]),
});
const LIVE = { rate: 0.1, momentum: 0.9, decay: 0 };

test("places take no more room than there is, and there is one before every step", () => {
  const branch = new Branch(0, placeAt(0), LIVE);
  const other = new Branch(1, placeAt(700), LIVE);
  for (let step = 10; step <= 100_000; step += 10) {
    if (branch.keep(placeAt(step))) thinned([branch, other], 20_000);
    assert.ok(branch.bytes + other.bytes <= 20_000);
  }
  const steps = branch.places.map(({ step }) => step);
  assert.deepEqual(steps.slice(0, 2), [0, branch.every]);
  assert.ok(steps.every((step, i) => i === 0 || step - steps[i - 1] >= branch.every));
  assert.ok(steps.length > 9, "it forgets more than it has to");
  for (const step of [0, 1, 12_345, 100_000]) {
    assert.ok(branch.before(step).step <= step && step - branch.before(step).step <= 2 * branch.every);
  }
  assert.equal(other.before(800).step, 700, "a branch has the place where it begins");
});

test("a place larger than all room is kept where the training begins", () => {
  const branch = new Branch(0, placeAt(0), LIVE);
  branch.keep(placeAt(50));
  thinned([branch], 10);
  assert.deepEqual(branch.places.map(({ step }) => step), [0]);
});

test("a divergence goes back to where the loss was not above what it was at the beginning", () => {
  const branch = new Branch(0, placeAt(0), LIVE);
  /** @param {number} step @param {number} loss */
  const saneAfter = (step, loss) => {
    const place = placeAt(step);
    branch.keep(place);
    branch.judge(place, loss, 2.3);
    return branch.sane.step;
  };
  assert.equal(saneAfter(0, 2.5), 0);
  assert.deepEqual([saneAfter(50, 2.4), saneAfter(100, 1e33), saneAfter(150, NaN)], [50, 50, 50]);
  assert.equal(saneAfter(200, 0.1), 200, "it came back by itself");
  branch.change(170, LIVE);
  assert.equal(branch.sane.step, 50, "it goes back to what was undone, or not sane");
  const fork = new Branch(1, placeAt(700), LIVE);
  fork.judge(placeAt(700), 0.01, 2.3);
  fork.judge(placeAt(750), 0.3, 2.3);
  assert.equal(fork.sane.step, 750, "a fork of what has learned is as sane as a guess");
});

test("what was set when is known, and what is set anew undoes what came later", () => {
  const branch = new Branch(0, placeAt(0), LIVE);
  for (const step of [50, 100, 150]) branch.keep(placeAt(step));
  branch.change(60, { ...LIVE, rate: 0.01 });
  branch.change(120, { ...LIVE, rate: 0.02 });
  const rates = () => [0, 59, 60, 119, 120, 500].map((step) => branch.liveAt(step).rate);
  assert.deepEqual(rates(), [0.1, 0.1, 0.01, 0.01, 0.02, 0.02]);
  assert.deepEqual([0, 60, 120].map((step) => branch.changeAfter(step)), [60, 120, Infinity]);
  branch.change(60, { ...LIVE, rate: 0.03 });
  assert.deepEqual(rates(), [0.1, 0.1, 0.03, 0.03, 0.03, 0.03]);
  assert.deepEqual(branch.places.map(({ step }) => step), [0, 50]);
  branch.change(0, { ...LIVE, rate: 1 });
  assert.deepEqual(rates(), [1, 1, 1, 1, 1, 1]);
});

test("a layer is called as the diagrams call it", () => {
  assert.equal(wordOf(1, 0, null, null), "healthy");
  assert.equal(wordOf(1e-7, 0, null, null), "vanishing");
  assert.equal(wordOf(1e4, 0, null, null), "exploding");
  assert.equal(wordOf(0, 0, null, null), "zero");
  assert.equal(wordOf(0, 0, 0.5, null), "dead");
  assert.equal(wordOf(1, 0, 0.4, null), "healthy");
  assert.equal(wordOf(1, 0, null, 0.5), "saturated");
  assert.equal(wordOf(NaN, 3, 1, 1), "NaN or inf");
});

test("dead is a unit that is 0 for every example, and of one example all of them", () => {
  assert.equal(deadShare(Float32Array.of(0, 1, 0, 0, 0, 0, 2, 0), 4), 0.5);
  assert.equal(deadShare(Float32Array.of(0, 1), 2), 0);
  assert.equal(deadShare(Float32Array.of(0, 0), 2), 1);
});

test("flat is where moving x by its size, or by 1, moves the result by less than 0.1", () => {
  /** @type {Record<string, (x: number) => number>} */
  const functions = {
    tanh: Math.tanh, sigmoid: (x) => 1 / (1 + Math.exp(-x)), softplus: (x) => Math.log1p(Math.exp(x)),
  };
  for (const [name, f] of Object.entries(functions)) {
    for (let x = -12; x <= 12; x += 0.5) {
      const slope = (f(x + 1e-4) - f(x - 1e-4)) / 2e-4;
      const wanted = Number(slope * Math.max(1, Math.abs(x)) < 0.1);
      assert.equal(flatShare(name, Float32Array.of(f(x)), 0), wanted, `${name} at ${x}`);
    }
  }
  assert.equal(flatShare("relu", Float32Array.of(0), 0), null);
  assert.equal(flatShare("sigmoid", Float32Array.of(0, 1), 0.5), 0, "what is dropped is not flat");
  for (const dropout of [0.1, 0.25, 0.3, 0.7]) { // by which the others were divided, rounded
    assert.equal(flatShare("tanh", Float32Array.of(1 / (1 - dropout), 0, -1 / (1 - dropout)), dropout), 1);
  }
});

test("a spread counts every finite entry once, far ones apart", () => {
  const spread = spreadOf(Float32Array.of(0, 1, 1, 4, NaN, Infinity));
  assert.deepEqual([spread.low, spread.high, spread.bad, spread.size], [0, 4, 2, Math.sqrt(18)]);
  assert.deepEqual([spread.counts[0], spread.counts[10], spread.counts[39]], [1, 2, 1]);
  const same = spreadOf(new Float32Array(5).fill(2));
  assert.deepEqual([same.low, same.high, same.counts[0]], [2, 2, 5]);
  assert.equal(spreadOf(Float32Array.of(NaN)).bad, 1);
  const far = new Float32Array(1000).map((_, i) => i % 2);
  far[0] = 1e6;
  assert.ok(spreadOf(far).high < 1e6);
});

test("a goal is reached by accuracy or by loss, and none by nothing", () => {
  const score = { right: 97, count: 100, loss: 0.1 };
  const goals = /** @type {const} */ ([
    [null, null, false], [97, null, true], [97.1, null, false], [null, 0.1, true], [99, 0.2, true], [99, 0.05, false],
  ]);
  for (const [accuracy, loss, wanted] of goals) assert.equal(isReached({ accuracy, loss }, score), wanted);
});

test("what is not finite is explained by what was set", () => {
  const said = { step: 12, epoch: 0, loss: NaN, at: 5 };
  const cause = /** @type {const} */ ({ step: 11, layer: 0, of: "outputs", value: Infinity, largest: 3e20 });
  const sizes = [784, 128, 10];
  const words = (/** @type {Partial<typeof DEFAULTS>} */ set) => explained({ ...said, cause }, { ...DEFAULTS, ...set }, sizes);
  assert.match(words({ rate: 1e6 }), /step 12 \(epoch 1\).*became nan.*in step 11.*layer 1 of 2 \(784 to 128\).*inf.*3e20/);
  assert.match(words({ rate: 1e6 }), /rate of 1e6 is too high.*step 5 again.*such as 0\.1,/);
  assert.match(words({ rate: 0.05 }), /such as 0\.005,/);
  assert.match(words({ momentum: 1 }), /momentum of 1 never slows/);
  assert.match(words({ decay: 30 }), /Rate times decay is 3/);
  assert.match(explained({ ...said, cause: null }, DEFAULTS, sizes), /became nan\. A rate/);
});
