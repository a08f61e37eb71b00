// @ts-check
// The formula of a neuron: what is shown adds up, to the last digit, to what the neuron gives.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fanOf, formulaOf, largest } from "../../../../viz/studio/page/network/formula.js";
import { between } from "../../page/numbers.js";

/** @type {Record<string, (z: number) => number>} */
const ACTIVATIONS = {
  identity: (z) => z, relu: (z) => Math.max(0, z), leaky_relu: (z) => z > 0 ? z : 0.01 * z, tanh: Math.tanh,
  sigmoid: (z) => 1 / (1 + Math.exp(-z)), softplus: (z) => Math.max(0, z) + Math.log1p(Math.exp(-Math.abs(z))),
};

test("the terms, the rest and the bias add up to the sum, and the activation of that is what is given", () => {
  const number = () => between(-1, 1);
  for (let i = 0; i < 600; i++) {
    const size = 10 ** (i % 5 - 2); // of what the neuron gives
    const count = [1, 3, 6, 7, 784, 4096][i % 6];
    const weights = Float32Array.from({ length: count }, () => size * number());
    const inputs = Float32Array.from({ length: count }, () => Math.max(0, number()));
    const bias = Math.fround(size * number());
    const [activation, of] = Object.entries(ACTIVATIONS)[Math.floor(i / 6) % 6];
    // As float32 adds up, in another order.
    const sum = weights.reduceRight((all, weight, k) => Math.fround(all + weight * inputs[k]), bias);
    const value = Math.fround(of(sum));
    const { terms, others, rest, bias: shown, sum: total, digits } = formulaOf(inputs, weights, bias, value, activation);
    const whole = (/** @type {number} */ each) => Math.round(each * 10 ** digits);
    const added = [...terms.map(({ term }) => term), rest, shown].reduce((all, each) => all + whole(each), 0);
    assert.equal(added, whole(total), "what is shown does not add up");
    const unit = 10 ** -digits;
    assert.ok(Math.abs(of(total) - value) <= 0.5001 * unit + 1e-5 * Math.abs(value), `${activation}: ${total}, ${value}`);
    if (of === ACTIVATIONS.identity || (of === ACTIVATIONS.relu && value > 0)) {
      assert.equal(total.toFixed(digits), value.toFixed(digits));
    }
    assert.ok(terms.every(({ term, weight, given }) => Math.abs(term - weight * given) <= 0.5001 * unit));
    const left = inputs.filter((each, k) => each * weights[k]).length - terms.length;
    assert.equal(others, left);
    if (!others) assert.ok(Math.abs(rest) <= 8 * unit, `nothing is left, but ${rest}`);
  }
});

test("the strongest terms come first, and of a rest there is none where all are shown", () => {
  const { terms, others, rest } = formulaOf([1, 0, 2], [0.5, 9, -1], 0.25, -1.25, "identity");
  assert.deepEqual(terms.map(({ input, term }) => [input, term]), [[2, -2], [0, 0.5]]);
  assert.deepEqual([others, rest], [0, 0]);
});

test("a fan has the ends, the mean, and the mean without signs", () => {
  assert.deepEqual(fanOf([-1, 0.5, 2]), { low: -1, high: 2, mean: 0.5, size: 3.5 / 3 });
  const found = largest([1, -4, 0, 2], () => 0.5, 2);
  assert.deepEqual(found, [{ at: 1, product: -2 }, { at: 3, product: 1 }]);
});
