// @ts-check
// The scales of a chart's axes: where a number lies between 0 and 1, and which numbers are written
// beside an axis. Numbers alone, no page.

/** @typedef {{low: number, high: number, log: boolean}} Scale low < high, of a logarithm both > 0 */

/**
 * The scale that shows all of some numbers, with a little room; what is not finite, and for a
 * logarithm what is not positive, is left out.
 * @param {Iterable<number>} numbers @param {boolean} log @param {boolean} [tight] without the room
 * @returns {Scale}
 */
export function scaleOf(numbers, log, tight = false) {
  let low = Infinity;
  let high = -Infinity;
  for (const number of numbers) {
    if (!Number.isFinite(number) || (log && number <= 0)) continue;
    low = Math.min(low, number);
    high = Math.max(high, number);
  }
  if (low > high) return log ? { low: 0.1, high: 1, log } : { low: 0, high: 1, log };
  if (log) {
    const room = low === high ? 2 : tight ? 1 : (high / low) ** 0.05;
    return { low: low / room, high: high * room, log };
  }
  const room = low === high ? Math.abs(low) / 2 || 0.5 : tight ? 0 : (high - low) * 0.05;
  return { low: low - room, high: high + room, log };
}

/** A scale from 0 to the highest of some numbers, which may be 0 as well.
 * @param {number[]} numbers @returns {Scale} */
export const fromZero = (numbers) =>
  ({ low: Math.min(0, ...numbers), high: Math.max(0, ...numbers) || 1, log: false });

/** The scale of some numbers without what lies beyond two limits, where some lie within them: else
 * what is far off leaves no room for the rest. @param {Iterable<number>} numbers
 * @param {number} least @param {number} most @returns {Scale} */
export function within(numbers, least, most) {
  const finite = [...numbers].filter(Number.isFinite);
  const isWithin = (/** @type {number} */ number) => number >= least && number <= most;
  const shown = finite.some(isWithin) ? finite.map((each) => Math.min(most, Math.max(least, each))) : finite;
  const isFlat = Number.isFinite(least) && shown.every((each) => each === shown[0]);
  return scaleOf(isFlat && shown.length ? [least, ...shown] : shown, false);
}

/** Where a number lies: 0 at the low end, 1 at the high one; NaN where a logarithm has none.
 * @param {Scale} scale @param {number} number */
export function placeOn({ low, high, log }, number) {
  if (!log) return (number - low) / (high - low);
  return Math.log(number / low) / Math.log(high / low);
}

/** The number that lies at a place. @param {Scale} scale @param {number} place */
export const numberAt = ({ low, high, log }, place) =>
  log ? low * (high / low) ** place : low + place * (high - low);

/** Round numbers of a scale, about as many as asked for, in order.
 * @param {Scale} scale @param {number} about @returns {number[]} */
export function ticks(scale, about) {
  const { low, high, log } = scale;
  const decades = log ? Math.log10(high / low) : 0;
  if (decades < 1) return linearTicks(low, high, about);
  const every = Math.max(1, Math.ceil(decades / about));
  const factors = decades > about / 3 ? [1] : [1, 2, 5];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    if (power % every) continue;
    for (const factor of factors) {
      const tick = factor * 10 ** power;
      if (tick >= low && tick <= high) found.push(tick);
    }
  }
  return found.length > 1 ? found : linearTicks(low, high, about);
}

/** @param {number} low @param {number} high @param {number} about */
function linearTicks(low, high, about) {
  const rough = (high - low) / Math.max(1, about);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? rough;
  const found = [];
  // By a whole number of steps: sums of a step drift.
  for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(i * step);
  return found;
}

/** A number beside an axis, or in a label: with as many digits as tell it from its neighbours.
 * @param {number} number @param {number} [digits] significant ones */
export function written(number, digits = 3) {
  if (!Number.isFinite(number)) return Number.isNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
  const size = Math.abs(number);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) {
    return number.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
  }
  const text = number.toPrecision(digits + (size >= 1000 ? 3 : 0));
  return Number(text).toLocaleString("en", { maximumFractionDigits: 6 });
}

/** A probability; never all of it: no softmax is. A line never begins with its %. @param {number} share */
export const percent = (share) => share >= 0.9995 ? "> 99.9\u00a0%" : `${(100 * share).toFixed(1)}\u00a0%`;
