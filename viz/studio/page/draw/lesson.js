// @ts-check
// What a person teaches the network: one step on their drawing, as what they say that it is; how
// probable that was before and is after, and the way back.

import { byId, element, first, write } from "../../../page/dom.js";
import { percent } from "../../../page/ticks.js";
import { rightOf } from "./answer.js";

/** @typedef {import("../train/questions.js").Answered} Answered */
/** @typedef {import("../train/session.js").Session} Session */
/** @typedef {import("../train/training.js").Score} Score */

export class Teacher {
  /** @param {string[]} classes @param {Session} session @param {() => Uint8Array | null} example that
   * is taught @param {(label: number) => void} mean what a person says that it is */
  constructor(classes, session, example, mean) {
    this.classes = classes;
    this.session = session;
    this.form = byId("lesson", HTMLFormElement);
    this.chosen = first(this.form, "select", HTMLSelectElement);
    this.chosen.append(...classes.map((name, label) => element("option", { value: label }, name)));
    this.meant = -1; // until a person chooses it is what the network answers
    this.mean = mean;
    this.chosen.addEventListener("change", () => mean(Number(this.chosen.value)));
    /** @type {Answered | null} */ this.answer = null; // the last one
    /** @type {{label: number, branch: number, before: number, score: Score | null} | null} */ this.lesson = null;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const image = example();
      if (image && this.answer) this.#teach(image, this.answer);
    });
  }

  /** @param {Uint8Array} image @param {Answered} answer before */
  #teach(image, { probabilities }) {
    const label = Number(this.chosen.value);
    const before = probabilities[label];
    const { score } = this.session.progress;
    const branch = this.session.teach({ image, label });
    if (branch !== null) this.lesson = { label, branch, before, score };
    this.mean(label);
  }

  /** Forget the lessons. */
  takeBack() {
    this.session.unteach();
    if (this.lesson) this.mean(-1); // what it was taught as is no more what it should be
    this.lesson = null;
    first(this.form, "button").focus(); // the one that was pressed goes
    write(byId("taught"), "It is as it was before.");
  }

  /** Another drawing: nothing was taught of that. */
  clear() {
    this.lesson = null;
    write(byId("taught"), "");
  }

  /** @param {number} label that a person chose, or -1 */
  show(label) {
    this.meant = label;
    if (label >= 0) this.chosen.value = String(label);
  }

  /** @param {Answered | null} answer null: there is nothing to teach */
  hear(answer) {
    this.answer = answer;
    first(this.form, "button").setAttribute("aria-disabled", String(!answer));
    const { branch } = this.session;
    first(this.form, "[data-draw=unteach]").hidden = !branch.lessons;
    const { lesson } = this;
    if (answer && this.meant < 0 && document.activeElement !== this.chosen) {
      this.chosen.value = String(answer.probabilities.indexOf(Math.max(...answer.probabilities)));
    }
    const { from, score } = branch.progress; // the score comes a moment after the lesson
    if (!answer || !score || answer.branch !== lesson?.branch || answer.step !== from) return;
    const { rate } = this.session.settings;
    const now = percent(answer.probabilities[lesson.label]);
    const cost = lesson.score ? `right for ${rightOf(lesson.score)} of the test set before, for ` : "right for ";
    write(byId("taught"), `${this.classes[lesson.label]}: ${percent(lesson.before)} before, ${now} after ` +
      `${branch.lessons > 1 ? "one more step" : "one step"} at rate ${rate}; ${cost}${rightOf(score)} after. ` +
      `In Train it is fork ${branch.name}.`);
  }
}
