// @ts-check
// What a training begins with: the weights that its seed draws, the same as `models.mlp.MLP` draws
// in Python, and zeros.

import { Random } from "../../../page/random.js";
import { DTYPES, sizeOf } from "../../../page/tensors.js";

/** @typedef {import("../../../page/manifest.js").Layout} Layout */
/** @typedef {import("../../../page/tensors.js").Tensor} Tensor */
/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {(random: Random, rows: number, columns: number) => () => number} Initialiser */

// Each keeps the variance from layer to layer: autograd/nn.py says for which activation, and why.
/** @type {Initialiser} */
const he = (random, _, columns) => scaled(random, Math.sqrt(2 / columns));
/** @type {Initialiser} */
const lecun = (random, _, columns) => scaled(random, Math.sqrt(1 / columns));
/** @type {Initialiser} */
const glorot = (random, rows, columns) => {
  const bound = Math.sqrt(6 / (columns + rows));
  return () => random.uniform(-bound, bound);
};
const INITIALISERS = new Map([["tanh", glorot], ["sigmoid", glorot], ["identity", lecun]]);

/** @param {Random} random @param {number} factor */
const scaled = (random, factor) => () => factor * random.normal();

/** The states of a module before its first step, by name.
 * @param {Layout[]} layouts of the states @param {Pick<Settings, "activation" | "seed">} settings */
export function firstStates(layouts, { activation, seed }) {
  const states = new Map(layouts.map(({ name, dtype, shape }) => [
    name,
    /** @type {Tensor} */ ({ dtype, shape, data: new DTYPES[dtype].Data(sizeOf(shape)) }),
  ]));
  const random = new Random(seed);
  const weights = numbered(states, /^model\.(\d+)\.weight$/);
  weights.forEach(({ shape: [rows, columns], data }, i) => {
    const isLast = i + 1 === weights.length;
    const initialiser = isLast ? lecun : INITIALISERS.get(activation) ?? he;
    const draw = initialiser(random, rows, columns);
    for (let at = 0; at < data.length; at++) data[at] = draw();
  });
  numbered(states, /^model\.dropouts\.(\d+)\.seed$/).forEach(({ data }, i) => {
    data[0] = BigInt(seed * 1009 + i);
  });
  return states;
}

/** The states whose names fit, by the number in them.
 * @param {Map<string, Tensor>} states @param {RegExp} pattern */
function numbered(states, pattern) {
  const found = [...states].flatMap(([name, tensor]) => {
    const fits = pattern.exec(name);
    return fits ? [{ place: Number(fits[1]), tensor }] : [];
  });
  return found.sort((one, other) => one.place - other.place).map(({ tensor }) => tensor);
}
