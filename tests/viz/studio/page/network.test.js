// @ts-check
// A file of weights is a network of the dataset, or is refused in words; a training goes on from it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { writeSafetensors } from "../../../../viz/page/safetensors.js";
import { sizeOf } from "../../../../viz/page/tensors.js";
import { goingOn, networkIn } from "../../../../viz/studio/page/train/network.js";

/** @typedef {import("../../../../viz/page/tensors.js").Tensor} Tensor */
/** @typedef {Record<string, Tensor>} Tensors */

/** @type {import("../../../../viz/studio/page/api.js").Dataset} */
const DATASET = {
  name: "small", shape: [2, 2], classes: ["a", "b"], scale: 255, dtype: "uint8", splits: {},
  thumbnail: { shape: [2, 2] },
};

/** @param {number[]} shape @param {number} [value] @returns {Tensor} */
const filled = (shape, value = 1) =>
  ({ dtype: "float32", shape, data: new Float32Array(sizeOf(shape)).fill(value) });

const NETWORK = { "0.weight": filled([3, 4]), "0.bias": filled([3]), "2.weight": filled([2, 3]), "2.bias": filled([2]) };
const SAID = { sizes: "[4, 3, 2]", activation: '"tanh"', seed: "7", step: "30" };

/** @param {Tensors} tensors @param {Record<string, string>} [said] */
const read = (tensors, said = {}) =>
  networkIn(writeSafetensors(new Map(Object.entries(tensors)), new Map(Object.entries(said))), DATASET);

test("a network follows the arrays, and what the file says of itself", () => {
  const { tensors, ...rest } = read({ ...NETWORK, "optimizer.count": filled([]) }, SAID);
  assert.deepEqual(rest, { hidden: [3], activation: "tanh", seed: 7, step: 30 });
  assert.equal(tensors.size, 5);
  const { hidden, activation, seed, step } = read({ "0.weight": filled([2, 4]), "0.bias": filled([2]) });
  assert.deepEqual([hidden, activation, seed, step], [[], null, null, 0]);
  assert.equal(read(NETWORK, { ...SAID, seed: String(2 ** 40) }).seed, null, "no seed of the page's");
});

test("what is no network of this dataset is refused in words", () => {
  const half = { dtype: /** @type {const} */ ("float64"), shape: [2], data: new Float64Array(2) };
  const { "2.bias": _, ...cut } = NETWORK;
  /** @type {[string, Tensors, Record<string, string>?][]} */
  const wrong = [
    ["layers named 0.weight, 0.bias, 2.weight, 2.bias and so on, found none", {}],
    ["and so on, found 0.bias, 0.weight, 2.weight", cut],
    ["and so on, found conv1.bias", { ...NETWORK, "conv1.weight": filled([2]), "conv1.bias": filled([2]) }],
    ["and so on, found mean", { ...NETWORK, mean: filled([4]), "4.weight": filled([2]) }],
    ["2.weight to be float32 [5, 3], found float32 [5, 4]", { ...NETWORK, "2.weight": filled([5, 4]) }],
    ["0.bias to be float32 [3], found float32 [4]", { ...NETWORK, "0.bias": filled([4]) }],
    ["2.bias to be float32 [2], found float64 [2]", { ...NETWORK, "2.bias": half }],
    ["0.weight to be float32", { ...NETWORK, "0.weight": filled([12]) }],
    ["numbers in 0.bias, found NaN as its entry 0", { ...NETWORK, "0.bias": filled([3], NaN) }],
    ["numbers in 2.bias, found Infinity", { ...NETWORK, "2.bias": filled([2], Infinity) }],
    ["0.weight to take 4 numbers, as small has, found 5", { "0.weight": filled([2, 5]), "0.bias": filled([2]) }],
    ["2 classes, as small has, found 3", { "0.weight": filled([3, 4]), "0.bias": filled([3]) }],
    ["the sizes 4-3-2, as the arrays have them, found 4,5,2", NETWORK, { sizes: "[4, 5, 2]" }],
    ["an activation of relu, ", NETWORK, { activation: '"swish"' }],
    ["activation in JSON, found relu", NETWORK, { activation: "relu" }],
  ];
  for (const [words, tensors, said] of wrong) {
    assert.throws(() => read(tensors, said), (/** @type {Error} */ { message }) => message.includes(words), words);
  }
  assert.throws(() => networkIn(new Uint8Array(3), DATASET), /3 bytes are no file/);
});

test("a training goes on from the weights, and from the optimizer's states where all are there", () => {
  const zeros = (/** @type {Tensors} */ tensors) =>
    Object.entries(tensors).map(([name, { shape }]) => /** @type {[string, Tensor]} */ ([name, filled(shape, 0)]));
  const inModule = (/** @type {string} */ name) => name.startsWith("optimizer.") ? name : `model.${name}`;
  const own = { "optimizer.rate": filled([]), "optimizer.count": filled([]), "optimizer.velocity.0": filled([3, 4]) };
  const states = new Map(zeros({ ...NETWORK, ...own }).map(([name, tensor]) => [inModule(name), tensor]));
  states.set("mean", filled([4], 0));
  const taken = (/** @type {Tensors} */ file) =>
    [...goingOn(states, new Map(Object.entries(file)))].filter(([, { data }]) => data[0] === 1).map(([name]) => name);
  const weights = Object.keys(NETWORK).map((name) => `model.${name}`);
  const all = { ...NETWORK, ...own };
  assert.deepEqual(taken(all), [...weights, "optimizer.count", "optimizer.velocity.0"], "but not the rate");
  assert.deepEqual(taken(NETWORK), weights);
  assert.deepEqual(taken({ ...all, "optimizer.velocity.0": filled([4, 3]) }), weights, "of another network");
});
