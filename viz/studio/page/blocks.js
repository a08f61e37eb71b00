// @ts-check
// How many examples are fetched at once.

/** @typedef {import("./api.js").Dataset} Dataset */

const MOST = 4000;
const BYTES = 4e6; // of them, at most

/** Of a dataset: examples of a block. @param {Pick<Dataset, "shape">} dataset */
export function blockOf({ shape }) {
  const size = shape.reduce((product, length) => product * length, 1);
  return Math.max(1, Math.min(MOST, Math.floor(BYTES / size)));
}
