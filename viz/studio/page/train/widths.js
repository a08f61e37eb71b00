// @ts-check
// The hidden layers as a list of widths, each a field with a button that removes its layer, and a
// button that adds one. Several that are typed into one field, such as 128, 64, are as many layers.

import { byId, element, first } from "../../../page/dom.js";
import { DEFAULTS, MOST } from "./settings.js";

/** @typedef {import("./offered.js").Offer} Offer */
/** @typedef {import("./settings.js").Settings} Settings */

export class Widths {
  /** @param {Offer[] | null} offers what can be trained; null: anything
   * @param {(typed: string) => void} changed is told of what the buttons make of them */
  constructor(offers, changed) {
    this.known = offers && new Set(offers.map(keyOf));
    this.offered = [...new Set(offers?.flatMap(({ hidden }) => hidden))].sort((a, b) => a - b);
    this.list = byId("widths");
    this.more = byId("more", HTMLButtonElement);
    this.next = 0; // the width of a layer that is added
    /** @type {number[]} */ this.taken = []; // those that made sense last
    this.more.addEventListener("click", () => {
      const { length } = this.fields;
      if (length >= MOST.layers) return; // as it says
      changed([...this.#typed(), this.next].join());
      if (this.fields.length > length) go(this.fields[length]);
    });
    this.list.addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("button") : null;
      const at = this.#items().findIndex((item) => item === button?.parentElement);
      if (at < 0) return;
      changed(this.#typed().toSpliced(at, 1).join());
      this.#keepFocus();
    });
    this.list.addEventListener("change", () => setTimeout(() => this.#keepFocus())); // one may be empty
  }

  /** Where they are typed. */
  get fields() {
    return this.#items().map((item) => first(item, "input", HTMLInputElement));
  }

  /** Where something is typed that was not taken; else what else there is. */
  get field() {
    const { fields, taken } = this;
    return fields.find(({ value }, i) => value !== String(taken[i])) ?? fields[0] ?? this.more;
  }

  /** All of them, as they are typed. */
  get value() {
    return this.#typed().join();
  }

  #items() {
    return [...this.list.children];
  }

  #typed() {
    return this.fields.map(({ value }) => value);
  }

  /** Fields stay where they are, for the one that has the focus. @param {Settings} settings */
  write(settings) {
    const { hidden } = settings;
    this.taken = hidden;
    const { list, known, offered } = this;
    while (list.children.length > hidden.length) list.lastElementChild?.remove();
    while (list.children.length < hidden.length) list.append(made(list.children.length));
    const has = (/** @type {number[]} */ widths) => !known || known.has(keyOf({ ...settings, hidden: widths }));
    this.#items().forEach((item, i) => {
      first(item, "input", HTMLInputElement).value = String(hidden[i]);
      first(item, "button").setAttribute("aria-disabled", String(!has(hidden.toSpliced(i, 1))));
      const fit = offered.filter((width) => has(hidden.with(i, width)));
      first(item, "datalist").replaceChildren(...fit.map((width) => element("option", { value: width })));
    });
    const last = hidden.at(-1);
    const half = last === undefined ? DEFAULTS.hidden[0] : Math.max(1, Math.floor(last / 2));
    this.next = [half, ...offered.toReversed()].find((width) => has([...hidden, width])) ?? half;
    const isFull = hidden.length >= MOST.layers;
    this.more.title = isFull ? `${MOST.layers} are the most` : "";
    this.more.setAttribute("aria-disabled", String(isFull || !has([...hidden, this.next])));
  }

  /** The layer that had the focus may be gone. */
  #keepFocus() {
    if (document.activeElement === document.body) go(this.fields.at(-1) ?? this.more);
  }
}

/** @param {Offer} offer */
const keyOf = ({ hidden, activation, optimizer, batch, dropout }) =>
  JSON.stringify([hidden, activation, optimizer, batch, dropout]);

/** To a field, which may be typed over then, or a button. @param {HTMLElement} to */
function go(to) {
  to.focus();
  if (to instanceof HTMLInputElement) to.select();
}

/** @param {number} i */
function made(i) {
  const field = element("input", {
    name: "hidden", size: 4, inputmode: "numeric", autocomplete: "off", list: `widths-${i}`,
    "aria-label": `Width of hidden layer ${i + 1}`, title: "Its width; several, such as 128, 64, are as many layers",
  });
  const button = element("button", { type: "button", "aria-label": `Remove hidden layer ${i + 1}`, title: "Remove" }, "×");
  return element("li", {}, field, button, element("datalist", { id: `widths-${i}` }));
}
