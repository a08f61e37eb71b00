// @ts-check
// The worker of one contestant: `start` loads the digits and its script, `turn` trains on an order
// of batches, a part of an epoch, and tells how long that took. A script exports `contestant`.

/**
 * @typedef {{w1: Float32Array, b1: Float32Array, w2: Float32Array, b2: Float32Array}} Weights
 *   of the two layers; w1 and w2 are rows of (out, in)
 * @typedef {(rows: Int32Array, images: Float32Array, labels: Int32Array) => void} Gather
 * @typedef {{
 *   script: string, threads: number, batch: number, rate: number, momentum: number,
 *   module: string, kind: string, byHand: boolean,
 * }} Settings
 * @typedef {{images: Float32Array, labels: Int32Array, weights: Weights, gather: Gather}} Given
 * @typedef {Settings & Given} Race
 * @typedef {ArrayLike<number>} Losses
 * @typedef {(order: Int32Array) => Losses | Promise<Losses>} Epoch
 * @typedef {{
 *   begin: () => void, epoch: Epoch, threads: (workers: number) => number, more?: () => object,
 * }} Contestant begin: go back to the first weights; more: what else it has measured
 */

const PIXELS = 784;
const SCALE = Math.fround(1 / 255);
const PlainWorker = self.Worker;
let workers = 0; // that the contestant has started

self.Worker = class extends PlainWorker {
  /** @param {ConstructorParameters<typeof PlainWorker>} args */
  constructor(...args) {
    super(...args);
    workers += 1;
  }
};

/** @type {Contestant} */
let contestant;

/** @param {string} path */
const get = async (path) => (await fetch(path)).arrayBuffer();

/** @param {string} path */
const floats = async (path) => new Float32Array(await get(path));

/** @returns {Promise<Given>} */
async function given() {
  const images = Float32Array.from(new Uint8Array(await get("/images")));
  for (let i = 0; i < images.length; i++) images[i] *= SCALE;
  const labels = new Int32Array(await get("/labels"));
  const [w1, b1, w2, b2] = await Promise.all(
    ["0.weight", "0.bias", "2.weight", "2.bias"].map((name) => floats(`/weights/${name}`)),
  );
  /** @type {Gather} */
  const gather = (rows, x, y) => {
    rows.forEach((row, i) => {
      x.set(images.subarray(row * PIXELS, (row + 1) * PIXELS), i * PIXELS);
      y[i] = labels[row];
    });
  };
  return { images, labels, weights: { w1, b1, w2, b2 }, gather };
}

/** @param {Settings} settings */
async function start(settings) {
  // As on a page that is not isolated, where nobody has threads.
  if (settings.threads === 1) Reflect.deleteProperty(self, "SharedArrayBuffer");
  const race = { ...settings, ...await given() };
  contestant = await (await import(settings.script)).contestant(race);
  return {};
}

/** @param {{order: string, begin: boolean}} turn where its order is, and whether an epoch begins */
async function turn({ order, begin }) {
  const rows = new Int32Array(await get(order));
  if (begin) contestant.begin();
  const before = performance.now();
  const losses = Array.from(await contestant.epoch(rows));
  const seconds = (performance.now() - before) / 1000;
  return { seconds, losses, threads: contestant.threads(workers), ...contestant.more?.() };
}

self.onmessage = async ({ data }) => {
  try {
    self.postMessage(data.start ? await start(data.start) : await turn(data.turn));
  } catch (error) {
    self.postMessage({ error: String(error) });
  }
};
