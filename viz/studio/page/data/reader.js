// @ts-check
// The worker that fetches a dataset's examples, small, and makes layers of them as they arrive; so
// that the page never waits for them.

import { again } from "../again.js";
import { piecesOf, samplesAddress } from "../api.js";
import { ask } from "../ask.js";
import { blocksOf, fetchAll } from "../loading.js";
import { Layers, rowOf } from "./layers.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../loading.js").Block} Block counted through all sets */
/** @typedef {import("../loading.js").Loaded} Loaded */

/** What it is told: to read a dataset, which layers of it come first, from now on, or not to wait with
 * what failed.
 * @typedef {{kind: "read", dataset: Dataset, layers: number[]} | {kind: "first", layers: number[]}
 *   | {kind: "again"}} Order */

/** @typedef {{layer: number, levels: Uint8Array<ArrayBuffer>[], count: number}} Layer of so many
 * examples */

/**
 * What it posts: a layer with its smaller copies, once it is whole; the labels of a block; how far it
 * is; in the end of each example what it looks like, and of each class its mean, or what went
 * wrong.
 * @typedef {{kind: "layer", layer: Layer} | {kind: "loading", loaded: Loaded}
 *   | {kind: "labels", first: number, labels: Uint16Array<ArrayBuffer>}
 *   | {kind: "looks", ink: Float32Array<ArrayBuffer>, odd: Float32Array<ArrayBuffer>,
 *      means: Float32Array<ArrayBuffer>[]}
 *   | {kind: "failed", message: string}} Said
 */

const post = (/** @type {Said} */ said, /** @type {Transferable[]} */ given = []) =>
  /** @type {{postMessage: (said: Said, given: Transferable[]) => void}} */ (
    /** @type {unknown} */ (self)
  ).postMessage(said, given);

/** @type {Reading | null} */ let reading = null;

self.onmessage = async ({ data }) => {
  const order = /** @type {Order} */ (data);
  if (order.kind === "again") return again();
  if (order.kind === "first") return reading?.prefer(order.layers);
  try {
    reading = new Reading(order.dataset);
    reading.prefer(order.layers);
    await read(reading);
  } catch (error) {
    post({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
};

/** @param {Reading} it */
async function read(it) {
  await fetchAll(it.queue, (block) => it.fetch(block), (loaded) => post({ kind: "loading", loaded }));
  it.look();
}

/** The blocks of all sets; where their pictures are large, all small ones of a set in one.
 * @param {Dataset} dataset @returns {Block[]} */
function smallBlocksOf(dataset) {
  const { shape, thumbnail, splits } = dataset;
  let start = 0; // of a set
  return Object.entries(splits).flatMap(([split, { count }]) => {
    const blocks = String(thumbnail.shape) === String(shape)
      ? blocksOf(dataset, split)
      : [{ address: samplesAddress(dataset, split, "thumbnails"), first: 0, count }];
    start += count;
    return blocks.map((block) => ({ ...block, first: start - count + block.first }));
  });
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
    this.blocks = smallBlocksOf(dataset);
    this.queue = [...this.blocks]; // those that were not asked for yet
    /** @type {Map<Block, number>} */ this.got = new Map(); // examples of each
    this.open = Array.from({ length: Math.ceil(this.total / this.layers.row ** 2) }, (_, layer) => layer); // not drawn
  }

  /** Read what some layers need first, and draw them first: they are in sight. @param {number[]} layers */
  prefer(layers) {
    const isWanted = (/** @type {number} */ layer) => layers.includes(layer);
    const squares = this.layers.row ** 2;
    const ofBlock = ({ first, count } = this.blocks[0]) => layers.some((layer) =>
      first < (layer + 1) * squares && first + count > layer * squares);
    this.queue.sort((one, other) => Number(ofBlock(other)) - Number(ofBlock(one)) || one.first - other.first);
    this.open.sort((one, other) => Number(isWanted(other)) - Number(isWanted(one)) || one - other);
  }

  /** Fetch a block, and draw its examples as they arrive. @param {Block} block */
  async fetch(block) {
    const { address, first, count } = block;
    const { size } = this.layers;
    const part = this.entries.subarray(first * size, (first + count) * size);
    const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    const labels = new Uint8Array(this.labels.buffer, 2 * first, 2 * count);
    const wanted = bytes.length + labels.length;
    const answer = await ask(address, { headers: { Accept: "application/octet-stream" } });
    if (!answer.ok) throw new Error(`${address}: the server answered ${answer.status}`);
    let got = 0;
    for await (const piece of piecesOf(answer)) {
      copy(piece, bytes, got);
      copy(piece, labels, got - bytes.length);
      got += piece.length;
      const here = Math.min(count - Number(got < wanted), Math.floor((got * count) / bytes.length));
      this.got.set(block, Math.max(here, this.got.get(block) ?? 0)); // it may be asked for again
      this.#draw();
    }
    if (got !== wanted) throw new Error(`${address}: expected ${wanted} bytes, found ${got}`);
    const own = this.labels.slice(first, first + count);
    post({ kind: "labels", first, labels: own }, [own.buffer]);
  }

  /** Draw the layers whose examples are all here, and post them. */
  #draw() {
    const { blocks, got, layers, total } = this;
    const squares = layers.row ** 2;
    this.open = this.open.filter((layer) => {
      const [start, end] = [layer * squares, Math.min(total, (layer + 1) * squares)];
      const isWhole = blocks.every((block) => {
        const { first, count } = block;
        const needed = Math.min(end - first, count); // of it, from its first on
        return first >= end || first + count <= start || (got.get(block) ?? 0) >= needed;
      });
      if (isWhole) this.#drawLayer(layer, start, end);
      return !isWhole;
    });
  }

  /** @param {number} layer @param {number} start of its examples @param {number} end */
  #drawLayer(layer, start, end) {
    const { layers, entries, ink } = this;
    for (let i = start; i < end; i++) ink[i] = layers.draw(i - start, entries, i * layers.size);
    const levels = layers.finish();
    post({ kind: "layer", layer: { layer, levels, count: end - start } }, levels.map(({ buffer }) => buffer));
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
