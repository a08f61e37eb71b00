// @ts-check
// Which examples are shown, and in which order: from what is known of each to a list of them.

/** @typedef {import("../state.js").State} State */

/**
 * What is known of the examples. labels: of each its class, NOBODY before it is here; known: how many are here.
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
const MOST = 2 ** 12; // of what is sorted by: what is beyond counts as that
const LAST = 2 ** 30; // of their keys
const BITS = 11; // of a key in a round
const MASK = 2 ** BITS - 1;

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
    labels: new Uint16Array(total).fill(NOBODY), known: 0, ink: zeros(), odd: zeros(), splits: ranges,
    predictions: new Uint16Array(total).fill(NOBODY), losses: zeros(), confidences: zeros(),
  };
}

/** Whether the network is known to take an example for another class. @param {number} i @param {Known} known */
export const isWrong = (i, { labels, predictions }) =>
  predictions[i] !== NOBODY && labels[i] !== NOBODY && predictions[i] !== labels[i];

/** The examples that a state shows, in its order. @param {State} state @param {Known} known */
export function shownOf({ split, label, answer, wrong, sort }, known) {
  const { first, count } = rangeOf(split, known);
  const { labels, predictions } = known;
  const kept = new Uint32Array(count);
  let n = 0;
  for (let i = first; i < first + count; i++) {
    if (label >= 0 && labels[i] !== label) continue;
    if (answer >= 0 && predictions[i] !== answer) continue;
    if (wrong && !isWrong(i, known)) continue;
    kept[n++] = i;
  }
  const chosen = kept.subarray(0, n);
  return sort === "index" ? chosen : sorted(chosen, keysOf(chosen, sort, known));
}

/** Of each class, how many of its examples a state shows, or would show if it were asked for.
 * @param {State} state @param {Known} known @param {number} classes */
export function countsOf(state, known, classes) {
  const counts = /** @type {number[]} */ (new Array(classes).fill(0));
  for (const i of shownOf({ ...state, label: -1, sort: "index" }, known)) {
    if (known.labels[i] !== NOBODY) counts[known.labels[i]] += 1;
  }
  return counts;
}

/** @param {string} split @param {Known} known */
export function rangeOf(split, { labels, splits }) {
  return splits.get(split) ?? { first: 0, count: labels.length };
}

/** What examples are sorted by, each as a whole number, LAST where the network was not asked yet. The
 * hardest come first: those of the greatest loss and of the least confidence.
 * @param {Uint32Array} chosen @param {import("../state.js").Sort} sort @param {Known} known */
function keysOf(chosen, sort, { labels, ink, odd, losses, confidences, predictions }) {
  const values = { index: labels, class: labels, ink, typical: odd, loss: losses, confidence: confidences }[sort];
  const isAnswer = sort === "loss" || sort === "confidence";
  const keys = new Uint32Array(chosen.length);
  for (let place = 0; place < chosen.length; place++) {
    const i = chosen[place];
    const value = sort === "loss" ? Math.max(0, MOST - values[i]) : values[i];
    const isKnown = !Number.isNaN(value) && !(isAnswer && predictions[i] === NOBODY);
    keys[place] = isKnown ? Math.min(value * (LAST / MOST), LAST - 1) : LAST;
  }
  return keys;
}

/** By key, equal ones as they stand: in rounds by a part of the key's bits each, which takes a fifth
 * of the time of a typed array's own sort. Both arrays are written over.
 * @param {Uint32Array<ArrayBuffer>} chosen @param {Uint32Array<ArrayBuffer>} keys */
function sorted(chosen, keys) {
  let [from, to] = [keys, new Uint32Array(keys.length)];
  let [examples, dealt] = [chosen, new Uint32Array(keys.length)];
  for (let shift = 0; shift < 32; shift += BITS) {
    const starts = startsOf(from, shift);
    for (let i = 0; i < from.length; i++) {
      const at = starts[(from[i] >>> shift) & MASK]++;
      to[at] = from[i];
      dealt[at] = examples[i];
    }
    [from, to] = [to, from];
    [examples, dealt] = [dealt, examples];
  }
  return examples;
}

/** Where the first of each part begins. @param {Uint32Array} keys @param {number} shift */
function startsOf(keys, shift) {
  const starts = new Uint32Array(MASK + 2);
  for (let i = 0; i < keys.length; i++) starts[((keys[i] >>> shift) & MASK) + 1] += 1;
  for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
  return starts;
}
