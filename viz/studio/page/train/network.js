// @ts-check
// The network in a file of weights: checked, so that a training can go on from it. Numbers alone, no
// page.

import { readSafetensors } from "../../../page/safetensors.js";
import { sizeOf, typeOf } from "../../../page/tensors.js";
import { ACTIVATIONS } from "./settings.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../../../page/tensors.js").Tensor} Tensor */

/**
 * hidden: the widths of the layers between. activation, seed: null where the file does not say.
 * tensors: weights and biases, and what else there is of an optimizer, as the file names them.
 * @typedef {{
 *   hidden: number[], activation: string | null, seed: number | null, step: number,
 *   tensors: Map<string, Tensor>,
 * }} Network
 */

const LIVE = ["optimizer.rate", "optimizer.momentum", "optimizer.weight_decay"]; // the page sets them

/** @param {unknown} holds @param {string} expected @param {unknown} found @returns {asserts holds} */
function expect(holds, expected, found) {
  if (!holds) throw new Error(`weights: expected ${expected}, found ${found}`);
}

/**
 * The network of a file. Throws an Error, in words, where it is none that learns from this dataset.
 * @param {Uint8Array<ArrayBuffer>} bytes @param {Dataset} dataset @returns {Network}
 */
export function networkIn(bytes, dataset) {
  const { tensors, metadata } = readSafetensors(bytes);
  const sizes = sizesOf(tensors);
  const [inputs, classes] = [sizeOf(dataset.shape), dataset.classes.length];
  expect(sizes[0] === inputs, `0.weight to take ${inputs} numbers, as ${dataset.name} has`, sizes[0]);
  expect(sizes.at(-1) === classes, `${classes} classes, as ${dataset.name} has`, sizes.at(-1));
  const said = (/** @type {string} */ name) => valueOf(name, metadata.get(name));
  const told = said("sizes") ?? sizes;
  expect(String(told) === String(sizes), `the sizes ${sizes.join("-")}, as the arrays have them`, String(told));
  const activation = said("activation");
  const known = activation === null || ACTIVATIONS.includes(String(activation));
  expect(known, `an activation of ${ACTIVATIONS.join(", ")}`, activation);
  return {
    hidden: sizes.slice(1, -1),
    activation: activation === null ? null : String(activation),
    seed: wholeOf(said("seed"), 2 ** 32 - 1),
    step: wholeOf(said("step"), Number.MAX_SAFE_INTEGER) ?? 0,
    tensors,
  };
}

/** The widths of all layers, by the shapes of the weights. @param {Map<string, Tensor>} tensors */
function sizesOf(tensors) {
  const names = [...tensors.keys()].filter((name) => !name.startsWith("optimizer.")).sort();
  const wanted = [...names.keys()].map((i) => `${i - (i % 2)}.${i % 2 ? "bias" : "weight"}`);
  const other = names.find((name) => !wanted.includes(name));
  const form = "layers named 0.weight, 0.bias, 2.weight, 2.bias and so on";
  expect(names.length && names.length % 2 === 0 && !other, form, other ?? (names.join(", ") || "none"));
  const sizes = /** @type {number[]} */ ([]);
  for (const name of wanted) {
    const tensor = /** @type {Tensor} */ (tensors.get(name));
    const { shape } = tensor;
    if (!sizes.length) sizes.push(shape[1]);
    const fits = name.endsWith("bias") ? [sizes.at(-1)] : [shape[0], sizes.at(-1)];
    expect(tensor.dtype === "float32" && String(shape) === String(fits) && shape.length === fits.length,
      `${name} to be float32 [${fits.join(", ")}]`, typeOf(tensor));
    const wrong = tensor.data.findIndex((/** @type {number | bigint} */ each) => !Number.isFinite(Number(each)));
    expect(wrong < 0, `numbers in ${name}`, `${tensor.data[wrong]} as its entry ${wrong}`);
    if (name.endsWith("weight")) sizes.push(shape[0]);
  }
  return sizes;
}

/** What a file says of itself, null where it does not. @param {string} name
 * @param {string | undefined} text JSON @returns {unknown} */
function valueOf(name, text) {
  if (text === undefined) return null;
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`weights: expected ${name} in JSON, found ${text.slice(0, 60)}`);
  }
}

/** @param {unknown} value @param {number} most */
const wholeOf = (value, most) =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most ? Number(value) : null;

/** The states of a module, with those that a file has; an optimizer's all, or else none of them.
 * @param {Map<string, Tensor>} states @param {Map<string, Tensor>} tensors by the file's names
 * @returns {Map<string, Tensor>} */
export function goingOn(states, tensors) {
  const found = new Map([...states].flatMap(([name, state]) => {
    const tensor = tensors.get(name.replace(/^model\./, ""));
    return tensor && typeOf(tensor) === typeOf(state) && !LIVE.includes(name) ? [[name, tensor]] : [];
  }));
  const isOptimizers = (/** @type {string} */ name) => name.startsWith("optimizer.") && !LIVE.includes(name);
  const all = [...states.keys()].filter(isOptimizers).every((name) => found.has(name));
  return new Map([...states].map(([name, state]) => {
    const goes = all || !isOptimizers(name);
    return [name, (goes && found.get(name)) || state];
  }));
}
