// @ts-check
// The order in which an epoch takes its examples: what `autograd.random.order` gives, from the
// numbers that a module's entry draws.

/**
 * The examples sorted by what they drew, equal ones as they stand.
 * @param {ArrayLike<number>} draws multiples of 2**-24 in [0, 1), of at most 2**29 examples
 */
export function order(draws) {
  // One number holds what was drawn and then the place, in the 53 bits that a float has: no two
  // are equal, and a typed array sorts by number.
  const keys = Float64Array.from(draws, (drawn, place) => drawn * 2 ** 53 + place);
  return Int32Array.from(keys.sort(), (key) => key % 2 ** 29);
}
