// @ts-check
// What the network makes of a drawing: what it sees of it, a bar for each class, the answer in words,
// what each pixel says of it, and whether it is like any class at all.

import { byId, element, first, write } from "../../../page/dom.js";
import { percent, written } from "../../../page/ticks.js";
import { showGreys, showSigned } from "./colours.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../train/asked.js").Answer} Answer */
/** @typedef {import("../train/questions.js").Answered} Answered */
/** @typedef {import("../train/training.js").Score} Score */

const SURE = 0.5; // of an answer: what is less probable is none
const LEARNED = 0.1; // of the test set that it is right for, beyond what guesses are
const [NEW, RARE] = [0.01, 0.05]; // of the test set are as new; NEW as in models/mnist/novelty.py

export class Verdict {
  /** @param {Dataset} dataset @param {(label: number) => void} press the bar of a class */
  constructor(dataset, press) {
    this.dataset = dataset;
    const { shape: [side], classes } = dataset;
    this.seen = byId("seen", HTMLCanvasElement);
    this.reasons = byId("reasons", HTMLCanvasElement);
    for (const canvas of [this.seen, this.reasons]) canvas.width = canvas.height = side;
    write(byId("seen-size"), `${side} x ${side}`);
    this.rows = classes.map((name, label) => {
      const button = element("button", { type: "button" }, element("span", { class: "name" }, name),
        element("span", { class: "bar" }), element("span", { class: "share" }));
      button.addEventListener("click", () => press(label));
      return button;
    });
    byId("bars").replaceChildren(...this.rows.map((button) => element("li", {}, button)));
  }

  /** @param {Uint8Array | null} example what the network sees */
  showSeen(example) {
    showGreys(this.seen, example ?? [], this.dataset.scale);
  }

  /** There is no answer. @param {string} words why */
  showNone(words) {
    this.#showBars(null, -1);
    write(byId("taken"), words);
    write(byId("novel"), "");
    write(byId("by"), "");
    byId("reason").replaceChildren();
    showSigned(this.reasons, []);
  }

  /** @param {Answered} answer @param {number} asked the class that a person wants to know of, or -1
   * @param {Score | null} score of the test set @param {number} lessons that it had besides its steps
   * @returns the answer in words */
  show({ probabilities, step, why, image, novelty }, asked, score, lessons) {
    const { classes, scale } = this.dataset;
    const right = score && score.right / score.count;
    const isKnown = typeof novelty === "number";
    const isRare = isKnown && novelty < RARE;
    const doubt = isRare ? `${novelty < NEW ? "None" : "Perhaps none"} of these.` : "";
    const words = inWords(probabilities, classes, doubt, !step || (right ?? 1) < LEARNED + 1 / classes.length);
    this.#showBars(probabilities, asked);
    byId("bars").classList.toggle("new", isRare);
    write(byId("taken"), words);
    write(byId("novel"), isKnown ? unusual(novelty) : novelty);
    const of = score ? `, right for ${rightOf(score)} of the test set` : "";
    const taught = lessons ? ` and ${lessons} ${lessons > 1 ? "lessons" : "lesson"}` : "";
    write(byId("by"), step || lessons ? `At step ${step.toLocaleString("en")} of its training${taught}${of}.` : "It has learned nothing yet.");
    if (why) this.#showReasons(reasonsOf(image, why.slope, scale), classes[why.of], asked >= 0);
    return words;
  }

  /** @param {Float32Array | null} probabilities @param {number} asked */
  #showBars(probabilities, asked) {
    const best = probabilities ? probabilities.indexOf(Math.max(...probabilities)) : -1;
    this.rows.forEach((row, i) => {
      row.classList.toggle("best", i === best);
      row.setAttribute("aria-pressed", String(i === asked));
      first(row, ".bar").style.setProperty("--share", String(probabilities?.[i] ?? 0));
      write(first(row, ".share"), probabilities ? percent(probabilities[i]) : "", probabilities?.[i]);
    });
  }

  /** What speaks for a class, and against it. @param {Float32Array} reasons by how much each pixel's
   * ink moves its logit @param {string} name @param {boolean} isHeld a person asked for it */
  #showReasons(reasons, name, isHeld) {
    showSigned(this.reasons, reasons);
    let [pro, contra] = [0, 0];
    for (const each of reasons) [pro, contra] = [pro + Math.max(0, each), contra - Math.min(0, each)];
    byId("reason").replaceChildren(
      "What speaks ", element("b", { class: "speaks-for" }, `for ${name}: +${written(pro)}`), " and ",
      element("b", { class: "speaks-against" }, `against: \u2212${written(contra)}`),
      ": what the ink of these pixels adds to its logit, the score before softmax, and takes from it.",
      isHeld ? " Press its bar again to follow the answer." : "",
    );
  }
}

/** By how much each pixel's ink, from 0 to 1, moves a logit that rises so with it.
 * @param {Uint8Array} image @param {Float32Array} slope @param {number} scale */
export const reasonsOf = (image, slope, scale) => slope.map((each, i) => (each * image[i]) / scale);

/** @param {Float32Array} probabilities @param {string[]} classes @param {string} doubt
 * @param {boolean} isGuess */
function inWords(probabilities, classes, doubt, isGuess) {
  if (!probabilities.every(Number.isFinite)) return "The network's numbers are not finite: it answers nothing.";
  const [one, other] = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const said = (/** @type {number} */ label) => `${classes[label]} (${percent(probabilities[label])})`;
  if (doubt) return `${doubt} If one, ${said(one)}.`;
  if (isGuess) return `It only guesses as yet: ${said(one)}, or ${said(other)}?`;
  if (probabilities[one] >= SURE) return `It takes this for ${said(one)}.`;
  return `It is not sure: ${said(one)}, or ${said(other)}?`;
}

/** How unusual its strokes are. @param {number} share of the test set that is as new */
function unusual(share) {
  if (share >= RARE) return `How unusual its strokes are: ${percent(share)} of the test set are as unlike every class, or more.`;
  return `Its strokes are further from every class than those of ${share ? `${percent(1 - share)} of` : "all"} the test set.`;
}

/** How much of a set it is right for. @param {Score} score */
export const rightOf = ({ right, count }) => percent(right / count);
