// @ts-check
// The points of a chart's lines: which of them is at an x, or near one, and which stand for all.
// Numbers alone, no page.

/** x is in order. @typedef {{x: ArrayLike<number>, y: ArrayLike<number>}} Points */

/** The x of the line that has the most. @param {Points[]} lines @returns {ArrayLike<number>} */
export const longestOf = (lines) =>
  lines.map(({ x }) => x).reduce((most, x) => x.length > most.length ? x : most, []);

/** The place in a list, in order, of what is nearest to x; -1 in an empty one.
 * @param {ArrayLike<number>} list @param {number} x */
export function nearest(list, x) {
  let low = 0;
  let high = list.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low > 0 && x - list[low - 1] < list[low] - x ? low - 1 : list.length ? low : -1;
}

/** The same, but -1 where the list is over: further out than two of its points are apart there, and
 * than `reach`. @param {ArrayLike<number>} list @param {number} x @param {number} reach */
export function pointNear(list, x, reach) {
  const last = list.length - 1;
  const before = last > 0 ? Math.max(reach, list[1] - list[0]) : reach;
  const after = last > 0 ? Math.max(reach, list[last] - list[last - 1]) : reach;
  return x < list[0] - before || x > list[last] + after ? -1 : nearest(list, x);
}

/** The x of the rows of a table: of each line so many of its own that there are `most` of all, and
 * its last. @param {Points[]} lines @param {number} most */
export function rowsOf(lines, most) {
  const each = Math.max(2, Math.floor(most / lines.length));
  /** @type {Set<number>} */ const rows = new Set();
  for (const { x } of lines) {
    const every = Math.max(1, Math.ceil(x.length / each));
    for (let i = x.length - 1; i >= 0; i -= every) rows.add(x[i]);
  }
  return [...rows].sort((a, b) => a - b);
}

/** What was measured at an x itself; null where nothing was. @param {Points} line @param {number} at */
export function measuredAt({ x, y }, at) {
  const i = nearest(x, at);
  return x[i] === at && !Number.isNaN(y[i]) ? y[i] : null;
}
