// @ts-check
// Which of the examples that it learns from push the answer to an image most, in the worker: a step of
// plain gradient descent on one of them, in the last layer alone, moves the logit of a class of the image
// by the rate times (y - p)(h · h' + 1). y: 1 where the example is of the class; p: how probable it is
// taken for it; h, h': what the last layer is given for the example and for the image. (Pruthi et al.,
// Estimating Training Data Influence by Tracing Gradient Descent, 2020.)

import { passOf } from "../train/inspect.js";

/** @typedef {import("../../../page/wasm.js").Module} Module */
/** @typedef {import("../train/examples.js").Examples} Examples */
/** @typedef {{index: number, label: number, push: number, image: Uint8Array}} Push */

const MOST = 4; // examples on either side

export class Pushes {
  /** @param {Module} module @param {Examples} examples @param {Uint8Array} image
   * @param {number} label the class @param {number} scale */
  constructor(module, examples, image, label, scale) {
    this.module = module;
    this.examples = examples;
    this.label = label;
    this.scale = scale;
    this.given = this.#pass(image).given;
    this.count = 0; // examples that were looked at
    /** @type {{index: number, push: number}[]} */ this.found = []; // the greatest first
  }

  /** What the last layer is given for an image, and how probable the class is. @param {Uint8Array} image */
  #pass(image) {
    const { outputs, probabilities } = passOf(this.module, image, null, false);
    const given = outputs.at(-2) ?? Float32Array.from(image, (each) => each / this.scale);
    return { given, share: probabilities[this.label] };
  }

  /** How much an example pushes. @param {number} index */
  pushOf(index) {
    const { given, share } = this.#pass(this.examples.image(index));
    let product = 1; // of the bias
    for (let i = 0; i < given.length; i++) product += given[i] * this.given[i];
    return (Number(this.examples.labels[index] === this.label) - share) * product;
  }

  /** Look at more of them, for so many milliseconds; whether all were looked at. @param {number} most */
  look(most) {
    const end = performance.now() + most;
    for (; this.count < this.examples.count && performance.now() < end; this.count++) {
      const push = this.pushOf(this.count);
      const place = this.found.findIndex((each) => each.push < push);
      this.found.splice(place < 0 ? this.found.length : place, 0, { index: this.count, push });
      if (this.found.length > 2 * MOST) this.found.splice(MOST, 1);
    }
    return this.count === this.examples.count;
  }

  /** Those that push most, for the class and then against it. @returns {Push[]} */
  get strongest() {
    const { examples } = this;
    return this.found.map((each) => ({
      ...each, label: examples.labels[each.index], image: examples.image(each.index).slice(),
    }));
  }
}
