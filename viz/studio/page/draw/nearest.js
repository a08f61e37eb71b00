// @ts-check
// The examples that are most like an image, in the worker that has them all: by the sum of squared
// differences of their entries, a part of them at a time.

/** @typedef {import("../train/examples.js").Examples} Examples */
/** @typedef {{index: number, label: number, square: number, image: Uint8Array}} Near */

const PART = 64; // entries after which it is looked whether an example is too far already
const AT_ONCE = 256; // examples between two looks at the clock

export class Nearest {
  /** @param {Examples} examples @param {Uint8Array} image @param {number} count of those wanted */
  constructor(examples, image, count) {
    this.examples = examples;
    this.image = image;
    this.count = count;
    this.next = 0;
    /** @type {{index: number, square: number}[]} */ this.found = []; // the nearest first
  }

  /** Look at more of them, for so many milliseconds; whether all were looked at. @param {number} most */
  look(most) {
    const end = performance.now() + most;
    const { count } = this.examples;
    while (this.next < count && performance.now() < end) {
      for (const until = Math.min(count, this.next + AT_ONCE); this.next < until; this.next++) this.#take(this.next);
    }
    return this.next === count;
  }

  /** @param {number} index */
  #take(index) {
    const { examples: { images, size }, image, found, count } = this;
    const most = found.length < count ? Infinity : found[count - 1].square;
    let square = 0;
    for (let i = 0, at = index * size; i < size && square < most;) {
      for (const until = Math.min(size, i + PART); i < until; i++, at++) {
        const apart = images[at] - image[i];
        square += apart * apart;
      }
    }
    if (square >= most) return;
    const place = found.findIndex((each) => each.square > square);
    found.splice(place < 0 ? found.length : place, 0, { index, square });
    if (found.length > count) found.pop();
  }

  /** Those that are nearest. @returns {Near[]} */
  get nearest() {
    const { examples } = this;
    return this.found.map((each) => ({
      ...each, label: examples.labels[each.index], image: examples.image(each.index).slice(),
    }));
  }
}
