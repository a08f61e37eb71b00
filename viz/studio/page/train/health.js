// @ts-check
// How each layer fares, in the worker: how its weights, what it gives and the gradient by its weights
// are spread, and a word for what becomes of the gradient there, as the diagrams of `viz.diagram`
// have it. Arrays in, numbers and words out.

/** @typedef {import("./training.js").Training} Training */

/**
 * counts: entries in equal bins from low to high; those further out are in none. bad: entries that
 * are not finite. size: the length of all as a vector.
 * @typedef {{low: number, high: number, counts: number[], bad: number, size: number}} Spread
 * @typedef {"healthy" | "zero" | "vanishing" | "saturated" | "dead" | "exploding" | "NaN or inf"} Word
 * @typedef {{
 *   word: Word, dead: number | null, flat: number | null,
 *   weights: Spread, outputs: Spread, gradients: Spread,
 * }} Layer dead: the share of units that give 0 for every example; flat: that of outputs where the
 * activation hardly rises; null where the activation has no such places
 */

const BINS = 40;
const SPAN = 4; // standard deviations on both sides of the mean
// As viz/diagram/health.py has them, and says why.
const VANISHING = 1e-6;
const EXPLODING = 1e3;
const FLAT = 0.1; // moving x by its own size, or by 1, moves the result by less

/** How the layers fare on the batch that is learned from next; nothing is learned.
 * @param {Training} it @returns {Layer[]} */
export function layersOf(it) {
  const place = it.place();
  try {
    const gradients = it.gradients();
    const { outputs, deltas } = it.shown();
    return outputs.map((data, i) => {
      const activation = i < outputs.length - 1 ? it.settings.activation : "identity";
      const units = data.length / it.batch;
      const found = {
        dead: activation === "relu" ? deadShare(data, units) : null,
        flat: flatShare(activation, data, it.settings.dropout),
        weights: spreadOf(/** @type {Float32Array} */ (place.states.get(`model.${2 * i}.weight`)?.data)),
        outputs: spreadOf(data),
        gradients: spreadOf(gradients[i]),
      };
      const bad = found.weights.bad + found.outputs.bad + found.gradients.bad + spreadOf(deltas[i]).bad;
      return { ...found, word: wordOf(found.gradients.size, bad, found.dead, found.flat) };
    });
  } finally {
    it.goTo(place);
  }
}

/** @param {number} size of the gradient @param {number} bad entries that are not finite
 * @param {number | null} dead @param {number | null} flat @returns {Word} */
export function wordOf(size, bad, dead, flat) {
  if (bad) return "NaN or inf";
  if (dead !== null && dead >= 0.5) return "dead";
  if (flat !== null && flat >= 0.5) return "saturated";
  if (size === 0) return "zero";
  return size < VANISHING ? "vanishing" : size > EXPLODING ? "exploding" : "healthy";
}

/** The share of units that are 0 for every example; of one example, whether all are.
 * @param {Float32Array} outputs examples one after the other @param {number} units of each */
export function deadShare(outputs, units) {
  if (outputs.length === units) return Number(outputs.every((output) => output === 0));
  let dead = 0;
  for (let unit = 0; unit < units; unit++) {
    let at = unit;
    while (at < outputs.length && outputs[at] === 0) at += units;
    dead += Number(at >= outputs.length);
  }
  return dead / units;
}

/** Whether an activation hardly rises where it gives y. @type {Record<string, (y: number) => boolean>} */
const FLATS = {
  tanh: (y) => Math.abs(y) >= 1 || (1 - y * y) * Math.max(1, Math.abs(Math.atanh(y))) < FLAT,
  sigmoid: (y) => y <= 0 || y >= 1 || y * (1 - y) * Math.max(1, Math.abs(Math.log(y / (1 - y)))) < FLAT,
  softplus: (y) => y <= 0 || -Math.expm1(-y) * Math.max(1, Math.abs(Math.log(Math.expm1(y)))) < FLAT,
  gelu: (y) => y <= 0 && y > -0.006, // from -2.9 down; between -0.012 and 0 it is not, which is rare
};

/** The share of outputs where the activation hardly rises. @param {string} activation
 * @param {Float32Array} outputs @param {number} dropout those dropped are 0, the others larger */
export function flatShare(activation, outputs, dropout) {
  const isFlat = FLATS[activation];
  if (!isFlat) return null;
  let flat = 0;
  let counted = 0;
  for (const output of outputs) {
    if (dropout && output === 0) continue;
    counted += 1;
    flat += Number(isFlat(output * (1 - dropout)));
  }
  return counted ? flat / counted : 0;
}

/** How entries are spread: those that are not finite are counted beside. @param {Float32Array} all
 * @returns {Spread} */
export function spreadOf(all) {
  let [count, sum, squares, least, greatest] = [0, 0, 0, Infinity, -Infinity];
  for (const each of all) {
    if (!Number.isFinite(each)) continue;
    count += 1;
    sum += each;
    squares += each * each;
    if (each < least) least = each;
    if (each > greatest) greatest = each;
  }
  const bad = all.length - count;
  const counts = new Array(BINS).fill(0);
  if (!count) return { low: 0, high: 0, counts, bad, size: 0 };
  const mean = sum / count;
  const deviation = Math.sqrt(Math.max(0, squares / count - mean * mean));
  const low = Math.max(least, mean - SPAN * deviation);
  const high = Math.min(greatest, mean + SPAN * deviation);
  const each = high > low ? BINS / (high - low) : 0;
  for (const entry of all) {
    if (entry >= low && entry <= high) counts[Math.min(BINS - 1, Math.floor((entry - low) * each))] += 1;
  }
  return { low, high, counts, bad, size: Math.sqrt(squares) };
}
