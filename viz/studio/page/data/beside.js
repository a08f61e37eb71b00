// @ts-check
// What stands beside the canvas: the chosen example, with what is known of it, and the classes.

import { byId, element, first, write } from "../../../page/dom.js";
import { written } from "../../../page/ticks.js";
import { again, untilDone } from "../again.js";
import { sampleOf } from "../api.js";
import { placeOf } from "../state.js";
import { namesOf } from "./filters.js";
import { NOBODY } from "./order.js";
import { paint } from "./paint.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../state.js").State} State */
/** @typedef {import("./order.js").Known} Known */

export class Beside {
  /** @param {Dataset} dataset @param {Known} known @param {(label: number) => void} choose a class
   * @param {import("../app.js").Complain} complain */
  constructor(dataset, known, choose, complain) {
    this.dataset = dataset;
    this.known = known;
    this.choose = choose;
    this.complain = complain;
    this.facts = ""; // as they are told
    this.pictured = -1; // the example whose picture is wanted
    /** @type {(() => void) | null} */ this.paintPicture = null;
    /** @type {(() => void)[]} */ this.paintMeans = [];
  }

  /** The names of an example: its set, its place there, and its class where that is known.
   * @param {number} digit */
  about(digit) {
    const { known, dataset } = this;
    const label = dataset.classes[known.labels[digit]] ?? null; // none before it is here
    return { ...placeOf(digit, dataset), label };
  }

  /** Show the chosen example. @param {State} state @param {string} unanswered why there is no answer, where
   * there is none */
  show({ digit, split: shown }, unanswered) {
    byId("chosen").classList.toggle("none", digit < 0);
    byId("unchosen").hidden = digit >= 0;
    if (digit < 0) return;
    const { label, split, index } = this.about(digit);
    const facts = this.#factsOf(digit, shown === "");
    if (String(facts) !== this.facts) {
      this.facts = String(facts);
      byId("facts").replaceChildren(
        ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
      );
    }
    const isAnswered = this.known.predictions[digit] !== NOBODY;
    write(byId("unanswered"), isAnswered ? "" : unanswered);
    const picture = byId("picture", HTMLImageElement);
    picture.alt = `${label ?? "an example"}, ${split} ${index}`;
    if (this.pictured === digit) return;
    this.pictured = digit;
    picture.classList.add("old"); // it is of another one, until this one's is here
    this.#fetchPicture(picture, digit, split, index);
  }

  /** @param {number} digit @param {boolean} ofAll whether all sets are shown @returns {[string, string][]} */
  #factsOf(digit, ofAll) {
    const { label, split, index } = this.about(digit);
    const { predictions, confidences, losses } = this.known;
    /** @type {[string, string][]} */
    const rows = [["class", label ?? "…"], ["set", split], ["index", String(index)]];
    if (ofAll) rows.push(["in all", String(digit)]); // as it is asked for then
    if (predictions[digit] === NOBODY) return rows;
    const answer = this.dataset.classes[predictions[digit]];
    const share = `${written(100 * confidences[digit])}\u00a0%`; // a line never begins with its %
    return [...rows, ["answer", `${answer}, ${share}`], ["loss", written(losses[digit])]];
  }

  /** @param {HTMLImageElement} picture @param {number} digit @param {string} split
   * @param {number} index */
  async #fetchPicture(picture, digit, split, index) {
    const { shape, scale } = this.dataset;
    const isWanted = () => this.pictured === digit;
    const entries = await untilDone(
      async () => isWanted() ? await sampleOf(this.dataset, split, index) : [],
      (problem) => isWanted() && this.complain(problem, again),
    );
    if (!isWanted()) return;
    this.paintPicture = () => paint(picture, entries, shape, scale);
    this.paintPicture();
    picture.classList.remove("old");
  }

  /** @param {Float32Array[]} means of the examples of each class */
  showClasses(means) {
    const { classes, thumbnail, scale } = this.dataset;
    this.paintMeans = [];
    const rows = means.map((entries, label) => {
      const mean = element("img", { alt: "" });
      this.paintMeans.push(() => paint(mean, entries, thumbnail.shape, scale));
      return element("li", {}, this.#classButton(label, classes[label], mean));
    });
    byId("classes").replaceChildren(...rows);
    this.paintMeans.forEach((repaint) => repaint()); // now that they have the page's colours
  }

  /** @param {number} label @param {string} name @param {HTMLImageElement} mean */
  #classButton(label, name, mean) {
    const button = element(
      "button",
      { type: "button", title: `Show ${name} alone, or all again`, "data-class": label },
      mean,
      element("span", { class: "name" }, name),
      element("span", { class: "count" }),
      element("span", { class: "bar" }),
    );
    button.addEventListener("click", () => this.choose(label));
    return button;
  }

  /** Show how many of each class there are among those that the other filters let through.
   * @param {State} state @param {number[]} counts */
  count({ split, label, answer, wrong }, counts) {
    const others = { split: split || "all sets", label: -1, answer, wrong };
    write(byId("counted"), `of ${namesOf(others, this.dataset.classes)}`);
    const most = Math.max(1, ...counts);
    [...byId("classes").querySelectorAll("button")].forEach((button, i) => {
      button.setAttribute("aria-pressed", String(i === label));
      write(first(button, ".count"), counts[i].toLocaleString("en"));
      first(button, ".bar").style.inlineSize = `${(100 * counts[i]) / most}%`;
    });
  }

  /** The page has other colours now. */
  repaint() {
    this.paintPicture?.();
    this.paintMeans.forEach((repaint) => repaint());
  }
}
