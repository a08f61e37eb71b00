// @ts-check
// The example in hand, which a person chose in Data, else one that is not learned from: what the network as it stands answers for it.

import { byId, element, first, write } from "../../../page/dom.js";
import { percent } from "../../../page/ticks.js";
import { paint } from "../data/paint.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("./asked.js").Answer} Answer */
/** @typedef {{split: string, index: number}} Place */

const MOST = 12; // classes that there is room for: those that it is most likely taken for

export class Hand {
  /** @param {Dataset} dataset */
  constructor(dataset) {
    this.dataset = dataset;
    /** @type {Place | null} */ this.place = null; // of what is painted,
    /** @type {Uint8Array} */ this.image = new Uint8Array(); // and its entries
    this.#showOdds(dataset.classes.slice(0, MOST).map((_, of) => ({ share: 0, of })), -1);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#paint());
  }

  /** Nothing is known of it yet. */
  hide() {
    byId("hand").classList.add("unknown"); // it keeps its place
  }

  /** @param {Place} place of the example @param {Answer} answer */
  show(place, { label: known, image, probabilities }) {
    byId("hand").classList.remove("unknown");
    const { classes } = this.dataset;
    const label = Number(known); // of a set: each has one
    const all = [...probabilities].map((share, of) => ({ share, of }));
    const ordered = all.toSorted((one, other) => other.share - one.share);
    const [{ of: taken, share }] = ordered;
    const verdict = taken === label ? "which is right" : `but it is ${classes[label]}`;
    const name = `${place.split} ${place.index.toLocaleString("en")}`;
    write(byId("answer"), `${name} is taken for ${classes[taken]} (${percent(share)}), ${verdict}.`);
    byId("in-hand", HTMLImageElement).alt = `${classes[label]}, ${name}`;
    if (place !== this.place) {
      [this.place, this.image] = [place, image];
      this.#paint();
    }
    this.#showOdds(classes.length > MOST ? ordered.slice(0, MOST) : all, label);
  }

  /** @param {{share: number, of: number}[]} odds @param {number} label */
  #showOdds(odds, label) {
    const list = byId("odds");
    while (list.children.length < odds.length) {
      list.append(element("li", {}, element("span", { class: "bar" }), element("b"), element("span")));
    }
    odds.forEach(({ share, of }, i) => {
      const row = list.children[i];
      row.classList.toggle("own", of === label);
      first(row, ".bar").style.setProperty("--share", String(share));
      write(first(row, "b"), this.dataset.classes[of]);
      write(first(row, "span:last-child"), percent(share));
    });
  }

  #paint() {
    const { shape, scale } = this.dataset;
    if (this.place) paint(byId("in-hand", HTMLImageElement), this.image, shape, scale);
  }
}
