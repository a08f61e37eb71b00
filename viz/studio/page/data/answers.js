// @ts-check
// What the network answers for the examples, and what that waits for: the view of them shows it, and
// may be opened later.

import { NOBODY } from "./order.js";

/** @typedef {import("../state.js").State} State */
/** @typedef {import("../train/session.js").Session} Session */
/** @typedef {import("./order.js").Known} Known */

export class Answers {
  /** @param {Known} known that this adds to @param {number} classes */
  constructor(known, classes) {
    this.known = known;
    this.classes = classes;
    this.times = 0; // how often they were told
    /** @type {Map<string, Uint32Array>} */ this.confusions = new Map(); // of each set that was answered
    this.changed = () => {}; // tells who shows them,
    this.heard = () => {}; // and that the training goes on
  }

  /** Take how the network answers a set. @param {string} split
   * @param {import("../train/training.js").Score} score */
  answered(split, { predictions, confidences, losses, confusion }) {
    const { first = 0 } = this.known.splits.get(split) ?? {};
    this.known.predictions.set(predictions, first);
    this.known.confidences.set(confidences, first);
    this.known.losses.set(losses, first);
    this.confusions.set(split, confusion);
    this.times += 1;
    this.changed();
  }

  /** The network learns anew: what it answered holds no longer. */
  forget() {
    this.known.predictions.fill(NOBODY);
    this.confusions.clear();
    this.times += 1;
    this.changed();
  }

  /** The sets of those that a state shows whose answers are not here. @param {Pick<State, "split">} state */
  lacking({ split }) {
    const names = split ? [split] : [...this.known.splits.keys()];
    return names.filter((name) => !this.confusions.has(name));
  }

  /** How many a state shows of the sets that are answered, whatever is known of their classes by now.
   * @param {Pick<State, "split" | "label" | "answer" | "wrong">} state */
  count({ split, label, answer, wrong }) {
    let sum = 0;
    for (const [name, confusion] of this.confusions) {
      confusion.forEach((count, cell) => {
        const [own, taken] = [Math.floor(cell / this.classes), cell % this.classes];
        const isShown = (!split || name === split) && (label < 0 || own === label) &&
          (answer < 0 || taken === answer) && !(wrong && own === taken);
        if (isShown) sum += count;
      });
    }
    return sum;
  }
}

/** What the answers to some sets wait for, in words; "" where they are here, or nothing leads to them.
 * @param {Session | null} session @param {string[]} lacking */
export function awaited(session, lacking) {
  if (!session) return lacking.length ? "A network is made ..." : "";
  const { steps, wanted, isReady, isRunning, progress: { step } } = session;
  if (isOnItsWay(session)) {
    const at = isReady ? `, and is at ${step.toLocaleString("en")}` : "";
    return `A network learns up to step ${steps.toLocaleString("en")}${at}: what it answers then comes by itself.`;
  }
  if (!lacking.length) return "";
  if (isRunning && isAskedLater(session, lacking)) return `A network learns: of ${lacking} it is asked when it pauses.`;
  if (isReady || wanted) return "A network learns: what it answers comes by itself.";
  return "";
}

/** Whether it learns up to a step that was asked for. @param {Session | null} session */
export const isOnItsWay = (session) =>
  session !== null && session.steps !== Infinity && (session.wanted || session.isRunning);

/** Whether all that the answers wait for is that it pauses: while it learns it is asked of the test set
 * alone. @param {Session | null} session @param {string[]} lacking */
export const isAskedLater = (session, lacking) =>
  session !== null && session.isRunning && session.steps === Infinity && lacking.length > 0 && !lacking.includes("test");
