// @ts-check
// The examples of a dataset in the worker's memory: fetched in blocks, several at a time, and dealt
// out in any order.

import { bytesAt, samplesAddress } from "../api.js";
import { blockOf } from "../blocks.js";

/** @typedef {import("../api.js").Dataset} Dataset */

const AT_ONCE = 3; // blocks in flight

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

/** How far a set is loaded: of its blocks, how many are here and on their way.
 * @typedef {{all: number, here: number, coming: number}} Blocks */

/**
 * Fetch a set of a dataset. tell: is told how far that is, whenever a block has come.
 * @param {Dataset} dataset @param {string} split @param {(blocks: Blocks) => void} tell
 */
export async function fetchExamples(dataset, split, tell) {
  if (dataset.dtype !== "uint8") throw new Error("this page learns from pictures of bytes alone");
  const size = dataset.shape.reduce((product, length) => product * length, 1);
  const { count } = dataset.splits[split];
  const block = blockOf(dataset);
  const images = new Uint8Array(count * size);
  const labels = new Uint16Array(count);
  const all = Math.ceil(count / block);
  let next = 0;
  let here = 0;
  // Whoever has fetched one takes the next.
  const say = () => tell({ all, here, coming: Math.min(AT_ONCE, all - here) });
  say();
  const work = async () => {
    while (next < all) {
      const number = next++;
      const first = number * block;
      const own = Math.min(block, count - first);
      const address = samplesAddress(dataset, split, `blocks/${block}/${number}`);
      const bytes = await bytesAt(address, own * (size + 2));
      images.set(bytes.subarray(0, own * size), first * size);
      labels.set(new Uint16Array(bytes.slice(own * size).buffer), first);
      here += 1;
      say();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return new Examples(images, labels, size);
}
