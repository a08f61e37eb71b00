// @ts-check
// A training and its forks as the page knows them: which one is shown, the colour that each has for
// its life, and what an address has to say of where one stands.

import { liveAt, pastOf } from "./settings.js";

/** @typedef {import("./progress.js").Progress} Progress */
/** @typedef {import("./settings.js").Change} Change */
/** @typedef {import("./settings.js").Settings} Settings */

/**
 * A training, or a fork of one. of: the name of what it is a fork of. every: how many steps its
 * weights are kept apart. lessons: steps on an example that somebody drew, with which it begins.
 * @typedef {{
 *   number: number, name: string, of: string, colour: string, every: number, lessons: number,
 *   progress: Progress,
 * }} Branch
 */

/** A step that settings lead to again, and what else was set on the way to it; 0 where they do not.
 * @typedef {{step: number, past: string}} Known */

export const COLOURS = ["--accent", "--third", "--fourth", "--fifth", "--sixth", "--seventh"];
const NOTHING = { step: 0, past: "" };

export class Branches {
  /** @param {Progress} progress of the training that they all come from */
  constructor(progress) {
    /** @type {Branch[]} */ this.all = [];
    this.shown = this.#add(0, "", progress);
    /** @type {{branch: Branch, wasShown: boolean} | null} */
    this.dropped = null; // the last one that was, until another one is made
  }

  /** One more, in the first colour that no other has. @param {number} number @param {string} of
   * @param {Progress} progress */
  #add(number, of, progress) {
    const colour = COLOURS.find((each) => this.all.every((other) => other.colour !== each)) ?? COLOURS[0];
    const name = String.fromCharCode(65 + number % 26);
    const branch = { number, name, of, colour, every: 0, lessons: 0, progress };
    this.all.push(branch);
    return branch;
  }

  /** @param {number} number by which the worker calls it */
  named(number) {
    return this.all.find((branch) => branch.number === number);
  }

  /** What is known of the step that is shown. @returns {Known} */
  get known() {
    const { step, way } = this.shown.progress;
    return way && step ? { step, past: pastOf(way, step) } : NOTHING;
  }

  /** The one that has learned a step by these. @param {Settings} settings @param {Known} known */
  having(settings, { step, past }) {
    const { accuracy, loss } = settings; // where it stops does not matter
    return this.all.find(({ progress: { end, way, settings: own } }) =>
      way && step <= end && past === pastOf(way, step) &&
      JSON.stringify({ ...own, ...liveAt(way, step), accuracy, loss }) === JSON.stringify(settings));
  }

  /** A fork of one, from a step on. @param {number} number @param {Branch} parent
   * @param {Settings} settings @param {number} step
   * @param {Change[] | null} way what is set when; null where that does not lead to it */
  fork(number, parent, settings, step, way) {
    const progress = parent.progress.fork(settings, step);
    progress.way = parent.progress.way && way;
    this.dropped = null;
    return this.#add(number, parent.name, progress);
  }

  /** Forget one; the last one stays. @param {Branch} branch */
  drop(branch) {
    if (this.all.length < 2) return false;
    this.all = this.all.filter((each) => each !== branch);
    this.dropped = { branch, wasShown: branch === this.shown };
    return true;
  }

  /** Have the last one back that was dropped. */
  restore() {
    const { dropped } = this;
    if (dropped) this.all = [...this.all, dropped.branch].sort((a, b) => a.number - b.number);
    this.dropped = null;
    return dropped;
  }
}
