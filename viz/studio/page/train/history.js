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

/** The same, each the mean of it and its neighbours: a line through noise.
 * @param {ArrayLike<number>} values @param {number} width on either side */
export function smoothed(values, width) {
  const sums = new Float64Array(values.length + 1);
  for (let i = 0; i < values.length; i++) sums[i + 1] = sums[i] + values[i];
  return Float64Array.from(values, (_, i) => {
    const first = Math.max(0, i - width);
    const end = Math.min(values.length, i + width + 1);
    return (sums[end] - sums[first]) / (end - first);
  });
}
