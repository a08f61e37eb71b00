// @ts-check
// The numbers that `numpy.random.default_rng(seed)` draws, to the bit: PCG64, begun by a SeedSequence
// of the seed, and of its numbers the uniform and the standard normal ones. A page draws the weights
// with which Python begins, and needs no server for them.
//
// https://www.pcg-random.org (XSL RR 128/64); Marsaglia and Tsang, The Ziggurat Method, 2000.

const LIMBS = 8; // of 16 bits, the lowest first, in which a state of 128 bits lies:
// then a sum of their products is a whole number that a float has.
const MULTIPLIER = [0xf645, 0x9fcc, 0xdf64, 0x4385, 0x5da4, 0x1fc6, 0xed05, 0x2360];

// Of the ziggurat: strips of the same area below the density of a normal, the last one with the tail.
const STRIPS = 256;
const TAIL = 3.6541528853610088; // where that begins
const AREA = 0.004928673233974652;
const MANTISSA = 2 ** 52;

/** The right edge of each strip, and the density there; the first is as wide as if it had no tail. */
function strips() {
  const edges = new Float64Array(STRIPS);
  const heights = new Float64Array(STRIPS);
  let edge = TAIL;
  let height = Math.exp(-0.5 * edge * edge);
  edges[0] = AREA / height;
  heights[0] = 1;
  for (let i = STRIPS - 1; i > 0; i--) {
    [edges[i], heights[i]] = [edge, height];
    edge = Math.sqrt(-2 * Math.log(AREA / edge + height));
    height = Math.exp(-0.5 * edge * edge);
    // There the table of NumPy, which another `exp` made, has the next float: all that follow differ.
    if (i === 39) height += 2 ** -53;
  }
  return { edges, heights };
}

const { edges, heights } = strips();
const widths = edges.map((edge) => edge / MANTISSA);
/** What is drawn below that lies under the density, at any height in the strip. */
const inside = edges.map((edge, i) => Math.trunc((under(i) / edge) * MANTISSA));

/** How far a strip lies wholly under the density. @param {number} i */
function under(i) {
  if (i === 0) return TAIL;
  return i === 1 ? 0 : edges[i - 1];
}

/** The eight words of 32 bits that a SeedSequence makes of a seed. @param {number} seed */
function spread(seed) {
  let factor = 0x43b0d7e5;
  const hashed = (/** @type {number} */ word) => {
    const mixed = word ^ factor;
    factor = Math.imul(factor, 0x931e8875);
    return folded(Math.imul(mixed, factor));
  };
  const pool = [seed, 0, 0, 0].map(hashed);
  pool.forEach((_, from) =>
    pool.forEach((word, to) => {
      if (from === to) return;
      pool[to] = folded(Math.imul(0xca01f9dd, word) - Math.imul(0x4973f715, hashed(pool[from])));
    })
  );
  factor = 0x8b51f9dd;
  return Array.from({ length: 8 }, (_, i) => {
    const mixed = pool[i % 4] ^ factor;
    factor = Math.imul(factor, 0x58f38ded);
    return folded(Math.imul(mixed, factor)) >>> 0;
  });
}

/** @param {number} word */
const folded = (word) => word ^ (word >>> 16);

export class Random {
  /** @param {number} seed a whole number below 2 ** 32 */
  constructor(seed) {
    this.state = new Float64Array(LIMBS);
    this.step = new Float64Array(LIMBS);
    this.high = 0; // of the 64 bits that were drawn last
    this.low = 0;
    const words = spread(seed);
    const limbs = (/** @type {number[]} */ of) => of.flatMap((word) => [word & 0xffff, word >>> 16]);
    const start = limbs([words[2], words[3], words[0], words[1]]);
    const odd = limbs([words[6], words[7], words[4], words[5]]);
    odd.forEach((limb, i) => this.step[i] = (limb << 1) & 0xffff | (i ? odd[i - 1] >>> 15 : 1));
    // As PCG begins: from zero a step, then the start is added, and another step.
    this.#advance();
    start.forEach((limb, i) => this.state[i] += limb); // the carries go with the next step
    this.#advance();
  }

  /** The state times the multiplier, and the step added. */
  #advance() {
    const { state, step } = this;
    for (let i = LIMBS - 1; i >= 0; i--) {
      let sum = step[i];
      for (let k = 0; k <= i; k++) sum += state[k] * MULTIPLIER[i - k];
      state[i] = sum;
    }
    let carry = 0;
    for (let i = 0; i < LIMBS; i++) {
      const sum = state[i] + carry;
      carry = Math.floor(sum / 0x10000);
      state[i] = sum - carry * 0x10000;
    }
  }

  /** Draw 64 bits, into `high` and `low`. */
  #next() {
    this.#advance();
    const { state } = this;
    const word = (/** @type {number} */ i) => state[2 * i] | (state[2 * i + 1] << 16);
    const [high, low] = [word(1) ^ word(3), word(0) ^ word(2)];
    const turn = state[7] >>> 10;
    const by = turn & 31;
    const [upper, lower] = turn & 32 ? [low, high] : [high, low];
    this.high = by ? (upper >>> by) | (lower << (32 - by)) : upper;
    this.low = by ? (lower >>> by) | (upper << (32 - by)) : lower;
    this.high >>>= 0;
    this.low >>>= 0;
  }

  /** `Generator.random`: from 0 up to, and without, 1. */
  random() {
    this.#next();
    return (this.high * 2 ** 21 + (this.low >>> 11)) / 2 ** 53;
  }

  /** `Generator.uniform`. @param {number} low @param {number} high */
  uniform(low, high) {
    return low + (high - low) * this.random();
  }

  /** `Generator.standard_normal`. */
  normal() {
    for (;;) {
      this.#next();
      const { high, low } = this;
      const strip = low & 0xff;
      const drawn = ((high & 0x1fffffff) * 2 ** 23) + (low >>> 9); // 52 bits
      const size = drawn * widths[strip];
      const x = low & 0x100 ? -size : size;
      if (drawn < inside[strip]) return x;
      if (strip === 0) return this.#tail(drawn);
      const below = (heights[strip - 1] - heights[strip]) * this.random() + heights[strip];
      if (below < Math.exp(-0.5 * x * x)) return x;
    }
  }

  /** A normal number beyond where the tail begins. @param {number} drawn 52 bits, of which one is the sign */
  #tail(drawn) {
    for (;;) {
      const x = -Math.log1p(-this.random()) * (1 / TAIL);
      const y = -Math.log1p(-this.random());
      if (2 * y > x * x) return Math.floor(drawn / 0x100) & 1 ? -(TAIL + x) : TAIL + x;
    }
  }
}
