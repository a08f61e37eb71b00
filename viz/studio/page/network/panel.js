// @ts-check
// What stands beside the network in words and numbers, for everybody and for those who do not see the
// drawing: the answer, and of the neuron that is looked at all that it comes from and leads to.

import { byId, element, first, write } from "../../../page/dom.js";
import { percent, written } from "../../../page/ticks.js";
import { isServed } from "../ask.js";
import { paint } from "../data/paint.js";
import { addressOf } from "../host.js";
import { fanOf, formulaOf, lossSteps, neuronSteps } from "./formula.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../train/inspect.js").Neuron} Neuron */
/** @typedef {import("../train/questions.js").Answered} Answered */
/** @typedef {import("../train/survey.js").Exciting} Exciting */
/** @typedef {import("./draw.js").Drawing} Drawing */

const REST = 60; // milliseconds that a neuron is looked at before its examples are painted

/**
 * activations: of all layers, the image first. activation: the function, by its name.
 * @typedef {{
 *   answer: Answered, activations: Float32Array[], activation: string, focus: Neuron | null, back: boolean,
 *   learns: boolean, name: string,
 * }} Seen name: of the example
 */

export class Panel {
  /** @param {Dataset} dataset @param {Drawing} drawing whose colours it has
   * @param {(index: number) => void} open an example of the test set */
  constructor(dataset, drawing, open) {
    this.dataset = dataset;
    this.drawing = drawing;
    this.excited = ""; // which examples are shown, or will be, and by which neuron
    this.exciting = "";
    byId("best").addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("button") : null;
      if (button) open(Number(button.dataset.index));
    });
    byId("debug", HTMLDetailsElement).open = !isServed;
    byId("unserved").hidden = isServed;
    /** @type {ReturnType<typeof setTimeout> | undefined} */ this.timer = undefined;
  }

  /** The page has other colours now. */
  recolour() {
    this.#clear();
    this.excited = "";
  }

  /** @param {Seen} seen */
  show(seen) {
    this.#answer(seen);
    const { answer: { outputs, label }, focus } = seen;
    for (const id of ["loss-steps", "loss-command"]) byId(id).hidden = label === null;
    if (label !== null) writeSteps("loss", lossSteps(outputs[outputs.length - 1], label));
    byId("neuron").hidden = !focus;
    if (!focus) return;
    write(byId("neuron-title"), titleOf(focus, seen, this.dataset));
    const isEntry = focus.layer === 0;
    const facts = isEntry ? this.#entry(focus, seen) : this.#neuron(focus, seen);
    writeFacts(byId("neuron-facts"), facts);
    const { wires } = seen.answer;
    const isHere = wires && wires.layer === focus.layer && wires.neuron === focus.neuron;
    byId("backprop").hidden = !isHere || !seen.back;
    for (const id of ["formula", "neuron-steps", "neuron-command"]) byId(id).hidden = isEntry || !isHere;
    byId("net-image").hidden = focus.layer !== 1 || !isHere;
    if (isHere && wires.incoming) {
      this.#formula(seen, focus, wires.incoming, wires.bias);
      if (focus.layer === 1) this.#weights(wires.incoming);
    }
    if (isHere && seen.back) this.#back(seen, focus, wires.outgoing);
    this.#surveyed(focus, seen);
    byId("net-entry").hidden = !isEntry;
    for (const id of ["net-delta", "net-backward"]) byId(id).hidden = isEntry || !seen.back;
    byId("net-forward").hidden = isEntry || seen.back;
    byId("net-logit").hidden = focus.layer !== outputs.length;
    byId("net-activation").hidden = isEntry || focus.layer === outputs.length;
  }

  /** @param {Seen} seen */
  #answer({ answer: { probabilities, label, loss, step }, name }) {
    const { classes } = this.dataset;
    const order = Array.from(probabilities, (_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]);
    const said = order.slice(0, 3).map((i) => `${classes[i]} (${percent(probabilities[i])})`).join(", ");
    const verdict = label === null ? "" : order[0] === label ? " ✓ Right." : ` ✗ Wrong: it is ${classes[label]}.`;
    write(byId("verdict"), `Answer: ${classes[order[0]]}.${verdict}`);
    byId("verdict").dataset.right = label === null ? "" : String(order[0] === label);
    const lost = loss === null ? "" : `, loss ${written(loss)}`;
    write(byId("net-of"), `${name}, at step ${step.toLocaleString("en")}: ${said}${lost}`);
  }

  /** @param {Neuron} focus @param {Seen} seen @returns {[string, string, number?][]} */
  #neuron({ layer, neuron }, { answer, activations, back }) {
    const value = activations[layer][neuron];
    const isLast = layer === activations.length - 1;
    /** @type {[string, string, number?][]} */
    const facts = [[isLast ? "logit" : "activation", written(value, 4), value]];
    if (isLast) facts.push(["probability", percent(answer.probabilities[neuron]), answer.probabilities[neuron]]);
    const delta = answer.deltas?.[layer - 1]?.[neuron];
    if (back && delta !== undefined) facts.push(["delta", written(delta, 4), delta]);
    const { wires } = answer;
    if (wires?.layer === layer && wires.neuron === neuron) facts.push(["bias", written(wires.bias, 4), wires.bias]);
    return facts;
  }

  /** @param {Neuron} focus @param {Seen} seen @returns {[string, string, number?][]} */
  #entry({ neuron }, { answer: { image, wires, deltas }, back }) {
    const { shape, scale } = this.dataset;
    const places = indices(neuron, shape);
    /** @type {[string, string, number?][]} */
    const facts = [
      ["position", places.map((place, axis) => `${["row", "column", "colour"][axis]} ${place}`).join(", ")],
      ["value", `${image[neuron]} of ${scale}`, image[neuron] / scale],
    ];
    if (wires?.layer !== 0 || wires.neuron !== neuron || !wires.outgoing) return facts;
    const { low, high, mean, size } = fanOf(wires.outgoing);
    if (back && deltas) {
      const slope = wires.outgoing.reduce((sum, weight, i) => sum + weight * deltas[0][i], 0);
      facts.push(["slope of the loss", written(slope, 4), slope]);
    }
    return [
      ...facts,
      ["weights", `${wires.outgoing.length.toLocaleString("en")}, to all of layer 1`],
      ["least", written(low), low], ["greatest", written(high), high],
      ["mean", written(mean), mean], ["mean without sign", written(size), size],
    ];
  }

  /** @param {Seen} seen @param {Neuron} focus @param {Float32Array} weights @param {number} bias */
  #formula({ activations, activation }, { layer, neuron }, weights, bias) {
    const isLast = layer === activations.length - 1;
    const name = isLast ? "identity" : activation;
    const inputs = activations[layer - 1];
    const value = activations[layer][neuron];
    const formula = formulaOf(inputs, weights, bias, value, name);
    const { terms, others, rest, sum, digits, bias: own } = formula;
    const number = (/** @type {number} */ each) => each.toFixed(digits);
    const from = layer === 1 ? "pixel" : "neuron";
    const lines = terms.map(({ input, weight, given, term }) => [
      `${written(weight)} × ${written(given)}`, number(term), `${from} ${input}`,
    ]);
    const left = `${others.toLocaleString("en")} more that are not 0`;
    if (others || rest) lines.push([others ? left : "rounding", number(rest), ""]);
    lines.push(["bias", number(own), ""], ["sum", number(sum), ""]);
    if (!isLast) lines.push([`${name}(${number(sum)})`, number(value), ""]);
    writeRows(byId("terms"), lines);
    writeSteps("neuron", neuronSteps(formula, bias, name, from));
  }

  /** Where the delta of a neuron comes from: the deltas of the next layer, or what the answer lacks.
   * @param {Seen} seen @param {Neuron} focus @param {Float32Array | null} weights to the next layer */
  #back({ answer: { deltas, probabilities, label }, activation }, { layer, neuron }, weights) {
    if (!deltas) return;
    const delta = deltas[layer - 1]?.[neuron];
    if (!weights) {
      const share = probabilities[neuron];
      const wanted = Number(neuron === label);
      write(byId("backprop-of"), "the delta of a class");
      return writeRows(byId("backprop-terms"), [
        ["probability", share.toFixed(6), ""],
        ["less what it should be", String(-wanted), ""],
        ["delta", delta.toFixed(6), ""],
      ]);
    }
    // In a unit of their own: most are far below 1.
    const next = deltas[layer];
    const largest = next.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
    const power = largest > 0 && largest < 0.01 ? Math.floor(Math.log10(largest)) : 0;
    const inputs = next.map((each) => each / 10 ** power);
    const { terms, others, rest, sum, digits } = formulaOf(inputs, weights, 0, 0, "");
    const number = (/** @type {number} */ each) => each.toFixed(digits);
    const isClass = layer === deltas.length - 1;
    const lines = terms.map(({ input, weight, given, term }) => [
      `${written(weight)} × ${written(given)}`, number(term), `${isClass ? "class" : "neuron"} ${input}`,
    ]);
    if (others || rest) lines.push([others ? `${others.toLocaleString("en")} more` : "rounding", number(rest), ""]);
    lines.push(["sum", number(sum), ""]);
    if (layer) lines.push([`× slope of ${activation}`, number(delta / 10 ** power), ""]);
    write(byId("backprop-of"), `weight × delta of layer ${layer + 1}${power ? `, in units of 1e${power}` : ""}`);
    writeRows(byId("backprop-terms"), lines);
  }

  /** The weights of a neuron of the first layer, where the entries of the image are.
   * @param {Float32Array} weights */
  #weights(weights) {
    const canvas = byId("net-weights", HTMLCanvasElement);
    const { columns, rows } = this.drawing.scene?.layout.image ?? { columns: 1, rows: 1 };
    if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) return;
    const { low, high } = fanOf(weights);
    const most = Math.max(-low, high) || 1;
    const [plus, minus] = ["--accent", "--second"].map((name) => channels(this.drawing.colour(name)));
    const data = context.createImageData(columns, rows);
    weights.forEach((weight, i) => {
      data.data.set(weight < 0 ? minus : plus, 4 * i);
      data.data[4 * i + 3] = Math.round(255 * Math.min(1, Math.abs(weight) / most));
    });
    context.putImageData(data, 0, 0);
    canvas.setAttribute("aria-label", `Weights from ${written(low)} to ${written(high)}`);
    write(byId("net-weights-range"), `${written(low)} to ${written(high)}: blue for, orange against`);
  }

  /** @param {Neuron} focus @param {Seen} seen */
  #surveyed({ layer, neuron }, { answer: { surveyed, wires, number, branch, step }, learns, focus }) {
    const which = `${number} ${branch} ${layer} ${neuron}`;
    const isHere = wires && wires.layer === focus?.layer && wires.neuron === focus.neuron;
    byId("exciting").hidden = layer === 0;
    if (layer === 0) return;
    if (!surveyed || !isHere) {
      if (this.exciting === which) return; // what it gave a moment ago
      write(byId("excited"), "The test set is looked at ...");
      this.#examples([], "");
      return;
    }
    const mayBePressed = learns && byId("best").matches(":hover, :focus-within");
    if (this.exciting === which && mayBePressed) return;
    const { count, all, low, mean, high } = surveyed;
    const [here, every] = [count, all].map((number) => number.toLocaleString("en"));
    const part = count < all ? `${here} of ${every}` : every;
    const spread = `least ${written(low)}, mean ${written(mean)}, greatest ${written(high)}`;
    const of = `at step ${step.toLocaleString("en")}${learns ? " (over all of them in a pause)" : ""}`;
    write(byId("excited"), `Over ${part} test examples, ${of}: ${spread}.`);
    Object.assign(byId("excited").dataset, { low, mean, high });
    this.#examples(surveyed.best, which);
  }

  /** Those that excite a neuron most, to be opened. @param {Exciting[]} best @param {string} neuron */
  #examples(best, neuron) {
    const key = best.map(({ index, value }) => `${index} ${written(value)}`).join();
    const isSame = neuron === this.exciting;
    if (isSame && key === this.excited) return;
    [this.excited, this.exciting] = [key, neuron];
    if (isSame && byId("best").firstChild) return this.#showExamples(best);
    this.#clear();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#showExamples(best), REST);
  }

  #clear() {
    for (const picture of byId("best").querySelectorAll("img")) URL.revokeObjectURL(picture.src);
    byId("best").replaceChildren();
  }

  /** In the place of those that are there: it learns, and they change. @param {Exciting[]} best */
  #showExamples(best) {
    const { classes, shape, scale } = this.dataset;
    const list = byId("best");
    best.forEach(({ index, label, value, image }, k) => {
      const row = list.children[k] ?? element("li", {},
        element("button", { type: "button" }, element("img", { alt: "" }), element("span", {})));
      const button = first(/** @type {HTMLElement} */ (row), "button");
      write(first(button, "span"), `${classes[label]}: ${written(value)}`);
      if (!row.parentElement) list.append(row);
      if (button.dataset.index === String(index)) return;
      button.dataset.index = String(index);
      button.title = `Test ${index.toLocaleString("en")}, class ${classes[label]}: look at it`;
      paint(first(button, "img", HTMLImageElement), image, shape, scale);
    });
  }
}

