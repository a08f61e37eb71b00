// @ts-check
// All that is known of how a training went: figures by step, how the test set is answered, speed.

import { History } from "./history.js";

/** @typedef {import("./training.js").Score} Score */
/** @typedef {import("./worker.js").Said} Said */

export const GOALS = [0.97, 0.98]; // accuracies whose times are told
const SPAN = 0.5; // seconds that a speed is the mean of

export class Progress {
  /** @param {number} batch */
  constructor(batch) {
    this.batch = batch;
    this.isReady = false; // to learn
    this.losses = new History();
    this.rights = new History(); // in %, of the batches that are learned from
    /** @type {{x: number[], loss: number[], right: number[]}} */
    this.tests = { x: [], loss: [], right: [] };
    /** @type {Map<number, number>} */ this.reached = new Map(); // seconds by goal
    /** @type {Score | null} */ this.score = null;
    this.step = 0;
    this.seconds = 0; // of learning
    this.speed = 0; // images a second
    this.stepsOfEpoch = 1;
    this.flops = 0; // of a step
    this.parameters = 0;
  }

  /** @param {Extract<Said, {kind: "ready"}>} said */
  ready({ steps, flops, parameters }) {
    this.isReady = true;
    this.stepsOfEpoch = steps;
    this.flops = flops;
    this.parameters = parameters;
  }

  /** @param {Extract<Said, {kind: "steps"}>} said */
  steps({ step, losses, rights, seconds }) {
    this.seconds += seconds;
    this.step = step;
    losses.forEach((loss, i) => {
      const at = step - losses.length + i + 1;
      this.losses.add(at, loss);
      this.rights.add(at, (100 * rights[i]) / this.batch);
    });
    const speed = (losses.length * this.batch) / seconds;
    const share = this.speed ? Math.min(1, seconds / SPAN) : 1;
    this.speed += share * (speed - this.speed);
  }

  /** Of the test set. @param {number} step @param {Score} score */
  tested(step, score) {
    const accuracy = score.right / score.count;
    this.score = score;
    if (this.tests.x.at(-1) !== step) {
      this.tests.x.push(step);
      this.tests.loss.push(score.loss);
      this.tests.right.push(100 * accuracy);
    }
    for (const goal of GOALS) {
      if (accuracy >= goal && !this.reached.has(goal)) this.reached.set(goal, this.seconds);
    }
  }
}
