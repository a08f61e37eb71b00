// @ts-check
// What a network makes of an image that is changed, in the worker: without the one entry or the other,
// and by the smallest change that it takes for something else. For each other class that goes, by the
// gradient of the difference of the two logits, to where they are equal (Moosavi-Dezfooli et al.,
// DeepFool, 2016), within what ink can be; then back by as much as can be.

import { passOf, slopeOf } from "../train/inspect.js";

/** @typedef {import("../../../page/wasm.js").Module} Module */
/** of: what it is taken for then, how probably; changed: so many entries, by how much in the mean;
 * distance: of all entries, as of vectors from 0 to 1.
 * @typedef {{image: Uint8Array, of: number, share: number, changed: number, mean: number, distance: number}} Flip */

const MOST_STEPS = 40;
const BEYOND = 0.02; // of a logit: how far over the border a step aims
const HALVINGS = 10; // on the way back

/** @param {Module} module @param {Uint8Array} image @param {number} scale
 * @returns {Flip | null} null where no class is reached */
export function flipOf(module, image, scale) {
  const taken = takenFor(module, image);
  const classes = passOf(module, image, null, false).probabilities.length;
  /** @type {Flip | null} */ let best = null;
  for (let of = 0; of < classes; of++) {
    const other = of === taken ? null : towards(module, image, scale, taken, of);
    if (!other) continue;
    const flip = described(module, image, shrunk(module, image, other, taken), scale);
    if (!best || flip.distance < best.distance) best = flip;
  }
  return best;
}

/** What the logit of a class loses without the ink of each entry, one by one.
 * @param {Module} module @param {Uint8Array} image @param {number} label */
export function lossesOf(module, image, label) {
  const logit = (/** @type {Uint8Array} */ each) => passOf(module, each, null, false).outputs.at(-1)?.[label] ?? NaN;
  const whole = logit(image);
  return Float32Array.from(image, (ink, i) => ink ? whole - logit(image.with(i, 0)) : 0);
}

/** The class with the greatest logit. @param {Module} module @param {Uint8Array} image */
function takenFor(module, image) {
  const { probabilities } = passOf(module, image, null, false);
  return probabilities.indexOf(Math.max(...probabilities));
}

/** Where the network takes it no more for what it did. @param {Module} module @param {Uint8Array} image
 * @param {number} scale @param {number} taken @param {number} of the class to go to */
function towards(module, image, scale, taken, of) {
  const exact = Float64Array.from(image, (each) => each / scale);
  for (let step = 0; step < MOST_STEPS; step++) {
    const now = Uint8Array.from(exact, (each) => Math.round(each * scale));
    const logits = passOf(module, now, null, false).outputs.at(-1) ?? [];
    const apart = logits[taken] - logits[of];
    if (takenFor(module, now) !== taken) return now;
    const [from, to] = [slopeOf(module, now, taken), slopeOf(module, now, of)];
    // Ink does not become less than none or more than all: those entries stay.
    const slopes = Float64Array.from(to, (each, i) => {
      const slope = each - from[i];
      return (slope > 0 ? exact[i] < 1 : exact[i] > 0) ? slope : 0;
    });
    const square = slopes.reduce((sum, slope) => sum + slope * slope, 0);
    if (!square) return null;
    for (let i = 0; i < exact.length; i++) {
      exact[i] = Math.min(1, Math.max(0, exact[i] + ((apart + BEYOND) * slopes[i]) / square));
    }
  }
  return null;
}

/** As near to the image as it is still taken for something else, on the line between.
 * @param {Module} module @param {Uint8Array} image @param {Uint8Array} other @param {number} taken */
function shrunk(module, image, other, taken) {
  const between = (/** @type {number} */ share) =>
    Uint8Array.from(image, (each, i) => Math.round(each + share * (other[i] - each)));
  let [low, high] = [0, 1];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (takenFor(module, between(middle)) === taken) low = middle;
    else high = middle;
  }
  return between(high);
}

/** @param {Module} module @param {Uint8Array} before @param {Uint8Array} image @param {number} scale
 * @returns {Flip} */
function described(module, before, image, scale) {
  const { probabilities } = passOf(module, image, null, false);
  const of = probabilities.indexOf(Math.max(...probabilities));
  let [changed, sum, square] = [0, 0, 0];
  image.forEach((each, i) => {
    const change = Math.abs(each - before[i]) / scale;
    changed += Number(change > 0);
    sum += change;
    square += change ** 2;
  });
  return { image, of, share: probabilities[of], changed, mean: sum / changed, distance: Math.sqrt(square) };
}
