// @ts-check
// The view of the data: every example on one canvas, chosen ones larger, the classes beside it.

import { byId, element, first, write } from "../../../page/dom.js";
import { sampleOf } from "../api.js";
import { Atlas } from "./atlas.js";
import { all, gridOf, moved, rectangleOf, showing, slotAt, zoomed } from "./grid.js";
import { placeOf, rowOf } from "./layers.js";
import { NOBODY, shownOf } from "./order.js";
import { follow } from "./pointers.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../state.js").State} State */
/** @typedef {import("./grid.js").Camera} Camera */
/** @typedef {import("./grid.js").Grid} Grid */
/** @typedef {import("./order.js").Known} Known */
/** @typedef {import("./reader.js").Said} Said */
/** @typedef {(change: Partial<State>) => void} Change */

const STEP = 1.5; // how much nearer a key or a button goes
const CLEAR = 48; // pixels of an example that was asked for

export class DataView {
  /** @param {Dataset} dataset @param {Change} change of the state
   * @param {(message: string) => void} complain */
  constructor(dataset, change, complain) {
    this.dataset = dataset;
    this.change = change;
    this.complain = complain;
    this.canvas = byId("digits", HTMLCanvasElement);
    this.known = knownOf(dataset);
    this.total = this.known.labels.length;
    /** @type {Grid} */ this.grid = { columns: 1, count: 0 };
    this.shown = new Uint32Array(0);
    this.slots = new Int32Array(this.total).fill(-1); // of each example
    this.criteria = "";
    this.answers = 0; // how often the network's answers were told
    this.hovered = -1;
    this.pictured = -1;
    this.frame = 0;
    /** @type {State | null} */ this.state = null;
    /** @type {Float32Array[]} */ this.means = [];
    this.#fillForm();
    this.#listen();
    this.#begin();
  }

  /** Draw the state. @param {State} state */
  show(state) {
    this.state = state;
    this.#arrange(state);
    this.#writeForm(state);
    this.#showChosen(state.digit);
    this.redraw();
  }

  // --- the examples, as they arrive ---

  #begin() {
    try {
      this.atlas = new Atlas(this.canvas, this.total, rowOf(this.total));
    } catch (error) {
      this.complain(error instanceof Error ? error.message : String(error));
      return;
    }
    this.worker?.terminate();
    this.worker = new Worker(new URL("./reader.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.#take(data);
    this.worker.onerror = () => this.complain("the examples cannot be read: reload the page");
    this.worker.postMessage(this.dataset);
  }

  /** @param {Said} said */
  #take(said) {
    if (said.kind === "failed") this.complain(said.message);
    if (said.kind === "layer") this.atlas?.setLayer(said.layer, said.levels, said.done);
    if (said.kind === "labels") {
      this.known.labels.set(said.labels, said.first);
      this.known.known = said.first + said.labels.length;
    }
    if (said.kind === "looks") {
      Object.assign(this.known, { ink: said.ink, odd: said.odd });
      this.means = said.means;
      this.#showClasses(said.counts);
    }
    const loading = byId("loading", HTMLProgressElement);
    const here = this.atlas?.here ?? 0;
    loading.hidden = said.kind === "looks" || said.kind === "failed";
    loading.max = this.total;
    loading.value = here;
    this.criteria = ""; // what is known may have changed what is shown
    if (this.state) this.show(this.state);
  }

  /** Take how the network answers a set. @param {string} split
   * @param {import("../train/training.js").Score} score */
  answered(split, { predictions, confidences, losses }) {
    const { first = 0 } = this.known.splits.get(split) ?? {};
    this.known.predictions.set(predictions, first);
    this.known.confidences.set(confidences, first);
    this.known.losses.set(losses, first);
    this.answers += 1;
    const depends = this.state && (this.state.wrong || this.state.answer >= 0 || this.state.sort === "loss" ||
      this.state.sort === "confidence");
    if (this.state?.view === "data" && (depends || this.state.digit >= 0)) this.show(this.state);
  }

