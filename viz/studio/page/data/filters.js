// @ts-check
// The form above the canvas: which examples are shown, in which order, and an index that leads to one.

import { byId, element, first } from "../../../page/dom.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../state.js").State} State */
/** @typedef {import("./order.js").Known} Known */

/** What filters let through, in words. @param {Pick<State, "split" | "label" | "answer" | "wrong">} filters
 * @param {string[]} classes */
export function namesOf({ split, label, answer, wrong }, classes) {
  const [ofClass, taken] = [label < 0 ? "" : `class ${classes[label]}`, answer < 0 ? "" : `taken for ${classes[answer]}`];
  return [split, ofClass, taken, wrong && "wrong ones"].filter(Boolean).join(", ");
}

export class Filters {
  /** @param {Dataset} dataset @param {Known} known @param {(change: Partial<State>) => void} change
   * @param {(digit: number) => void} find an example */
  constructor(dataset, known, change, find) {
    this.dataset = dataset;
    this.known = known;
    this.change = change;
    this.find = find;
    this.split = ""; // that is shown
    this.found = -1; // the example that was asked for by its index
    this.#fill();
    this.#listen();
  }

  #fill() {
    const { splits, classes } = this.dataset;
    const split = this.#field("split", HTMLSelectElement);
    for (const name of Object.keys(splits)) split.append(element("option", { value: name }, name));
    for (const name of ["label", "answer"]) {
      const options = classes.map((each, i) => element("option", { value: i }, each));
      this.#field(name, HTMLSelectElement).append(...options);
    }
  }

  #listen() {
    const form = byId("filters", HTMLFormElement);
    const index = this.#field("index", HTMLInputElement);
    index.addEventListener("input", () => index.setCustomValidity(""));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#jump(index); // the same one again, which is no change
    });
    form.addEventListener("change", ({ target }) => {
      if (target === index) this.#jump(index);
      else this.#filter();
    });
  }

  #filter() {
    const split = this.#field("split", HTMLSelectElement).value;
    const classOf = (/** @type {string} */ name) => {
      const { value } = this.#field(name, HTMLSelectElement);
      return value === "" ? -1 : Number(value);
    };
    const sort = /** @type {import("../state.js").Sort} */ (this.#field("sort", HTMLSelectElement).value);
    const wrong = Number(this.#field("wrong", HTMLInputElement).checked);
    this.change({ split, label: classOf("label"), answer: classOf("answer"), wrong, sort });
  }

  /** Find the example whose place in the set, or in all of them, was typed.
   * @param {HTMLInputElement} field */
  #jump(field) {
    const { known: { splits, labels }, split } = this;
    const { first: start, count } = splits.get(split) ?? { first: 0, count: labels.length };
    const of = split || `all: ${[...splits.keys()].join(", then ")}`;
    const typed = field.value.trim();
    const index = /^\d+$/.test(typed) ? Number(typed) : NaN;
    const wrong = typed !== "" && !(index < count);
    field.setCustomValidity(wrong ? `a number from 0 to ${count - 1} of ${of}` : "");
    if (wrong) field.reportValidity();
    if (wrong || typed === "") return;
    this.found = -1;
    this.find(start + index);
    this.found = start + index;
  }

  /** @template {HTMLElement} Kind @param {string} name @param {{new (): Kind}} kind */
  #field(name, kind) {
    return first(byId("filters"), `[name="${name}"]`, kind);
  }

  /** Another one is chosen now: the index is none of it. */
  #forget() {
    this.found = -1;
    this.#field("index", HTMLInputElement).value = "";
  }

  /** @param {State} state */
  show({ split, label, answer, wrong, sort, digit }) {
    this.split = split;
    if (this.found >= 0 && digit !== this.found) this.#forget();
    const texts = { split, sort, label: label < 0 ? "" : label, answer: answer < 0 ? "" : answer };
    for (const [name, text] of Object.entries(texts)) this.#field(name, HTMLSelectElement).value = String(text);
    this.#field("wrong", HTMLInputElement).checked = Boolean(wrong);
  }
}
