// @ts-check
// Numbers by chance for tests of what holds anywhere: the same ones every time.

/** From 0 to 1. @param {number} seed */
function* drawn(seed) {
  for (;;) {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    yield seed / 2 ** 31;
  }
}

const numbers = drawn(1);

/** @param {number} low @param {number} high */
export const between = (low, high) => low + Number(numbers.next().value) * (high - low);

/** A whole one; both ends are drawn. @param {number} low @param {number} high */
export const whole = (low, high) => Math.floor(between(low, high + 1));