  /** The network learns anew: what it answered holds no longer. */
  forget() {
    this.known.predictions.fill(NOBODY);
    this.answers += 1;
  }

  /** Which examples are in which slot. @param {State} state */
  #arrange(state) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const criteria = JSON.stringify([
      state.split, state.label, state.answer, state.wrong, state.sort, this.known.known, this.answers,
    ]);
    if (criteria !== this.criteria) {
      this.criteria = criteria;
      this.shown = shownOf(state, this.known);
      this.slots.fill(-1);
      this.shown.forEach((example, slot) => this.slots[example] = slot);
      this.atlas?.setOrder(this.shown);
    }
    this.grid = gridOf(this.shown.length, width, height);
  }

  // --- the camera ---

  /** @returns {Camera} */
  get camera() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const { x, y, zoom } = this.state ?? { x: 0, y: 0, zoom: 0 };
    return zoom ? { x, y, zoom, width, height } : all(this.grid, width, height);
  }

  /** @param {Camera} camera */
  #look({ x, y, zoom }) {
    this.change({ x, y, zoom });
  }

  /** @param {number} factor @param {number} [left] @param {number} [top] */
  #zoom(factor, left, top) {
    const { camera } = this;
    this.#look(zoomed(camera, this.grid, factor, left ?? camera.width / 2, top ?? camera.height / 2));
  }

  /** Choose an example, and show it where it is. @param {number} digit @param {number} [clear] */
  choose(digit, clear = 0) {
    const slot = this.slots[digit];
    if (slot === undefined || slot < 0) return;
    const { x, y, zoom } = showing(this.camera, this.grid, slot, clear);
    this.change(clear || this.state?.zoom ? { digit, x, y, zoom } : { digit });
    const { label, split, index } = this.about(digit);
    write(byId("spoken"), `${label ?? "an example"}: ${split} ${index}`);
  }

  /** Redraw before the next frame. */
  redraw() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const { canvas } = this;
    const ratio = devicePixelRatio;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height || !this.atlas) return; // the view is not open
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const chosen = this.state && this.state.digit >= 0 ? this.slots[this.state.digit] : -1;
    this.atlas.draw(this.camera, this.grid, ratio, chosen, coloursOf(canvas));
    this.#placeTip();
  }

  // --- what a person does ---

  #listen() {
    const { canvas } = this;
    follow(canvas, {
      move: (right, down) => this.#look(moved(this.camera, this.grid, right, down)),
      zoom: (factor, left, top) => this.#zoom(factor, left, top),
      hover: (left, top) => {
        this.hovered = left === null || top === null ? -1 : this.#at(left, top);
        this.redraw();
      },
      click: (left, top) => this.choose(this.#at(left, top)),
    });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.atlas = undefined;
      this.complain("the browser took the graphics memory away; the examples come back by themselves");
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.complain("");
      this.criteria = "";
      this.#begin();
      if (this.state) this.show(this.state);
    });
    new ResizeObserver(() => this.state && this.show(this.state)).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    byId("data").addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("[data-do]") : null;
      if (button instanceof HTMLElement) this.#act(button.dataset.do ?? "");
    });
  }

  /** @param {number} left @param {number} top @returns {number} an example, or -1 */
  #at(left, top) {
    const slot = slotAt(this.camera, this.grid, left, top);
    return slot < 0 ? -1 : this.shown[slot];
  }

  /** @param {string} name */
  #act(name) {
    if (name === "in") this.#zoom(STEP);
    if (name === "out") this.#zoom(1 / STEP);
    if (name === "fit") this.change({ zoom: 0 });
    if (name === "random" && this.shown.length) {
      this.choose(this.shown[Math.floor(Math.random() * this.shown.length)], CLEAR);
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { columns } = this.grid;
    /** @type {Record<string, number>} */
    const steps = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns,
      Home: -Infinity, End: Infinity, PageUp: -10 * columns, PageDown: 10 * columns,
    };
    /** @type {Record<string, string>} */
    const acts = { "+": "in", "=": "in", "-": "out", 0: "fit", r: "random" };
    if (event.key in steps) this.#step(steps[event.key]);
    else if (event.key in acts) this.#act(acts[event.key]);
    else return;
    event.preventDefault();
  }

  /** Choose the example so many slots on. @param {number} by */
  #step(by) {
    const slot = this.state && this.state.digit >= 0 ? this.slots[this.state.digit] : -1;
    const last = this.shown.length - 1;
    const to = slot < 0 ? (by === Infinity ? last : 0) : Math.min(Math.max(slot + by, 0), last);
    const beyond = slot >= 0 && Number.isFinite(by) && (slot + by < 0 || slot + by > last);
    if (last >= 0 && !beyond) this.choose(this.shown[to], this.state?.zoom ? 0 : CLEAR);
  }

  // --- the form ---

  #fillForm() {
    const { splits, classes } = this.dataset;
    const split = this.#field("split", HTMLSelectElement);
    const label = this.#field("label", HTMLSelectElement);
    for (const name of Object.keys(splits)) split.append(element("option", { value: name }, name));
    const answer = this.#field("answer", HTMLSelectElement);
    classes.forEach((name, i) => {
      for (const field of [label, answer]) field.append(element("option", { value: i }, name));
    });
    const form = byId("filters", HTMLFormElement);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", ({ target }) => {
      if (target instanceof HTMLInputElement && target.name === "index") this.#jump(target);
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
    this.change({ split, label: classOf("label"), answer: classOf("answer"), wrong, sort, zoom: 0 });
  }

  /** @param {HTMLInputElement} field */
  #jump(field) {
    const split = this.state?.split || Object.keys(this.dataset.splits)[0];
    const { first: start, count } = this.known.splits.get(split) ?? { first: 0, count: 0 };
    const index = /^\d+$/.test(field.value.trim()) ? Number(field.value) : NaN;
    const wrong = field.value !== "" && !(index < count);
    field.setCustomValidity(wrong ? `a number from 0 to ${count - 1} of ${split}` : "");
    if (wrong) field.reportValidity();
    else if (field.value !== "") {
      if (this.slots[start + index] < 0) this.change({ label: -1, answer: -1, wrong: 0 });
      this.choose(start + index, CLEAR);
    }
  }

  /** @template {HTMLElement} Kind @param {string} name @param {{new (): Kind}} kind */
  #field(name, kind) {
    return first(byId("filters"), `[name="${name}"]`, kind);
  }

  /** @param {State} state */
  #writeForm({ split, label, answer, wrong, sort }) {
    this.#field("answer", HTMLSelectElement).value = answer < 0 ? "" : String(answer);
    this.#field("wrong", HTMLInputElement).checked = Boolean(wrong);
    byId("none").hidden = this.shown.length > 0 || this.known.known < this.total;
    write(byId("shown"), `${this.shown.length.toLocaleString("en")} shown`);
    this.#field("split", HTMLSelectElement).value = split;
    this.#field("label", HTMLSelectElement).value = label < 0 ? "" : String(label);
    this.#field("sort", HTMLSelectElement).value = sort;
    for (const button of byId("classes").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.class === String(label)));
    }
  }

  // --- beside the canvas ---

  /** @param {number} digit */
  about(digit) {
    const { known, dataset } = this;
    const [split, { first: start }] = [...known.splits].findLast(([, { first }]) => first <= digit) ??
      ["", { first: 0 }];
    const label = digit < known.known ? dataset.classes[known.labels[digit]] : null;
    return { split, index: digit - start, label };
  }

  #placeTip() {
    const tip = byId("tip");
    tip.hidden = this.hovered < 0;
    if (tip.hidden) return;
    const { label, split, index } = this.about(this.hovered);
    write(tip, `${label ?? "…"} · ${split} ${index}`);
    const { left, top, size } = rectangleOf(this.camera, this.grid, this.slots[this.hovered]);
    const above = top > 40;
    tip.style.left = `${Math.max(0, Math.min(left, this.canvas.clientWidth - tip.offsetWidth))}px`;
    tip.style.top = `${above ? top - tip.offsetHeight - 4 : top + size + 4}px`;
  }

  /** @param {number} digit */
  #showChosen(digit) {
    const facts = byId("facts");
    const picture = byId("picture", HTMLCanvasElement);
    byId("chosen").hidden = digit < 0;
    if (digit < 0) return;
    const { label, split, index } = this.about(digit);
    const { predictions, confidences, losses } = this.known;
    const rows = [["class", label ?? "…"], ["set", split], ["index", String(index)]];
    if (predictions[digit] !== NOBODY) {
      const answer = this.dataset.classes[predictions[digit]];
      rows.push(["answer", `${answer}, ${(100 * confidences[digit]).toFixed(1)} %`]);
      rows.push(["loss", losses[digit].toPrecision(3)]);
    }
    facts.replaceChildren(
      ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
    );
    picture.setAttribute("aria-label", `${label ?? "an example"}, ${split} ${index}`);
    if (this.pictured === digit) return;
    this.pictured = digit;
    this.#fetchPicture(picture, digit, split, index);
  }

  /** @param {HTMLCanvasElement} picture @param {number} digit @param {string} split
   * @param {number} index */
  async #fetchPicture(picture, digit, split, index) {
    try {
      const entries = await sampleOf(this.dataset, split, index);
      if (this.pictured === digit) paint(picture, entries, this.dataset.shape, this.dataset.scale);
    } catch (error) {
      this.complain(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {number[]} counts */
  #showClasses(counts) {
    const most = Math.max(...counts);
    const rows = counts.map((count, label) => {
      const name = this.dataset.classes[label];
      const mean = element("canvas", { "aria-hidden": "true" });
      paint(mean, this.means[label], this.dataset.thumbnail.shape, this.dataset.scale);
      const bar = element("span", { class: "bar" });
      bar.style.inlineSize = `${(100 * count) / most}%`;
      const button = element(
        "button",
        { type: "button", title: `Show ${name} alone, or all again`, "data-class": label },
        mean,
        element("span", { class: "name" }, name),
        element("span", { class: "count" }, count.toLocaleString("en")),
        bar,
      );
      button.addEventListener("click", () => {
        this.change({ label: this.state?.label === label ? -1 : label, zoom: 0 });
      });
      return element("li", {}, button);
    });
    byId("classes").replaceChildren(...rows);
  }
}

