// @ts-check
// The lines of the charts: of one training what its batches and the test set say, in the same two
// colours whichever is left; of several, side by side, the test set's in full and the batches'
// thinly, in the colour that a branch has for its life.

import { COLOURS } from "./branches.js";
import { smoothed } from "./history.js";

/** @typedef {import("../../../page/chart.js").Line} Line */
/** @typedef {import("./branches.js").Branch} Branch */
/** @typedef {import("./history.js").History} History */

// Of one alone: what it learned from, in a colour that no branch has, and the test set.
const [LEARNED, TESTED] = ["--second", COLOURS[0]];

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
    const tested = (/** @type {number[]} */ y) => ({ name: `${name} test`, colour, x: tests.x, y, strong });
    lines.loss.push(learned(losses), tested(tests.loss));
    lines.accuracy.push(learned(rights), tested(tests.right));
  }
  return lines;
}

/** @param {Branch} branch @returns {{loss: Line[], accuracy: Line[]}} */
function linesOfOne({ progress: { losses, rights, tests } }) {
  const mean = (/** @type {History} */ { x, y }) =>
    ({ name: "train", colour: LEARNED, x: x.slice(), y: smoothed(y) }); // as it is now, both
  const tested = (/** @type {number[]} */ y) => ({ name: "test", colour: TESTED, x: tests.x, y });
  const raw = { name: "each batch", colour: LEARNED, x: losses.x, y: losses.y, faint: true };
  return { loss: [raw, mean(losses), tested(tests.loss)], accuracy: [mean(rights), tested(tests.right)] };
}
