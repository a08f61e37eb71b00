// @ts-check
// Which examples are shown, and in which order: from what is known of each to a list of them.

/** @typedef {import("../state.js").State} State */

/**
 * What is known of the examples. labels: of each its class; known: how many labels are there.
 * ink: of each the mean of its pixels; odd: how far it is from the mean picture of its class.
 * splits: by name, the first of its examples and how many there are. predictions: the class that
 * the network takes it for, NOBODY before it was asked; losses and confidences of those.
 * @typedef {{
 *   labels: Uint16Array, known: number, ink: Float32Array, odd: Float32Array,
 *   predictions: Uint16Array, losses: Float32Array, confidences: Float32Array,
 *   splits: Map<string, {first: number, count: number}>,
 * }} Known
 */

export const NOBODY = 65535; // a class that there is not
const MOST_KEY = 2 ** 12; // of what is sorted by; there is nothing beyond

/** What is known before anything was fetched: how many there are.
 * @param {import("../api.js").Dataset} dataset @returns {Known} */
export function knownOf({ splits }) {
  let total = 0;
  const ranges = new Map();
  for (const [name, { count }] of Object.entries(splits)) {
    ranges.set(name, { first: total, count });
    total += count;
  }
  const zeros = () => new Float32Array(total);
  return {
    labels: new Uint16Array(total), known: 0, ink: zeros(), odd: zeros(), splits: ranges,
    predictions: new Uint16Array(total).fill(NOBODY), losses: zeros(), confidences: zeros(),
  };
}

/** The examples that a state shows, in its order. @param {State} state @param {Known} known */
export function shownOf({ split, label, answer, wrong, sort }, known) {
  const { first, count } = rangeOf(split, known);
  const { labels, predictions } = known;
  const kept = new Uint32Array(count);
  let n = 0;
  for (let i = first; i < first + count; i++) {
    if (label >= 0 && (i >= known.known || labels[i] !== label)) continue;
    if (answer >= 0 && predictions[i] !== answer) continue;
    if (wrong && (predictions[i] === NOBODY || predictions[i] === labels[i])) continue;
    kept[n++] = i;
  }
  const chosen = kept.subarray(0, n);
  return sort === "index" ? chosen : sorted(chosen, keysOf(sort, known));
}

/** @param {string} split @param {Known} known */
function rangeOf(split, { labels, splits }) {
  return splits.get(split) ?? { first: 0, count: labels.length };
}

/** Of each example what it is sorted by, NaN where the network was not asked yet.
 * @param {import("../state.js").Sort} sort @param {Known} known @returns {(i: number) => number} */
function keysOf(sort, { labels, ink, odd, losses, confidences, predictions }) {
  const keys = { index: labels, class: labels, ink, typical: odd, loss: losses, confidence: confidences }[sort];
  if (sort !== "loss" && sort !== "confidence") return (i) => keys[i];
  // The hardest first: those of the greatest loss, of the least confidence.
  const hard = (/** @type {number} */ i) => sort === "loss" ? Math.max(0, MOST_KEY - losses[i]) : confidences[i];
  return (i) => predictions[i] === NOBODY ? NaN : hard(i);
}

/** By key, equal ones as they stand, NaN last. A typed array sorts by number, and fastest: so the
 * key and the place make one number.
 * @param {Uint32Array} chosen @param {(i: number) => number} keyOf */
function sorted(chosen, keyOf) {
  const most = MOST_KEY * 2 ** 18; // which times 2 ** 22 is a whole number that a float has
  const whole = (/** @type {number} */ key) =>
    Number.isNaN(key) ? most : Math.min(Math.round(key * 2 ** 18), most - 1);
  const pairs = Float64Array.from(chosen, (i, place) => whole(keyOf(i)) * 2 ** 22 + place);
  pairs.sort();
  return Uint32Array.from(pairs, (pair) => chosen[pair % 2 ** 22]);
}
