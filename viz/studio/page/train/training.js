// @ts-check
// A training in the worker: the module, where it stands, and all that is known of how it went. It
// knows nothing of messages or of the page.

import { order } from "../../../page/order.js";
import { sizeOf } from "../../../page/tensors.js";

/** @typedef {import("../../../page/wasm.js").Module} Module */
/** @typedef {import("../../../page/tensors.js").Tensor} Tensor */
/** @typedef {import("./examples.js").Examples} Examples */
/** @typedef {import("./settings.js").Settings} Settings */

/**
 * How a set of examples is answered: of each the class it is taken for, how sure, and its loss.
 * confusion: how many of a class (row) are taken for a class (column).
 * @typedef {{
 *   right: number, count: number, loss: number, confusion: Uint32Array,
 *   predictions: Uint16Array, confidences: Float32Array, losses: Float32Array,
 * }} Score
 */

/** Where a training stands, and the states that it goes on from.
 * @typedef {{step: number, epoch: number, position: number, states: Map<string, Tensor>}} Place */

const FIGURES = ["loss", "right"]; // that the loop gives of each step
const BETA = 0.9; // of Adam: how much of its mean of gradients stays

export class Training {
  /** @param {Module} module @param {Examples} examples to learn from @param {Settings} settings
   * @param {Map<string, Tensor>} states to begin with @param {Float32Array} mean of the examples
   * @param {number} [step] that the states were saved at */
  constructor(module, examples, settings, states, mean, step = 0) {
    this.module = module;
    this.examples = examples;
    this.settings = settings;
    this.batch = settings.batch;
    const [most] = module.array("order", "loop").layout.shape;
    this.most = most; // steps of one call of the loop
    this.epoch = Math.floor(step / this.steps);
    this.position = step % this.steps; // steps of this epoch that are done
    this.ordered = -1; // the epoch whose order is drawn
    this.order = new Int32Array(0);
    this.images = new Uint8Array(most * this.batch * examples.size);
    this.labels = new Int32Array(most * this.batch);
    module.restore(states);
    if (module.states.some(({ layout }) => layout.name === "mean")) module.array("mean").write(mean);
    module.array("order", "loop").write(Int32Array.from({ length: most * this.batch }, (_, i) => i));
    this.set(settings);
  }

  /** Steps of an epoch. */
  get steps() {
    return Math.max(1, Math.floor(this.examples.count / this.batch));
  }

  /** Steps that are done. */
  get step() {
    return this.epoch * this.steps + this.position;
  }

  /** Floating-point operations of a step. */
  get flops() {
    return this.module.manifest.entries.loop.flops / this.most;
  }

  /** Go on by other numbers, from the next step on. @param {import("./settings.js").Live} numbers */
  set({ rate, momentum, decay }) {
    this.#write("optimizer.rate", rate);
    this.#write("optimizer.momentum", momentum);
    this.#write("optimizer.weight_decay", decay);
  }