/** The name of a neuron. @param {Neuron} neuron @param {{activations: Float32Array[]}} seen
 * @param {Dataset} dataset */
export function titleOf({ layer, neuron }, { activations }, { classes }) {
  if (layer === 0) return `Pixel ${neuron} of the image`;
  if (layer === activations.length - 1) return `Class ${classes[neuron]}, layer ${layer}`;
  return `Layer ${layer}, neuron ${neuron} of 0 to ${activations[layer].length - 1}`;
}

/** Where an entry is along each axis. @param {number} at @param {number[]} shape */
function indices(at, shape) {
  const found = [];
  for (const length of shape.toReversed()) {
    found.unshift(at % length);
    at = Math.floor(at / length);
  }
  return found;
}

/** Where the debugger steps through it: in a tab of its own, which a server makes; and the command that does.
 * @param {string} what @param {import("./formula.js").Steps} steps */
function writeSteps(what, { of, at }) {
  const link = first(byId(`${what}-steps`), "a", HTMLAnchorElement);
  if (isServed) link.href = addressOf(`debug?${new URLSearchParams({ of, at })}`);
  write(first(byId(`${what}-command`), "code"), `python -m viz debug "${of}" --at ${at}`);
}

/** The last row, and a sum, stand out. @param {HTMLElement} body @param {string[][]} lines */
function writeRows(body, lines) {
  body.replaceChildren(...lines.map(([what, much, of], i) =>
    element("tr", { class: what === "sum" || i === lines.length - 1 ? "total" : null },
      element("th", { scope: "row" }, what), element("td", {}, much), element("td", {}, of))
  ));
}

/** @param {HTMLElement} list @param {[string, string, number?][]} facts */
function writeFacts(list, facts) {
  const rows = facts.flatMap(([name, text, exact]) =>
    [element("dt", {}, name), element("dd", { "data-exact": exact }, text)]);
  list.replaceChildren(...rows);
}

/** Red, green and blue of a colour as getComputedStyle gives it. @param {string} colour */
const channels = (colour) => colour.match(/[\d.]+/g)?.slice(0, 3).map(Number) ?? [0, 0, 0];
