// @ts-check
// The examples of a dataset in the worker's memory, dealt out in any order.

import { bytesAt } from "../api.js";
import { blocksOf, fetchAll } from "../loading.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../loading.js").Loaded} Loaded */

/** Examples in order: `images` one after the other, and their labels. */
export class Examples {
  /** @param {Uint8Array} images @param {Uint16Array} labels @param {number} size entries of each */
  constructor(images, labels, size) {
    this.images = images;
    this.labels = labels;
    this.size = size;
  }

  get count() {
    return this.labels.length;
  }

  /** The entries of one, as they lie here. @param {number} index */
  image(index) {
    return this.images.subarray(index * this.size, (index + 1) * this.size);
  }

  /** Copy the examples that `rows` names into arrays of as many.
   * @param {ArrayLike<number>} rows @param {Uint8Array} images @param {Int32Array} labels */
  deal(rows, images, labels) {
    const { size } = this;
    for (let i = 0; i < rows.length; i++) {
      const from = rows[i] * size;
      images.set(this.images.subarray(from, from + size), i * size);
      labels[i] = this.labels[rows[i]];
    }
  }

  /** The mean of all, divided by the scale: what a network's first layer learns about.
   * @param {number} scale */
  mean(scale) {
    const { images, size, count } = this;
    const sums = new Float64Array(size);
    for (let i = 0, at = 0; i < count; i++) {
      for (let k = 0; k < size; k++) sums[k] += images[at++];
    }
    return Float32Array.from(sums, (sum) => sum / count / scale);
  }
}

/** Fetch the sets of a dataset. @template {string} Name @param {Dataset} dataset @param {Name[]} splits
 * @param {(loaded: Loaded) => void} tell @returns {Promise<Record<Name, Examples>>} */
export async function fetchExamples(dataset, splits, tell) {
  if (dataset.dtype !== "uint8") throw new Error("this page learns from pictures of bytes alone");
  const size = dataset.shape.reduce((product, length) => product * length, 1);
  const sets = /** @type {Record<Name, Examples>} */ (Object.fromEntries(splits.map((split) => {
    const { count } = dataset.splits[split];
    return [split, new Examples(new Uint8Array(count * size), new Uint16Array(count), size)];
  })));
  const blocks = splits.flatMap((split) => blocksOf(dataset, split).map((block) => ({ ...block, set: sets[split] })));
  await fetchAll(blocks, async ({ address, first, count, set }) => {
    const bytes = await bytesAt(address, count * (size + 2));
    set.images.set(bytes.subarray(0, count * size), first * size);
    set.labels.set(new Uint16Array(bytes.slice(count * size).buffer), first);
  }, tell);
  return sets;
}