  /** @param {string} name @param {number} value */
  #write(name, value) {
    const known = this.module.states.some(({ layout }) => layout.name === name);
    if (known) this.module.array(name).write([value]);
  }

  /** Learn from at most `most` batches, and not beyond the epoch, in slices of at most 30 ms. Gives
   * after each the losses of its steps, and how many of their examples were right.
   * @param {number} most @param {AbortSignal} [signal] */
  async *learn(most, signal) {
    const count = Math.min(most, this.most, this.steps - this.position);
    this.#draw();
    const first = this.position * this.batch;
    const rows = this.order.subarray(first, first + count * this.batch);
    this.examples.deal(rows, this.images, this.labels);
    this.module.array("images", "loop").write(this.images);
    this.module.array("labels", "loop").write(this.labels);
    let told = 0;
    for await (const done of this.module.loop("loop", 0, count, signal)) {
      const [losses, rights] = FIGURES.map((name) =>
        /** @type {Float32Array} */ (this.module.array(name, "loop").read()).slice(told, done)
      );
      this.position += done - told;
      told = done;
      yield { losses, rights };
    }
    this.#turn();
  }

  /** Learn from one batch by the entry that shows what it computes: `shown` reads it. */
  single() {
    this.#draw();
    const { module, batch, examples, position } = this;
    const images = this.images.subarray(0, batch * examples.size);
    const labels = this.labels.subarray(0, batch);
    examples.deal(this.order.subarray(position * batch, (position + 1) * batch), images, labels);
    module.array("images", "step").write(images);
    module.array("labels", "step").write(labels);
    module.run("step");
    this.position += 1;
    this.#turn();
  }

  /** Learn one step from one example alone, a whole batch of it, apart from the order of the others.
   * @param {Uint8Array} image @param {number} label */
  teach(image, label) {
    const { module, batch } = this;
    const images = new Uint8Array(batch * image.length);
    for (let i = 0; i < batch; i++) images.set(image, i * image.length);
    module.array("images", "step").write(images);
    module.array("labels", "step").write(new Int32Array(batch).fill(label));
    module.run("step");
  }

  /** What the last single step computed: what each layer gave, the gradient of what its weights gave
   * before the activation, and the loss. */
  shown() {
    const { results } = this.module.manifest.entries.step;
    const read = (/** @type {string} */ name) =>
      /** @type {Float32Array} */ (this.module.array(name, "step").read());
    const all = (/** @type {RegExp} */ names) => results.filter((name) => names.test(name)).map(read);
    const outputs = [...all(/^layer\.\d+$/), read("logits")];
    return { outputs, deltas: all(/^delta\.\d+$/), loss: read("loss") };
  }

  /** The gradients by the weights of each layer, of the batch that is learned from next. That is
   * learned then: go back, if it is not to be. The optimizer's mean of gradients, begun anew and
   * without decay, is the gradient, or so many times it. */
  gradients() {
    const isSgd = this.settings.optimizer === "sgd";
    const name = isSgd ? "optimizer.velocity" : "optimizer.first";
    for (const { layout } of this.module.states) {
      const zeros = () => new Float32Array(sizeOf(layout.shape));
      if (layout.name.startsWith(name)) this.module.array(layout.name).write(zeros());
    }
    this.#write("optimizer.momentum", 0);
    this.#write("optimizer.weight_decay", 0);
    this.single();
    return this.shown().deltas.map((_, layer) => {
      const mean = this.state(`${name}.${2 * layer}`);
      return isSgd ? mean : mean.map((each) => each / (1 - BETA));
    });
  }

  /** A state, by its name. @param {string} name */
  state(name) {
    return /** @type {Float32Array} */ (this.module.array(name).read());
  }

  /** At the end of an epoch the next one begins. */
  #turn() {
    if (this.position < this.steps) return;
    this.position = 0;
    this.epoch += 1;
  }

  /** The order of this epoch, which seed and epoch decide. */
  #draw() {
    if (this.ordered === this.epoch) return;
    const { module, examples: { count }, settings: { seed } } = this;
    module.array("epoch", "draws").write([BigInt(this.epoch)]);
    module.array("seed", "draws").write([BigInt(seed)]);
    module.run("draws");
    this.order = order(/** @type {Float32Array} */ (module.array("draws", "draws").read()).subarray(0, count));
    this.ordered = this.epoch;
  }

  /** How examples are answered now; a part at a time, so that others have their turn between. Null
   * where it does not go on. @param {Examples} examples @param {() => Promise<void>} turn
   * @param {() => boolean} goesOn @returns {Promise<Score | null>} */
  async score(examples, turn, goesOn) {
    const { module } = this;
    const [size] = module.array("labels", "score").layout.shape;
    const images = new Uint8Array(size * examples.size);
    const labels = new Int32Array(size);
    const { count } = examples;
    const classes = module.array("labels", "score").layout.below ?? 0;
    const score = {
      right: 0, count, loss: 0, confusion: new Uint32Array(classes ** 2),
      predictions: new Uint16Array(count),
      confidences: new Float32Array(count), losses: new Float32Array(count),
    };
    for (let first = 0; first < count; first += size) {
      const own = Math.min(size, count - first);
      examples.deal(Array.from({ length: own }, (_, i) => first + i), images, labels);
      module.array("images", "score").write(images);
      module.array("labels", "score").write(labels);
      module.run("score");
      const read = (/** @type {string} */ name) =>
        /** @type {Float32Array} */ (module.array(name, "score").read()).subarray(0, own);
      score.predictions.set(read("predictions"), first);
      score.confidences.set(read("confidences"), first);
      score.losses.set(read("losses"), first);
      await turn();
      if (!goesOn()) return null;
    }
    for (let i = 0; i < count; i++) {
      const [label, answer] = [examples.labels[i], score.predictions[i]];
      score.right += Number(answer === label);
      score.confusion[label * classes + answer] += 1;
      score.loss += score.losses[i] / count;
    }
    return score;
  }

  /** Where it stands. @returns {Place} */
  place() {
    const { step, epoch, position } = this;
    return { step, epoch, position, states: this.module.snapshot() };
  }

  /** Stand there again. @param {Place} place */
  goTo({ epoch, position, states }) {
    this.module.restore(states);
    Object.assign(this, { epoch, position });
  }
}
