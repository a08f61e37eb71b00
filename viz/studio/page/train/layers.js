// @ts-check
// How each layer fares, as a list: a word in the colour that the diagrams of the debugger have for
// it, what it means, and how weights, outputs and gradients are spread. The worker is asked for it
// while it is on the screen.

import { byId, element, first, write } from "../../../page/dom.js";
import { written } from "../../../page/ticks.js";

/** @typedef {import("./health.js").Layer} Layer */
/** @typedef {import("./health.js").Spread} Spread */

/** What a word means. @type {Record<import("./health.js").Word, string>} */
const MEANINGS = {
  "healthy": "The gradient gets through",
  "zero": "Its gradient is 0: it does not learn",
  "vanishing": "Its gradient is too small to change anything: fewer layers or another activation help",
  "saturated": "Half of its outputs or more lie where the activation is flat: little gradient gets through",
  "dead": "Half of its units or more give 0 for every example: begin anew, at a lower rate",
  "exploding": "Its gradient is so large that one step can spoil it: lower the rate",
  "NaN or inf": "It has numbers that are not finite: lower the rate, or begin anew",
};
/** @type {[("weights" | "outputs" | "gradients"), string][]} */
const PARTS = [["weights", "weights"], ["outputs", "outputs"], ["gradients", "gradient"]];
const HIGH = 30; // of a histogram, in its own units

export class LayerList {
  /** @param {(on: boolean) => void} watch is told whether anybody looks */
  constructor(watch) {
    let seen = false;
    let told = false;
    const tell = () => {
      const on = seen && !document.hidden;
      if (on !== told) watch(told = on);
    };
    new IntersectionObserver(([{ isIntersecting }]) => {
      seen = isIntersecting;
      tell();
    }).observe(byId("health"));
    document.addEventListener("visibilitychange", tell);
  }

  /** @param {number} step @param {Layer[]} layers @param {number[]} sizes
   * @param {number} now the step that all else is shown of: while it learns, a later one */
  show(step, layers, sizes, now) {
    const list = byId("layers");
    const key = sizes.join();
    if (list.dataset.sizes !== key) {
      list.dataset.sizes = key;
      list.replaceChildren(...layers.map((_, i) => made(`Layer ${i + 1}: ${sizes[i]} to ${sizes[i + 1]}`)));
    }
    write(byId("health-at"), `${step === now ? "at" : "as they were at"} step ${step.toLocaleString("en")}`);
    layers.forEach((layer, i) => fill(list.children[i], layer));
  }

  /** Nothing is known. */
  clear() {
    const list = byId("layers");
    delete list.dataset.sizes;
    list.replaceChildren();
    write(byId("health-at"), "");
  }
}

/** @param {string} name */
function made(name) {
  const head = element("h3", {}, name, " ", element("span", { class: "word" }));
  const parts = PARTS.map(([part, title]) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 40 ${HIGH}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.append(document.createElementNS(svg.namespaceURI, "path"));
    const range = element("span", { class: "range" }, element("span"), element("span"));
    return element("div", { "data-part": part }, element("span", { class: "title" }, title), svg, range);
  });
  return element("li", {}, head, element("p"), element("div", { class: "spreads" }, ...parts));
}

/** @param {Element} item @param {Layer} layer */
function fill(item, layer) {
  const word = first(item, ".word");
  write(word, layer.word);
  word.dataset.word = layer.word;
  write(first(item, "p"), sentence(layer));
  for (const [part, title] of PARTS) draw(first(item, `[data-part=${part}]`), title, layer[part]);
}

/** @param {Layer} layer */
function sentence({ word, dead, flat, gradients: { size } }) {
  const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(share && share < 0.1 ? 1 : 0)} %`;
  const more = [`length of its gradient ${written(size)}`];
  if (dead !== null) more.push(`${percent(dead)} of its units dead`);
  if (flat !== null) more.push(`${percent(flat)} of its outputs where the activation is flat`);
  return `${MEANINGS[word]} (${more.join(", ")}).`;
}

/** @param {HTMLElement} host @param {string} title @param {Spread} spread */
function draw(host, title, { low, high, counts, bad }) {
  const most = Math.max(1, ...counts);
  const bars = counts.map((count, i) => {
    const top = HIGH * (1 - Math.sqrt(count / most)); // by the root: else few entries cannot be seen
    return `M${i} ${HIGH}V${top.toFixed(2)}H${i + 1}V${HIGH}`;
  });
  const svg = first(host, "svg", SVGElement);
  first(svg, "path", SVGElement).setAttribute("d", bars.join(""));
  const range = `${written(low)} to ${written(high)}`;
  svg.setAttribute("aria-label", `${title}: ${range}${bad ? `, ${bad} not finite` : ""}`);
  const [from, to] = first(host, ".range").children;
  write(/** @type {HTMLElement} */ (from), written(low));
  write(/** @type {HTMLElement} */ (to), bad ? `${written(high)}, ${bad} not finite` : written(high));
}
