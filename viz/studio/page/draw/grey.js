// @ts-check
// Greys in rows, resized as Pillow resizes them: the same sums in the same order, so that a network
// sees of a drawing here the very numbers that Python would show it.

/** Rows of greys, from the top. @typedef {{height: number, width: number, ink: Float32Array}} Grey */
/** Weights of pixels from the `first` on. @typedef {{first: number, weights: Float64Array}} Part */

/** How far it reaches in pixels of the result, and the weight at a distance.
 * @typedef {{reach: number, weigh: (x: number) => number}} Filter */

/** @type {Record<"box" | "linear", Filter>} */
const FILTERS = {
  box: { reach: 0.5, weigh: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  linear: { reach: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) },
};

/** The nearest whole number; of two the even one, as Python rounds. @param {number} number */
export function rounded(number) {
  const low = Math.floor(number);
  const over = number - low;
  return over > 0.5 || (over === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

/** The greatest grey, 0 of none. @param {Grey} grey */
export function highest({ ink }) {
  let most = 0;
  for (let i = 0; i < ink.length; i++) if (ink[i] > most) most = ink[i];
  return most;
}

/** The part from `top` and `left` to `bottom` and `right`, which are outside; what lies beyond the
 * greys is 0. @param {Grey} grey @param {number} top @param {number} left @param {number} bottom
 * @param {number} right @returns {Grey} */
export function cut({ height, width, ink }, top, left, bottom, right) {
  const part = { height: bottom - top, width: right - left };
  const found = new Float32Array(part.height * part.width);
  for (let y = Math.max(0, top); y < Math.min(height, bottom); y++) {
    const row = ink.subarray(y * width + Math.max(0, left), y * width + Math.min(width, right));
    found.set(row, (y - top) * part.width + Math.max(0, -left));
  }
  return { ...part, ink: found };
}

/** With the longer side of so many pixels: smaller by the means of areas, larger by lines between
 * the pixels. @param {Grey} grey @param {number} longer */
export function fitted(grey, longer) {
  const most = Math.max(grey.height, grey.width);
  const [height, width] = [grey.height, grey.width].map((side) => Math.max(1, rounded((longer * side) / most)));
  const filter = most > longer ? FILTERS.box : FILTERS.linear;
  // The rows first, and each pass rounded to float32, as Pillow does it.
  return transposed(stretched(transposed(stretched(grey, width, filter)), height, filter));
}

/** @param {Grey} grey @param {number} to pixels of a row @param {Filter} filter @returns {Grey} */
function stretched({ height, width, ink }, to, filter) {
  const parts = partsOf(width, to, filter);
  const found = new Float32Array(height * to);
  for (let y = 0, at = 0; y < height; y++) {
    for (const { first, weights } of parts) {
      let sum = 0;
      for (let k = 0, from = y * width + first; k < weights.length; k++) sum += ink[from + k] * weights[k];
      found[at++] = sum;
    }
  }
  return { height, width: to, ink: found };
}

/** What each of `to` pixels is a mean of, among so many.
 * @param {number} from @param {number} to @param {Filter} filter @returns {Part[]} */
function partsOf(from, to, { reach, weigh }) {
  const scale = from / to;
  const wide = Math.max(1, scale); // of a pixel of the result, where it is larger
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach * wide + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach * wide + 0.5));
    const weights = Float64Array.from({ length: end - first }, (_, k) => weigh((k + first - centre + 0.5) * (1 / wide)));
    const sum = weights.reduce((all, weight) => all + weight, 0);
    return { first, weights: sum ? weights.map((weight) => weight / sum) : weights };
  });
}

/** @param {Grey} grey @returns {Grey} */
function transposed({ height, width, ink }) {
  const found = new Float32Array(ink.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) found[x * height + y] = ink[y * width + x];
  return { height: width, width: height, ink: found };
}
