// @ts-check
// The question that the page asks, in the worker: what the network makes of one image. It is answered
// at once, and while it learns again and again, for a small share of the time.

import { load } from "../../../page/wasm.js";
import { moduleOf } from "../api.js";
import { passOf, slopeOf, wiresOf } from "./inspect.js";
import { Survey } from "./survey.js";

/** @typedef {import("../../../page/wasm.js").Module} Module */
/** @typedef {import("./examples.js").Examples} Examples */
/** @typedef {import("./inspect.js").Neuron} Neuron */
/** @typedef {import("./inspect.js").Pass} Pass */
/** @typedef {import("./inspect.js").Wires} Wires */
/** @typedef {import("./survey.js").Surveyed} Surveyed */
/** @typedef {import("./training.js").Training} Training */

/** How much the logit of a class rises with each entry. @typedef {{of: number, slope: Float32Array}} Why */

/**
 * id: of the question. back: with the deltas. focus: a neuron whose weights are wanted too, and what it
 * gives for the test set, or, while it learns, for a sample of it. why: a class of which it is wanted too what
 * every entry of the image does for it; -1: the one that it is taken for. novelty: how much of the test set
 * is as far from every class, or why that is not known; null until something was drawn.
 * @typedef {{split: string, index: number} | {image: Uint8Array, label: number | null}} Example
 * @typedef {{id: number, example: Example, back: boolean, focus: Neuron | null, why?: number}} Question
 * @typedef {Pass & {
 *   id: number, image: Uint8Array, label: number | null, wires: Wires | null, surveyed: Surveyed | null,
 *   why: Why | null, novelty: number | string | null,
 * }} Answer
 */

const EVERY = 125; // milliseconds between two answers while it learns,
const SHARE = 0.05; // which take at most so much of the time
const SLICE = 8; // milliseconds of a survey at once: a question waits for so long
// Of a survey while it learns: what it finds can be clicked, and stays until the next one.
const SAMPLE = { examples: 100, milliseconds: 40, every: 1000 };

export class Asked {
  /** @type {Question | null} */ question = null;
  /** @type {Record<string, Examples> | null} */ sets = null;
  next = 0; // when it is answered again
  /** @type {Survey | null} */ survey = null;
  stand = ""; // that the survey is of
  sampled = { id: 0, at: 0 }; // for which question, and when
  /** @type {((image: Uint8Array) => number | string) | null} */ novelty = null;

  /** What tells how new a drawing is, which the engine printed from models/mnist/novelty.py.
   * @param {string} dataset */
  async learnNovelty(dataset) {
    try {
      const { bytes, manifest } = await moduleOf(`datasets/${encodeURIComponent(dataset)}/novelty`);
      const module = await load(bytes, manifest);
      this.novelty = (image) => {
        module.array("images", "novelty").write(image);
        module.run("novelty");
        return Number(module.array("share", "novelty").read()[0]);
      };
    } catch (error) {
      this.novelty = () => `Whether it is none of these is not known. ${error}`;
    }
  }

  /** Whether it is time to answer again. */
  get isDue() {
    return this.question !== null && performance.now() >= this.next;
  }

  /** @param {Training} training @param {string} stand where it stands, in words
   * @param {boolean} learns it leaves this step at once @returns {Answer | null} */
  answer({ module }, stand, learns) {
    let start = performance.now();
    const { question, sets, sampled } = this;
    if (!question || !sets) return null;
    const { example, id, back, focus, why: of } = question;
    const [image, label] = "split" in example
      ? [sets[example.split].image(example.index).slice(), sets[example.split].labels[example.index]]
      : [example.image, example.label];
    const wires = focus && wiresOf(module, focus);
    let survey = this.stand === stand ? this.survey : null;
    if (learns && focus?.layer && (id !== sampled.id || start >= sampled.at + SAMPLE.every)) {
      this.sampled = { id, at: start };
      survey = new Survey(module, sets.test, SAMPLE.examples);
      survey.look(id === sampled.id ? SAMPLE.milliseconds : SLICE); // at once where it is asked anew
      start = performance.now(); // it is rare
    }
    const surveyed = focus && survey ? survey.of(focus) : null;
    const pass = passOf(module, image, label, back);
    const why = of === undefined ? null : whyOf(module, image, of, pass);
    const answer = { ...pass, id, image, label, wires, surveyed, why, novelty: this.novelty?.(image) ?? null };
    const now = performance.now();
    this.next = now + Math.max(EVERY, (now - start) / SHARE);
    return answer;
  }

  /** Whether a neuron is asked about, and there is more of the test set to look at for it.
   * @param {string} stand */
  isOpen(stand) {
    return Boolean(this.question?.focus?.layer) && !(this.stand === stand && this.survey?.isDone);
  }

  /** Look at more of the test set, where a neuron is asked about; whether there is still more.
   * @param {Training} training @param {string} stand */
  look({ module }, stand) {
    if (!this.isOpen(stand) || !this.sets) return false;
    if (this.stand !== stand) [this.stand, this.survey] = [stand, new Survey(module, this.sets.test)];
    this.survey?.look(SLICE);
    return this.isOpen(stand);
  }
}

/** @param {Module} module @param {Uint8Array} image @param {number} wanted @param {Pass} pass */
function whyOf(module, image, wanted, { probabilities }) {
  const of = wanted < 0 ? probabilities.indexOf(Math.max(...probabilities)) : wanted;
  return of < 0 ? null : { of, slope: slopeOf(module, image, of) }; // none is, where some is no number
}
