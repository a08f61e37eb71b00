// @ts-check
// Ours: a module of `autograd.compiler.wasm` and the loader that pages use. `kind` says what an
// epoch is: "steps", a call for each batch, gathered into the step's input; "loop", as a page
// trains; "parts", a loop and the large products of its steps in turn; "peak", multiply-adds alone.

import { readSafetensors } from "../../../viz/page/safetensors.js";
import { sizeOf } from "../../../viz/page/tensors.js";
import { load } from "../../../viz/page/wasm.js";

/** @import { Contestant, Epoch, Race } from "./worker.js" */
/** @typedef {import("../../../viz/page/wasm.js").Module} Module */
/** @typedef {(race: Race, module: Module) => {epoch: Epoch, more?: () => object}} Kind */

const BLOCK = 26; // steps between two looks at the clock, so that caches are as in training
/** @type {Record<string, Kind>} */
const KINDS = { steps, loop, parts };

/** @param {Race} race @returns {Promise<Contestant>} */
export async function contestant(race) {
  if (race.kind === "peak") return peak(race);
  const path = `/modules/${race.module}`;
  const manifest = await (await fetch(`${path}.json`)).json();
  const module = await load(await bytes(`${path}.wasm`), manifest);
  const { tensors } = readSafetensors(await bytes(`${path}.safetensors`));
  const begin = () => module.restore(tensors);
  return { begin, threads: () => 1, ...KINDS[race.kind](race, module) };
}

/** @param {string} path */
const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());

/** @type {Kind} */
function steps({ batch, gather }, module) {
  const [x, y, loss] = ["x", "y", "loss"].map((name) => module.array(name, "step"));
  const { buffer } = x.memory;
  const images = new Float32Array(buffer, x.layout.offset, batch * x.layout.shape[1]);
  const labels = new Int32Array(buffer, y.layout.offset, batch);
  return {
    epoch: (order) => {
      const losses = [];
      for (let i = 0; i < order.length; i += batch) {
        gather(order.subarray(i, i + batch), images, labels);
        module.run("step");
        losses.push(Number(loss.read()[0]));
      }
      return losses;
    },
  };
}

/** Give a loop all images. @param {Race} race @param {Module} module */
function fill({ images, labels }, module) {
  module.array("x", "loop").write(images);
  module.array("y", "loop").write(labels);
  return { order: module.array("order", "loop"), losses: module.array("loss", "loop") };
}

/** @type {Kind} */
function loop(race, module) {
  const { order, losses } = fill(race, module);
  return {
    epoch: async (rows) => {
      order.write(rows);
      for await (const _ of module.loop("loop", 0, rows.length / race.batch));
      return /** @type {Float32Array} */ (losses.read());
    },
  };
}

/** @type {Kind} */
function parts(race, module) {
  const { order, losses } = fill(race, module);
  const [x, delta] = ["x", "delta"].map((name) => module.array(name, "products"));
  x.write(race.images.subarray(0, sizeOf(x.layout.shape)));
  delta.write(Float32Array.from({ length: sizeOf(delta.layout.shape) }, (_, i) => Math.sin(i)));
  const train = module.runs.get("loop");
  let whole = 0;
  let products = 0; // both in seconds
  /** @type {Epoch} */
  const epoch = (rows) => {
    order.write(rows);
    whole = products = 0;
    const steps = rows.length / race.batch;
    for (let i = 0; i < steps; i += BLOCK) {
      const count = Math.min(BLOCK, steps - i);
      const before = performance.now();
      train?.(i, count);
      const between = performance.now();
      for (let j = 0; j < count; j++) module.run("products");
      whole += (between - before) / 1000;
      products += (performance.now() - between) / 1000;
    }
    return /** @type {Float32Array} */ (losses.read());
  };
  return { epoch, more: () => ({ whole, products }) };
}

/** @param {Race} race @returns {Promise<Contestant>} */
async function peak({ batch, module }) {
  const { instance } = await WebAssembly.instantiate(await bytes(`/modules/${module}.wasm`));
  const adds = /** @type {(steps: number) => number} */ (instance.exports.peak);
  /** @type {Epoch} */
  const epoch = (order) => (adds(order.length / batch), []);
  return { begin: () => {}, epoch, threads: () => 1 };
}
