// @ts-check
// Figures of many steps, as few points: where there are too many, two become one, their mean. A
// training of a million steps takes no more memory than one of a thousand.

const MOST = 2000; // points

export class History {
  constructor() {
    this.each = 1; // steps of a point
    /** @type {number[]} */ this.x = [];
    /** @type {number[]} */ this.y = [];
    this.sum = 0;
    this.count = 0; // steps in the sum
  }

  /** @param {number} step @param {number} value */
  add(step, value) {
    this.sum += value;
    this.count += 1;
    if (this.count < this.each) return;
    this.x.push(step);
    this.y.push(this.sum / this.count);
    this.sum = 0;
    this.count = 0;
    if (this.x.length >= MOST) this.#halve();
  }

  /** Forget what came after a step. @param {number} step */
  cut(step) {
    const kept = this.x.filter((x) => x <= step).length;
    this.x.length = kept;
    this.y.length = kept;
    this.sum = 0;
    this.count = 0;
  }

  #halve() {
    const pairs = Math.floor(this.x.length / 2);
    for (let i = 0; i < pairs; i++) {
      this.x[i] = this.x[2 * i + 1];
      this.y[i] = (this.y[2 * i] + this.y[2 * i + 1]) / 2;
    }
    this.x.length = pairs;
    this.y.length = pairs;
    this.each *= 2;
  }
}

const SHARE = 1 / 16; // of the values up to one: how many its mean is of

/** The same, each the mean of it and those before it, the more the later: a line through noise that
 * begins with the values themselves, is as wide everywhere on a logarithmic axis, and never changes
 * by what comes later. @param {ArrayLike<number>} values */
export function smoothed(values) {
  return Float64Array.from(values, (_, i) => {
    const count = 1 + Math.floor(i * SHARE);
    let sum = 0; // anew each time: a difference of sums loses all that is small beside a divergence
    for (let k = i - count + 1; k <= i; k++) sum += values[k];
    return sum / count;
  });
}
