// @ts-check
// The worker that fetches a dataset's examples, small, and makes layers of them as they arrive; so
// that the page never waits for them.

import { samplesAddress } from "../api.js";
import { ask } from "../ask.js";
import { Layers, rowOf } from "./layers.js";

/** @typedef {import("../api.js").Dataset} Dataset */

/** @typedef {{layer: number, levels: Uint8Array<ArrayBuffer>[], done: number}} Layer with how many
 * examples are there then */

/**
 * What it posts: a layer with its smaller copies, whether it is whole or not yet; the labels of a
 * set, from its first example on; of each example what it looks like, and of each class its mean;
 * in the end that all is there, or what went wrong.
 * @typedef {{kind: "layer", layer: Layer}
 *   | {kind: "labels", first: number, labels: Uint16Array<ArrayBuffer>}
 *   | {kind: "looks", ink: Float32Array<ArrayBuffer>, odd: Float32Array<ArrayBuffer>,
 *      means: Float32Array<ArrayBuffer>[]}
 *   | {kind: "failed", message: string}} Said
 */

const post = (/** @type {Said} */ said, /** @type {Transferable[]} */ given = []) =>
  /** @type {{postMessage: (said: Said, given: Transferable[]) => void}} */ (
    /** @type {unknown} */ (self)
  ).postMessage(said, given);

self.onmessage = async ({ data }) => {
  try {
    await read(/** @type {Dataset} */ (data));
  } catch (error) {
    post({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
};

/** @param {Dataset} dataset */
async function read(dataset) {
  const reading = new Reading(dataset);
  for (const [name, { count }] of Object.entries(dataset.splits)) {
    await reading.split(samplesAddress(dataset, name, "thumbnails"), count);
  }
  reading.look();
}

class Reading {
  /** @param {Dataset} dataset */
  constructor(dataset) {
    const { splits, scale, dtype, classes, thumbnail } = dataset;
    this.total = Object.values(splits).reduce((sum, { count }) => sum + count, 0);
    this.layers = new Layers(thumbnail.shape, rowOf(this.total), scale);
    const { size } = this.layers;
    this.entries = new (dtype === "uint8" ? Uint8Array : Float32Array)(this.total * size);
    this.labels = new Uint16Array(this.total);
    this.ink = new Float32Array(this.total);
    this.classes = classes.length;
    this.drawn = 0; // examples, of all sets
  }

  /** Fetch a set, and draw its examples as they arrive. @param {string} address
   * @param {number} count */
  async split(address, count) {
    const { size } = this.layers;
    const first = this.drawn;
    const part = this.entries.subarray(first * size, (first + count) * size);
    const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    const labels = new Uint8Array(2 * count);
    let got = 0;
    for await (const piece of piecesOf(address)) {
      copy(piece, bytes, got);
      copy(piece, labels, got - bytes.length);
      got += piece.length;
      this.#draw(first + Math.min(count, Math.floor((got * count) / bytes.length)));
    }
    const wanted = bytes.length + labels.length;
    if (got !== wanted) throw new Error(`${address}: expected ${wanted} bytes, found ${got}`);
    const own = new Uint16Array(labels.buffer);
    this.labels.set(own, first);
    post({ kind: "labels", first, labels: own }, [own.buffer]);
  }

  /** Draw the examples up to `end`, and post the layers that are full. @param {number} end */
  #draw(end) {
    const { layers, entries } = this;
    const squares = layers.row ** 2;
    for (let i = this.drawn; i < end; i++) {
      this.ink[i] = layers.draw(i % squares, entries, i * layers.size);
      if ((i + 1) % squares !== 0 && i + 1 !== this.total) continue;
      const levels = layers.finish();
      const layer = Math.floor(i / squares);
      post({ kind: "layer", layer: { layer, levels, done: i + 1 } }, levels.map(({ buffer }) => buffer));
    }
    this.drawn = end;
  }

  /** Post what the examples look like: of each how far it is from its class's mean. */
  look() {
    const { entries, labels, ink, layers: { size, scale } } = this;
    const counts = new Array(this.classes).fill(0);
    const means = counts.map(() => new Float32Array(size));
    labels.forEach((label, i) => {
      const mean = means[label];
      counts[label] += 1;
      for (let k = 0, at = i * size; k < size; k++) mean[k] += entries[at++];
    });
    means.forEach((mean, label) => mean.forEach((sum, k) => mean[k] = sum / (counts[label] || 1)));
    const odd = Float32Array.from(labels, (label, i) => {
      let sum = 0;
      const mean = means[label];
      for (let k = 0, at = i * size; k < size; k++) sum += (entries[at++] - mean[k]) ** 2;
      return Math.sqrt(sum / size) / scale;
    });
    const given = [ink.buffer, odd.buffer, ...means.map(({ buffer }) => buffer)];
    post({ kind: "looks", ink, odd, means }, given);
  }
}

/** Copy what of a piece falls into an array, where the piece begins at `at` of it.
 * @param {Uint8Array} piece @param {Uint8Array} to @param {number} at */
function copy(piece, to, at) {
  const from = Math.max(0, -at);
  const length = Math.min(piece.length - from, to.length - Math.max(0, at));
  if (length > 0) to.set(piece.subarray(from, from + length), Math.max(0, at));
}

/** The bytes at an address, as they arrive. @param {string} address
 * @returns {AsyncGenerator<Uint8Array>} */
async function* piecesOf(address) {
  const answer = await ask(address, { headers: { Accept: "application/octet-stream" } });
  if (!answer.ok || !answer.body) throw new Error(`${address}: the server answered ${answer.status}`);
  const reader = answer.body.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    yield value;
  }
}
