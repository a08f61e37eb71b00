// @ts-check
// A lap of a race, in the worker that trains: the first steps of the training once more, by a module
// of its own beside the one that waits.

import { load } from "../../../page/wasm.js";
import { moduleOf } from "../api.js";
import { firstStates } from "../train/first.js";
import { architectureOf } from "../train/settings.js";
import { Training } from "../train/training.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../train/examples.js").Examples} Examples */
/** @typedef {import("../train/settings.js").Settings} Settings */
/** @typedef {import("../train/training.js").Place} Place */

/** What is learned, and by which kind of module.
 * @typedef {{settings: Settings, simd: "v128" | "relaxed", steps: number}} Lap */

/** How that went. flops: floating-point operations of a step. losses: of each step, before it.
 * @typedef {{seconds: number, flops: number, losses: number[]}} Lapped */

/** Those of this race, and where they begin. @type {Map<string, {training: Training, begun: Place}>} */
const made = new Map();

/** Forget what a race was made with. */
export const forget = () => made.clear();

/** Learn, and tell how long that took: as when the page trains, so to deal the examples out counts,
 * and others have their turn. Null where it was ended.
 * @param {Lap} lap @param {Dataset} dataset @param {{train: Examples, mean: Float32Array}} examples
 * @param {AbortSignal} signal @returns {Promise<Lapped | null>} */
export async function lapOf({ settings, simd, steps }, dataset, { train, mean }, signal) {
  const name = architectureOf(settings, dataset, simd === "relaxed");
  const parts = made.get(name) ?? await begun(name, settings, train, mean);
  made.set(name, parts);
  const { training } = parts;
  training.goTo(parts.begun);
  const losses = /** @type {number[]} */ ([]);
  const start = performance.now();
  while (losses.length < steps && !signal.aborted) {
    for await (const part of training.learn(steps - losses.length, signal)) losses.push(...part.losses);
  }
  if (signal.aborted) return null;
  return { seconds: (performance.now() - start) / 1000, flops: training.flops, losses };
}

/** @param {string} name of the module @param {Settings} settings @param {Examples} train
 * @param {Float32Array} mean */
async function begun(name, settings, train, mean) {
  const { bytes, manifest } = await moduleOf(`modules/${name}`);
  const module = await load(bytes, manifest);
  const states = firstStates(module.states.map(({ layout }) => layout), settings);
  const training = new Training(module, train, settings, states, mean);
  return { training, begun: training.place() };
}
