// @ts-check
// Why a loss was not finite: the worker learns those steps again one by one, and finds the first
// array that is not; the page says it in words.

import { written } from "../../../page/ticks.js";
import { usualRate } from "./settings.js";

/** @typedef {import("./settings.js").Live} Live */
/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {import("./training.js").Place} Place */
/** @typedef {import("./training.js").Training} Training */

/**
 * What of which layer, from 0 on, was the first that was not finite, and in which step. value: one
 * such. largest: the largest weight that the layer had before.
 * @typedef {"outputs" | "loss" | "gradient" | "weights"} Part
 * @typedef {{step: number, layer: number, of: Part, value: number, largest: number}} Cause
 * @typedef {{step: number, epoch: number, loss: number, at: number, cause: Cause | null}} Divergence
 */

/**
 * Learn from a place up to a step until something is not finite; null where all is.
 * @param {Training} it @param {Place} place @param {number} until
 * @param {(step: number) => Live} liveAt @returns {Cause | null}
 */
export function causeOf(it, place, until, liveAt) {
  it.goTo(place);
  while (it.step < until) {
    const largest = weightsOf(it).map(largestOf);
    it.set(liveAt(it.step));
    it.single();
    const found = firstBad(it);
    if (found) return { step: it.step, ...found, largest: largest[found.layer] };
  }
  return null;
}

/** In the order in which a step computes: forward, back, and then the weights.
 * @param {Training} it @returns {{layer: number, of: Part, value: number} | null} */
function firstBad(it) {
  const { outputs, deltas, loss } = it.shown();
  const last = outputs.length - 1;
  const named = (/** @type {Part} */ of, /** @type {Float32Array[]} */ arrays) =>
    arrays.map((data, layer) => ({ layer, of, data }));
  const all = [
    ...named("outputs", outputs),
    { layer: last, of: /** @type {Part} */ ("loss"), data: loss },
    ...named("gradient", deltas).reverse(),
    ...named("weights", weightsOf(it)),
  ];
  for (const { layer, of, data } of all) {
    const value = data.find((each) => !Number.isFinite(each));
    if (value !== undefined) return { layer, of, value };
  }
  return null;
}

/** The weights of each layer. @param {Training} it */
const weightsOf = (it) => it.shown().deltas.map((_, layer) => it.state(`model.${2 * layer}.weight`));

/** @param {Float32Array} data */
function largestOf(data) {
  let largest = 0;
  for (const each of data) largest = Math.max(largest, Math.abs(each));
  return largest;
}

/**
 * What happened, where it began, why, and what to do.
 * @param {Divergence} said @param {Settings} settings @param {number[]} sizes of the layers
 */
export function explained({ step, epoch, loss, at, cause }, settings, sizes) {
  const what = `At step ${step.toLocaleString("en")} (epoch ${epoch + 1}) the loss became ${written(loss)}.`;
  const back = `It stands at step ${at.toLocaleString("en")} again, with the weights that it had there.`;
  const began = cause ? [where(cause, sizes)] : [];
  return [what, ...began, reason(settings), back, advice(settings)].join(" ");
}

/** @param {Cause} cause @param {number[]} sizes */
function where({ step, layer, of, value, largest }, sizes) {
  const name = `layer ${layer + 1} of ${sizes.length - 1} (${sizes[layer]} to ${sizes[layer + 1]})`;
  const happened = {
    outputs: `on the way forward, what ${name} gives became ${written(value)}`,
    loss: `what ${name} gives was so large that the loss became ${written(value)}`,
    gradient: `on the way back, the gradient in ${name} became ${written(value)}`,
    weights: `the step made weights of ${name} ${written(value)}`,
  }[of];
  return `It began in step ${step.toLocaleString("en")}: ${happened}; ` +
    `before it the largest weight there was ${written(largest)}.`;
}

/** Whether decay, which is to shrink the weights, turns them round instead, and further each time.
 * @param {number} rate @param {number} decay */
const isDecay = (rate, decay) => rate * decay >= 2;

/** @param {string} optimizer @param {number} momentum */
const isEndless = (optimizer, momentum) => optimizer === "sgd" && momentum >= 1;

/** The settings that it was. @param {Settings} settings @returns {(keyof Settings)[]} */
export function blamed({ rate, momentum, decay, optimizer }) {
  if (isDecay(rate, decay)) return ["rate", "decay"];
  return isEndless(optimizer, momentum) ? ["momentum"] : ["rate"];
}

/** @param {Settings} settings */
function reason({ rate, momentum, decay, optimizer }) {
  if (isDecay(rate, decay)) {
    return `Rate times decay is ${written(rate * decay)}: from 2 on, decay makes weights grow.`;
  }
  if (isEndless(optimizer, momentum)) return "A momentum of 1 never slows down, whatever the gradient is.";
  return `A rate of ${written(rate)} is too high for this network: ` +
    "each step overshoots by more than the one before.";
}

/** @param {Settings} settings */
function advice({ rate, momentum, decay, optimizer }) {
  if (isDecay(rate, decay)) return `Set a decay below ${written(1 / rate)} and go on, or reset.`;
  if (isEndless(optimizer, momentum)) return "Set a momentum below 1, such as 0.9, and go on, or reset.";
  const lower = Math.min(usualRate(optimizer), rate / 10);
  return `Set a lower rate, such as ${written(lower)}, and go on, or reset.`;
}
