// @ts-check
// What is searched for a drawing: the examples that are most like it, of those that the network learns
// from, at the end of every stroke; and, where a person wants it, the smallest change of the drawing
// that it takes for something else.

import { byId, element, first, write } from "../../../page/dom.js";
import { written } from "../../../page/ticks.js";
import { paint } from "../data/paint.js";
import { percent } from "./answer.js";
import { showGreys, showSigned } from "./colours.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../train/session.js").Found} Found */
/** @typedef {import("../train/session.js").Session} Session */

export class Searches {
  /** @param {Dataset} dataset @param {Session} session @param {(index: number) => void} choose one of
   * the examples that it learns from */
  constructor(dataset, session, choose) {
    this.dataset = dataset;
    this.session = session;
    this.choose = choose;
    /** @type {Uint8Array | null} */ this.image = null;
    /** @type {Found | null} */ this.flipped = null;
    this.repaint = () => {};
    this.canvases = ["flipped", "change"].map((id) => byId(id, HTMLCanvasElement));
    for (const canvas of this.canvases) [canvas.height, canvas.width] = dataset.shape;
    first(byId("figures"), "[data-draw=flip]").addEventListener("click", () => this.#flip());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  /** Another drawing: nothing is known of it. @param {Uint8Array | null} image */
  clear(image) {
    this.image = image;
    this.#showFlip(null);
    byId("nearest").replaceChildren();
    byId("near").hidden = !image;
    first(byId("figures"), "[data-draw=flip]").setAttribute("aria-disabled", String(!image));
  }

  /** Search for the nearest examples. */
  near() {
    if (this.image) this.session.search("nearest", this.image, ({ nearest }) => this.#showNearest(nearest ?? []));
  }

  /** @param {NonNullable<Found["nearest"]>} nearest */
  #showNearest(nearest) {
    const { classes, shape, scale } = this.dataset;
    /** @type {(() => void)[]} */ const paints = [];
    byId("nearest").replaceChildren(...nearest.map(({ index, label, square, image }) => {
      const picture = element("img", { alt: "" });
      paints.push(() => paint(picture, image, shape, scale));
      const text = `${classes[label]}, train ${index}, at a distance of ${written(Math.sqrt(square) / scale)}`;
      const button = element("button", { type: "button", title: text, "aria-label": text }, picture, classes[label]);
      button.addEventListener("click", () => this.choose(index));
      return element("li", {}, button);
    }));
    this.repaint = () => paints.forEach((each) => each());
    this.repaint(); // now that they have the page's colours
  }

  #flip() {
    const { image } = this;
    if (!image) return;
    this.session.search("flip", image, (found) => {
      if (this.image === image) this.#showFlip(found);
    });
  }

  /** @param {Found | null} found */
  #showFlip(found) {
    this.flipped = found;
    this.#redraw();
    const text = byId("flip");
    if (!found) return write(text, "");
    const { flip, step } = found;
    if (!flip) return write(text, "No change of the ink was found that it takes for something else.");
    const { of, share, changed, distance } = flip;
    write(text, `At step ${step.toLocaleString("en")} it takes this for ${this.dataset.classes[of]} (${percent(share)}): ` +
      `${changed} pixels are others, at a distance of ${written(distance)} in all.`);
    write(byId("spoken"), text.textContent);
  }

  #redraw() {
    this.repaint();
    const [whole, change] = this.canvases;
    const flip = this.flipped?.flip;
    const before = this.image;
    showGreys(whole, flip?.image ?? [], this.dataset.scale);
    showSigned(change, flip && before ? Array.from(flip.image, (each, i) => each - before[i]) : []);
    for (const canvas of this.canvases) canvas.hidden = !flip;
  }
}
