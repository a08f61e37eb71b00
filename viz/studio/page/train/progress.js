// @ts-check
// All that is known of how a training went: figures by step, how the test set is answered, speed.

import { History } from "./history.js";

/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {import("./training.js").Score} Score */
/** @typedef {import("./orders.js").Said} Said */

export const GOALS = [0.97, 0.98]; // accuracies whose times are told
const SPAN = 0.5; // seconds that a speed is the mean of

export class Progress {
  /** @param {Settings} settings @param {Extract<Said, {kind: "ready"}> | null} ready
   * @param {number} from the step where it begins */
  constructor(settings, ready, from = ready?.step ?? 0) {
    this.settings = settings;
    this.ready = ready;
    this.from = from;
    this.end = from; // the last step that was learned,
    this.step = from; // and the one that is shown
    /** What was set when; null where settings alone do not lead to it.
     * @type {import("./settings.js").Change[] | null} */
    this.way = ready?.way ?? null;
    this.isReady = ready !== null; // to learn
    this.stepsOfEpoch = ready?.steps ?? 1;
    this.flops = ready?.flops ?? 0; // of a step
    this.parameters = ready?.parameters ?? 0;
    this.losses = new History();
    this.rights = new History(); // in %, of the batches that are learned from
    /** @type {{x: number[], loss: number[], right: number[]}} */
    this.tests = { x: [], loss: [], right: [] };
    /** @type {Map<number, number>} */ this.reached = new Map(); // seconds by goal
    /** @type {Score | null} */ this.score = null;
    this.seconds = 0; // of learning
    this.speed = 0; // images a second
  }

  /** @param {Extract<Said, {kind: "steps"}>} said */
  steps({ step, losses, rights, seconds }) {
    const { batch } = this.settings;
    this.step = step;
    if (step > this.end) this.seconds += seconds; // else it was learned before
    losses.forEach((loss, i) => {
      const at = step - losses.length + i + 1;
      if (at <= this.end) return;
      this.losses.add(at, loss);
      this.rights.add(at, (100 * rights[i]) / batch);
    });
    this.end = Math.max(this.end, step);
    const speed = (losses.length * batch) / seconds;
    const share = this.speed ? Math.min(1, seconds / SPAN) : 1;
    this.speed += share * (speed - this.speed);
  }

  /** Of the test set. @param {number} step @param {Score} score */
  tested(step, score) {
    const accuracy = score.right / score.count;
    this.score = score;
    if (step > (this.tests.x.at(-1) ?? -1)) {
      this.tests.x.push(step);
      this.tests.loss.push(score.loss);
      this.tests.right.push(100 * accuracy);
    }
    for (const goal of GOALS) {
      if (accuracy >= goal && this.seconds && !this.reached.has(goal)) this.reached.set(goal, this.seconds);
    }
  }

  /** What came after a step was undone. @param {number} step */
  back(step) {
    const { tests } = this;
    this.step = step;
    this.end = step;
    this.losses.cut(step);
    this.rights.cut(step);
    const kept = tests.x.filter((x) => x <= step).length;
    for (const figures of Object.values(tests)) figures.length = kept;
  }

  /** Of a fork, which begins at a step. @param {Settings} settings @param {number} from */
  fork(settings, from) {
    const made = new Progress(settings, this.ready, from);
    made.score = this.score;
    made.seconds = this.end ? (this.seconds * from) / this.end : 0;
    const { x, right } = this.tests;
    for (const [goal, at] of this.reached) {
      if (x.some((step, i) => step <= from && right[i] >= 100 * goal)) made.reached.set(goal, at);
    }
    return made;
  }
}