/** @param {Dataset} dataset @returns {Known} */
function knownOf({ splits }) {
  let total = 0;
  const ranges = new Map();
  for (const [name, { count }] of Object.entries(splits)) {
    ranges.set(name, { first: total, count });
    total += count;
  }
  const zeros = () => new Float32Array(total);
  return {
    labels: new Uint16Array(total), known: 0, ink: zeros(), odd: zeros(), splits: ranges,
    predictions: new Uint16Array(total).fill(NOBODY), losses: zeros(), confidences: zeros(),
  };
}

/** Draw an example, in grey on the page's paper. @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} entries @param {number[]} shape @param {number} scale */
function paint(canvas, entries, shape, scale) {
  const { height, width, colours } = placeOf(shape);
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      const value = entries[i * colours + (colours === 3 ? c : 0)] ?? 0;
      const grey = (255 * Math.abs(value)) / scale;
      image.data[4 * i + c] = colours === 3 ? grey : 255 - grey;
    }
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/** The page's colours, light or dark. @param {HTMLElement} element */
function coloursOf(element) {
  const style = getComputedStyle(element);
  const read = (/** @type {string} */ name) => {
    const [r, g, b] = style.getPropertyValue(name).trim().split(" ").map(Number);
    return /** @type {[number, number, number]} */ ([r / 255, g / 255, b / 255]);
  };
  return { paper: read("--paper"), ink: read("--ink"), empty: read("--empty"), mark: read("--mark") };
}

