// @ts-check
// What every neuron gives for a set of examples, or for a sample of it, in the worker: the least, the
// mean, the greatest, and the examples that excite it most. A part at a time; it holds for one step alone.

import { passOf } from "./inspect.js";

/** @typedef {import("../../../page/wasm.js").Module} Module */
/** @typedef {import("./examples.js").Examples} Examples */
/** @typedef {import("./inspect.js").Neuron} Neuron */

/**
 * count: of the examples, those that were looked at so far.
 * @typedef {{index: number, label: number, value: number, image: Uint8Array}} Exciting
 * @typedef {{count: number, all: number, low: number, mean: number, high: number, best: Exciting[]}} Surveyed
 */

const BEST = 8; // examples that excite a neuron most

export class Survey {
  /** @param {Module} module @param {Examples} examples @param {number} [most] of them, from all over the set */
  constructor(module, examples, most = Infinity) {
    this.module = module;
    this.examples = examples;
    this.most = Math.min(most, examples.count);
    this.count = 0;
    const widths = passOf(module, examples.image(0), null, false).outputs.map(({ length }) => length);
    const made = (/** @type {number} */ each, value = 0) =>
      widths.map((width) => new Float64Array(width * each).fill(value));
    this.low = made(1, Infinity);
    this.high = made(1, -Infinity);
    this.sums = made(1);
    this.values = made(BEST, -Infinity); // of each neuron, the greatest first
    this.indices = made(BEST, -1);
  }

  get isDone() {
    return this.count === this.most;
  }

  /** Look at more of them, for so many milliseconds. @param {number} milliseconds */
  look(milliseconds) {
    const end = performance.now() + milliseconds;
    do {
      const index = Math.floor(this.count * this.examples.count / this.most);
      const { outputs } = passOf(this.module, this.examples.image(index), null, false);
      outputs.forEach((layer, i) => this.#take(layer, i, index));
      this.count += 1;
    } while (!this.isDone && performance.now() < end);
  }

  /** @param {Float32Array} outputs @param {number} layer from 0 on @param {number} index of the example */
  #take(outputs, layer, index) {
    const [low, high, sums, values] = [this.low[layer], this.high[layer], this.sums[layer], this.values[layer]];
    for (let i = 0; i < outputs.length; i++) {
      const value = outputs[i];
      sums[i] += value;
      if (value < low[i]) low[i] = value;
      if (value > high[i]) high[i] = value;
      if (value > values[i * BEST + BEST - 1]) this.#place(layer, i * BEST, value, index);
    }
  }

  /** Put an example among the most exciting ones of a neuron. @param {number} layer
   * @param {number} first @param {number} value @param {number} index */
  #place(layer, first, value, index) {
    const [values, indices] = [this.values[layer], this.indices[layer]];
    let at = first + BEST - 1;
    for (; at > first && value > values[at - 1]; at--) {
      values[at] = values[at - 1];
      indices[at] = indices[at - 1];
    }
    values[at] = value;
    indices[at] = index;
  }

  /** What is known of a neuron; nothing of an entry of the image. @param {Neuron} neuron
   * @returns {Surveyed | null} */
  of({ layer, neuron }) {
    const [i, { count, examples }] = [layer - 1, this];
    if (!count || !(neuron < (this.low[i]?.length ?? 0))) return null;
    const first = neuron * BEST;
    // Fewer where few were looked at; and none where a neuron gives NaN.
    const found = [...this.indices[i].subarray(first, first + BEST)].filter((index) => index >= 0);
    const best = found.map((index, k) => ({
      index, label: examples.labels[index], value: this.values[i][first + k], image: examples.image(index).slice(),
    }));
    return {
      count, all: examples.count, low: this.low[i][neuron], mean: this.sums[i][neuron] / count,
      high: this.high[i][neuron], best,
    };
  }
}
