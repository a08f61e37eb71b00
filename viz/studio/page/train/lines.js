// @ts-check
// The lines of the charts: of one training what its batches and the test set say; of several, side
// by side, the test set's in full and the batches' thinly, in the colour that a branch has for its
// life.

import { smoothed } from "./history.js";

/** @typedef {import("../../../page/chart.js").Line} Line */
/** @typedef {import("./branches.js").Branch} Branch */
/** @typedef {import("./history.js").History} History */

const LEARNED = "--second"; // of one alone: what it learned from; so no branch has that colour

/** @param {Branch[]} branches @param {Branch} shown the one that is gone on with: thicker
 * @returns {{loss: Line[], accuracy: Line[]}} */
export function linesOf(branches, shown) {
  if (branches.length === 1) return linesOfOne(branches[0]);
  /** @type {{loss: Line[], accuracy: Line[]}} */ const lines = { loss: [], accuracy: [] };
  for (const branch of branches) {
    const { name, colour, progress: { losses, rights, tests } } = branch;
    const strong = branch === shown;
    const learned = (/** @type {History} */ { x, y }) =>
      ({ name: `${name} train`, colour, x: x.slice(), y: smoothed(y), faint: true });
    lines.loss.push(learned(losses), { name, colour, x: tests.x, y: tests.loss, strong });
    lines.accuracy.push(learned(rights), { name, colour, x: tests.x, y: tests.right, strong });
  }
  return lines;
}

/** @param {Branch} branch @returns {{loss: Line[], accuracy: Line[]}} */
function linesOfOne({ colour, progress: { losses, rights, tests } }) {
  const mean = (/** @type {History} */ { x, y }) =>
    ({ name: "train", colour: LEARNED, x: x.slice(), y: smoothed(y) }); // as it is now, both
  const tested = (/** @type {number[]} */ y) => ({ name: "test", colour, x: tests.x, y });
  const raw = { name: "each batch", colour: LEARNED, x: losses.x, y: losses.y, faint: true };
  return { loss: [raw, mean(losses), tested(tests.loss)], accuracy: [mean(rights), tested(tests.right)] };
}
