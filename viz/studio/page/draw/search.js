// @ts-check
// What is searched for a drawing: the examples that are most like it, of those that the network learns
// from, at the end of every stroke; and, where a person wants it, what the answer loses without each
// pixel, the smallest change of the drawing that the network takes for something else, and which of
// those examples push the answer most.

import { byId, element, first, write } from "../../../page/dom.js";
import { percent, written } from "../../../page/ticks.js";
import { paint } from "../data/paint.js";
import { reasonsOf } from "./answer.js";
import { showGreys, showSigned } from "./colours.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {Extract<import("../train/questions.js").Found, {of: "flip"}>} Flipped */
/** @typedef {Extract<import("../train/questions.js").Found, {of: "nearest"}>} Nearest */
/** @typedef {import("../train/asked.js").Why} Why */
/** @typedef {import("../train/questions.js").Answered} Answered */
/** @typedef {import("../train/session.js").Session} Session */

export class Searches {
  /** @param {Dataset} dataset @param {Session} session @param {(index: number) => void} choose one of
   * the examples that it learns from */
  constructor(dataset, session, choose) {
    this.dataset = dataset;
    this.session = session;
    this.choose = choose;
    /** @type {Uint8Array | null} */ this.image = null;
    /** @type {Flipped | null} */ this.flipped = null;
    /** @type {Why | null} */ this.why = null; // what the last answer says
    /** @type {Float32Array | null} */ this.losses = null;
    this.taught = ""; // the network that was taught so much
    /** What paints the examples of a list. @type {Map<string, (() => void)[]>} */ this.paints = new Map();
    this.canvases = ["flipped", "change", "without"].map((id) => byId(id, HTMLCanvasElement));
    for (const canvas of this.canvases) [canvas.height, canvas.width] = dataset.shape;
    first(byId("figures"), "[data-draw=flip]").addEventListener("click", () => this.#flip());
    first(byId("figures"), "[data-draw=without]").addEventListener("click", () => this.#without());
    first(byId("figures"), "[data-draw=pushes]").addEventListener("click", () => this.#push());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  /** Another drawing: nothing is known of it. @param {Uint8Array | null} image */
  clear(image) {
    if (!image !== !this.image) {
      byId("near").hidden = !image;
      for (const name of ["flip", "without", "pushes"]) {
        first(byId("figures"), `[data-draw=${name}]`).setAttribute("aria-disabled", String(!image));
      }
    }
    this.image = image;
    this.#forget();
    if (byId("nearest").firstChild) this.#list("nearest", []);
  }

  /** What was found of the network holds no longer. */
  #forget() {
    this.#forgetPushes();
    write(byId("without-says"), "");
    if (this.losses || this.flipped) {
      this.losses = null;
      this.#showFlip(null);
    }
  }

  #forgetPushes() {
    if (byId("pushed").firstChild) this.#list("pushed", []);
    write(byId("pushes-say"), "");
  }

  /** @param {Answered} answer to the same drawing */
  hear({ branch, why }) {
    const taught = `${branch} ${this.session.branch.lessons}`; // lessons are no steps
    const isOther = why?.of !== this.why?.of; // class that is asked about
    this.why = why;
    if (taught !== this.taught) this.#forget();
    else if (isOther) {
      this.#forgetPushes();
      if (this.losses) this.#without();
    }
    this.taught = taught;
  }

  /** Search for the nearest examples. */
  near() {
    const { image } = this;
    if (!image) return;
    this.session.questions.search({ of: "nearest", image }, (found) => {
      if (this.image === image && found.of === "nearest") this.#showNearest(found.nearest);
    });
  }

  /** @param {Nearest["nearest"]} nearest */
  #showNearest(nearest) {
    this.#list("nearest", nearest.map(({ square, ...each }) => ({
      ...each, says: `at a distance of ${written(Math.sqrt(square) / this.dataset.scale)}`,
    })));
  }

  /** Show examples that it learns from, as a list. @param {string} id
   * @param {{index: number, label: number, image: Uint8Array, says: string, push?: number}[]} examples */
  #list(id, examples) {
    const { classes, shape, scale } = this.dataset;
    /** @type {(() => void)[]} */ const paints = [];
    byId(id).replaceChildren(...examples.map(({ index, label, image, says, push }) => {
      const picture = element("img", { alt: "" });
      paints.push(() => paint(picture, image, shape, scale));
      const text = `${classes[label]}, train ${index}, ${says}`;
      const button = element("button", { type: "button", title: text, "aria-label": text }, picture, classes[label]);
      if (push !== undefined) button.append(pushed(push));
      button.addEventListener("click", () => this.choose(index));
      return element("li", {}, button);
    }));
    this.paints.set(id, paints);
    paints.forEach((each) => each()); // now that they have the page's colours
  }

  /** Which examples push; nothing is learned meanwhile. */
  #push() {
    const { image, why } = this;
    if (!image || !why) return;
    this.session.pause();
    this.session.questions.search({ of: "pushes", image, label: why.of }, (found) => {
      if (this.image !== image || this.why?.of !== why.of || found.of !== "pushes") return;
      this.#list("pushed", found.pushes.map(({ push, ...each }) => ({
        ...each, push, says: `pushes it ${push < 0 ? "down" : "up"} by ${written(Math.abs(push))} times the rate`,
      })));
      const [count, all] = [found.count, found.all].map((each) => each.toLocaleString("en"));
      const looked = count === all ? `all ${all}` : `${count} of ${all}`;
      write(byId("pushes-say"), `A step on one of these would push the logit of ${this.dataset.classes[why.of]} most, up (+) or ` +
        `down (\u2212), by so much times the rate: of ${looked} that it learns from, at step ${found.step.toLocaleString("en")}.`);
    });
  }

  #flip() {
    const { image } = this;
    if (!image) return;
    this.session.questions.search({ of: "flip", image }, (found) => {
      if (this.image === image && found.of === "flip") this.#showFlip(found);
    });
  }

  /** Leave out the ink of each pixel, and hold what that does against what the gradient says. */
  #without() {
    const { image, why } = this;
    if (!image || !why) return;
    this.session.questions.search({ of: "without", image, label: why.of }, (found) => {
      if (this.image !== image || this.why?.of !== why.of || found.of !== "without") return;
      this.losses = found.losses;
      this.#redraw();
      const alike = correlation(found.losses, reasonsOf(image, why.slope, this.dataset.scale));
      write(byId("without-says"), `What the logit of ${this.dataset.classes[why.of]} loses without the ink of each pixel alone, ` +
        `at step ${found.step.toLocaleString("en")}: as the gradient says, with a correlation of ${written(alike)}.`);
    });
  }

  /** @param {Flipped | null} found */
  #showFlip(found) {
    this.flipped = found;
    this.#redraw();
    const text = byId("flip");
    if (!found) return write(text, "");
    const { flip, step } = found;
    if (!flip) return write(text, "No change of the ink was found that it takes for something else.");
    const { image, of, share, changed, mean } = flip;
    write(text, `The smallest change found that makes it answer ${this.dataset.classes[of]} (${percent(share)}), at step ` +
      `${step.toLocaleString("en")}: ${changed} of ${image.length} pixels, each by ${percent(mean)} of full ink on average.`);
    write(byId("spoken"), text.textContent);
  }

  #redraw() {
    for (const paints of this.paints.values()) paints.forEach((each) => each());
    const [whole, change, without] = this.canvases;
    showSigned(without, this.losses ?? []);
    without.hidden = !this.losses;
    const flip = this.flipped?.flip;
    const before = this.image;
    showGreys(whole, flip?.image ?? [], this.dataset.scale);
    showSigned(change, flip && before ? Array.from(flip.image, (each, i) => each - before[i]) : []);
    whole.hidden = change.hidden = !flip;
  }
}

/** By how much, with its sign. @param {number} push */
const pushed = (push) =>
  element("small", { class: `speaks-${push < 0 ? "against" : "for"}` }, (push < 0 ? "\u2212" : "+") + written(Math.abs(push), 2));

/** Of two lists, 1 where the one is so many times the other. @param {Float32Array} one
 * @param {Float32Array} other */
function correlation(one, other) {
  const mean = (/** @type {Float32Array} */ list) => list.reduce((sum, each) => sum + each, 0) / list.length;
  const [a, b] = [mean(one), mean(other)];
  let [both, first, second] = [0, 0, 0];
  for (let i = 0; i < one.length; i++) {
    both += (one[i] - a) * (other[i] - b);
    first += (one[i] - a) ** 2;
    second += (other[i] - b) ** 2;
  }
  return both / Math.sqrt(first * second);
}
