// @ts-check
// The view of the network: one example on its way through every layer, as the network is now, and
// the neuron that a person looks at.

import { byId, element, first, write } from "../../../page/dom.js";
import { follow } from "../data/pointers.js";
import { digitOf, exampleOf } from "../state.js";
import { Drawing } from "./draw.js";
import { kept, moved, placeAt, showing, whole, zoomed } from "./camera.js";
import { beside, layoutOf, nearestAt, rectangleOf, SHOWN, strongest } from "./layout.js";
import { Panel, titleOf } from "./panel.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../state.js").State} State */
/** @typedef {import("../train/inspect.js").Neuron} Neuron */
/** @typedef {import("../train/questions.js").Answered} Answered */
/** @typedef {import("../train/session.js").Session} Session */
/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./layout.js").Layout} Layout */

const STEP = 1.5; // how much nearer a key or a button goes
const SURE = 0.05; // a loss: of 95 % for what is right
const FINGER = 12; // pixels that a tap may lie beside a neuron
const HELD_OUT = "test"; // the set that the network does not learn from

export class NetworkView {
  /** @param {Dataset} dataset @param {(change: Partial<State>) => void} change of the state
   * @param {Session} session @param {() => void} go start or pause
   * @param {(message: string) => void} complain
   * @param {() => Promise<Uint8Array | null>} drawn what Draw makes of the drawing there */
  constructor(dataset, change, session, go, complain, drawn) {
    this.dataset = dataset;
    this.change = change;
    this.session = session;
    this.go = go;
    this.complain = complain;
    this.drawn = drawn;
    /** @type {Uint8Array | null} */ this.own = null; // the drawing, where that is what is shown
    this.owns = 0; // so many were
    this.canvas = byId("net", HTMLCanvasElement);
    this.drawing = new Drawing(this.canvas);
    this.panel = new Panel(dataset, this.drawing, (index) => this.#open(HELD_OUT, index));
    /** @type {State | null} */ this.state = null;
    /** @type {Neuron | null} */ this.looked = null; // under the pointer, or where the keys are
    this.lost = false; // the drawing that is to be shown
    this.asked = ""; // the question, in words,
    this.number = 0; // and its number
    /** @type {Answered | null} */ this.answer = null;
    this.name = ""; // of the example that it is of
    /** @type {Float32Array[]} */ this.activations = []; // of the answer, the image first
    /** @type {Layout | null} */ this.layout = null;
    this.picked = ""; // what the strongest neurons were picked for,
    this.isNew = false; // and whether that is to be said
    this.since = 0; // the step that they are the strongest of
    /** @type {number[][]} */ this.shown = [];
    this.frame = 0;
    this.#listen();
  }

  /** Draw the state; where another view is shown, nothing is asked. @param {State} state */
  show(state) {
    this.state = state;
    if (state.view !== "network" || document.hidden) {
      this.complain("");
      this.lost = false;
      if (this.number === this.session.questions.asked) this.session.questions.ask(null);
      return;
    }
    const isBack = state.backward === 1;
    for (const button of byId("ways").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String((button.dataset.way === "backward") === isBack));
    }
    this.#pick(this.picked);
    if (state.drawn) void this.#bringDrawing();
    else this.own = null;
    this.#ask();
    this.redraw();
  }

  async #bringDrawing() {
    const own = await this.drawn();
    if (this.state?.drawn !== 1 || (own && own === this.own)) return;
    this.own = own;
    this.owns += 1;
    this.lost = !own;
    if (own) this.#ask();
    else this.change({ drawn: 0 });
  }

  // --- what is asked, and answered ---

  /** The set and the place there of the example in hand; or the drawing. */
  get example() {
    const { digit, meant } = this.state ?? { digit: -1, meant: -1 };
    return this.own ? { image: this.own, label: meant < 0 ? null : meant } : exampleOf(digit, this.dataset);
  }

  /** The neuron that a person chose; null where they let it go, or there is none such. */
  get chosen() {
    const { layer, neuron } = this.state ?? { layer: -1, neuron: -1 };
    const isThere = !this.answer || neuron < (this.activations[layer]?.length ?? 0);
    return layer >= 0 && neuron >= 0 && isThere ? { layer, neuron } : null;
  }

  /** The neuron that is shown: what is under the pointer, else the one that was chosen, else the
   * class that the image is taken for. */
  get focus() {
    const { answer } = this;
    const taken = answer && { layer: answer.outputs.length, neuron: largestOf(answer.probabilities) };
    return this.looked ?? this.chosen ?? taken;
  }

  #ask() {
    const { example, focus, state, own } = this;
    if (state?.view !== "network" || (state.drawn && !own)) return;
    const question = { example, back: state.backward === 1, focus };
    const asked = JSON.stringify(own ? [this.owns, state.meant, question.back, focus] : question);
    if (asked === this.asked && this.number === this.session.questions.asked) return;
    this.asked = asked;
    this.number = this.session.questions.ask(question, (answer) => this.#take(answer));
  }

  /** @param {Answered} answer */
  #take(answer) {
    const { scale } = this.dataset;
    const sameImage = this.answer?.image.every((entry, i) => entry === answer.image[i]);
    const image = sameImage ? this.activations[0] : Float32Array.from(answer.image, (entry) => entry / scale);
    this.answer = answer;
    this.activations = [image, ...answer.outputs];
    const { example, looked } = this;
    const isLooked = looked && looked.neuron < (this.activations[looked.layer]?.length ?? 0);
    if (!isLooked) this.looked = null; // it was of another network
    this.name = "split" in example ? `${example.split} ${example.index.toLocaleString("en")}` : "your drawing";
    const what = `${this.name} ${this.owns} ${answer.outputs.map(({ length }) => length)}`;
    this.isNew ||= what !== this.picked;
    this.#pick(what);
    this.#ask(); // it may be taken for another class now
    this.redraw();
  }

  /** Pick the neurons of wide layers that are shown. They stay while it learns, but for the one that
   * was chosen, which is among them. @param {string} what they are picked for */
  #pick(what) {
    if (!this.answer) return;
    const { layer = -1, neuron = -1 } = this.state ?? {};
    const isNew = what !== this.picked;
    const { outputs, deltas, probabilities } = this.answer;
    const values = deltas ?? [...outputs.slice(0, -1), probabilities];
    const isLacking = (/** @type {number} */ i) => layer === i + 1 && neuron >= 0 && neuron < values[i].length &&
      !this.shown[i]?.includes(neuron);
    if (!isNew && !values.some((_, i) => isLacking(i))) return;
    this.picked = what;
    if (isNew) this.since = this.answer.step;
    this.shown = values.map((each, i) => {
      if (isLacking(i)) return strongest(each, neuron);
      return isNew ? strongest(each) : this.shown[i];
    });
    this.layout = layoutOf(this.dataset.shape, values.map(({ length }) => length), this.shown);
  }

  // --- what is shown ---

  /** @returns {Camera | null} */
  get camera() {
    if (!this.layout) return null;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const { box } = this.layout;
    const [x, y, zoom] = (this.state?.camera || "").split(",").map(Number);
    return zoom ? kept({ x, y, zoom, width, height }, box) : whole(box, width, height);
  }

  /** Redraw before the next frame. */
  redraw() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const { answer, layout, camera, activations, state, session } = this;
    if (state?.view !== "network" || !answer || !layout || !camera) return;
    const { focus, looked, chosen } = this;
    const lacks = !chosen && state.layer >= 0 && state.neuron >= 0;
    const lost = "there is no drawing to show, and this is an example: draw one in Draw (a picture is in no address)";
    const words = `there is no neuron ${state.neuron} in layer ${state.layer} of this network`;
    this.complain(this.lost ? lost : lacks ? words : "");
    const back = state.backward === 1 && answer.deltas !== null;
    byId("unmeant").hidden = state.backward !== 1 || answer.label !== null;
    byId("net-sure").hidden = !back || answer.loss === null || answer.loss > SURE;
    const { classes } = this.dataset;
    const { activation } = session.settings;
    const last = answer.outputs.length - 1;
    const heads = answer.outputs.map(({ length }, i) => i === last ? "" : `${length.toLocaleString("en")} neurons`);
    const isAll = layout.columns.every(({ all, neurons }) => all === neurons.length);
    first(byId("net-controls"), "[data-do=pick]").hidden = isAll;
    const which = isAll ? "" : ` Shown: the ${SHOWN} strongest of a layer for this image at step ${this.since.toLocaleString("en")}.`;
    const product = back ? "weight × delta" : focus?.layer ? "weight × input" : "its weights";
    write(byId("net-legend"), `Lines: ${product}.${which}`);
    this.drawing.draw({
      layout, camera, entries: activations[0], values: back && answer.deltas ? answer.deltas : answer.outputs,
      activations, probabilities: answer.probabilities, answer: largestOf(answer.probabilities),
      label: answer.label, classes, heads, back, focus, pinned: !looked && chosen !== null, wires: answer.wires,
    });
    const { name, isNew } = this;
    this.panel.show({ answer, activations, activation, focus, back, learns: session.isRunning, name });
    if (isNew) write(byId("spoken"), `${name}. ${byId("verdict").textContent}`);
    this.isNew = false;
    write(byId("net-go"), session.isRunning ? "Pause" : answer.step ? "Go on" : "Start");
    this.#options(answer.outputs.length);
  }

  /** The layers that a neuron can be looked for in. @param {number} layers */
  #options(layers) {
    const select = byId("find-layer", HTMLSelectElement);
    this.#range();
    if (select.options.length === layers + 1) return;
    const between = Array.from({ length: layers - 1 }, (_, i) => `layer ${i + 1}`);
    const names = ["image", ...between, "classes"];
    select.replaceChildren(...names.map((name, i) => element("option", { value: i }, name)));
    select.value = "1";
    this.#range();
  }

  // --- what a person does ---

  #listen() {
    const { canvas } = this;
    follow(canvas, {
      move: (right, down) => this.#look((camera, { box }) => moved(camera, box, right, down)),
      zoom: (factor, left, top) => this.#look((camera, { box }) => zoomed(camera, box, factor, left, top)),
      hover: (left, top) => this.#hover(left === null || top === null ? null : this.#at(left, top)),
      click: (left, top, by) => {
        const found = this.#at(left, top, by === "touch" ? FINGER : 0);
        this.looked = null;
        this.#choose(found);
      },
    });
    canvas.addEventListener("blur", () => this.#hover(null));
    document.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.drawing.recolour();
      this.panel.recolour();
      this.redraw();
    });
    byId("network").addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("button") : null;
      if (button?.dataset.do) this.#act(button.dataset.do);
      if (button?.dataset.copy) this.#copy(first(byId(button.dataset.copy), "code"));
      if (button?.dataset.way) this.change({ backward: Number(button.dataset.way === "backward") });
    });
    document.addEventListener("visibilitychange", () => this.state && this.show(this.state));
    const form = byId("find", HTMLFormElement);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#find();
    });
    form.addEventListener("input", () => {
      byId("find-neuron", HTMLInputElement).setCustomValidity("");
      write(byId("find-range"), "");
      this.#range();
    });
  }

  /** The neuron at a pixel. @param {number} left @param {number} top @param {number} [reach] pixels around it */
  #at(left, top, reach = 0) {
    const { camera, layout } = this;
    return camera && layout && nearestAt(layout, ...placeAt(camera, left, top), reach / camera.zoom);
  }

  /** @param {(camera: Camera, layout: Layout) => Camera} how */
  #look(how) {
    const { camera, layout } = this;
    if (!camera || !layout) return;
    const { x, y, zoom } = how(camera, layout);
    this.change({ camera: [x, y, zoom].map((each) => Number(each.toFixed(3))).join() });
  }

  /** @param {Neuron | null} neuron */
  #hover(neuron) {
    if (neuron?.layer === this.looked?.layer && neuron?.neuron === this.looked?.neuron) return;
    this.looked = neuron;
    this.#ask();
    this.redraw();
  }

  /** Look at a neuron until another is chosen. @param {Neuron | null} neuron */
  #choose(neuron) {
    this.change(neuron ?? { layer: -1, neuron: -1 });
  }

  /** @param {string} split @param {number} index */
  #open(split, index) {
    this.lost = false;
    this.change({ digit: digitOf({ split, index }, this.dataset) });
  }

  /** @param {string} name */
  #act(name) {
    const { width = 0, height = 0 } = this.camera ?? {};
    const nearer = (/** @type {number} */ factor) =>
      this.#look((camera, { box }) => zoomed(camera, box, factor, width / 2, height / 2));
    if (name === "in") nearer(STEP);
    if (name === "out") nearer(1 / STEP);
    if (name === "fit") this.change({ camera: "" });
    if (name === "random") this.#open(HELD_OUT, Math.floor(Math.random() * this.dataset.splits[HELD_OUT].count));
    if (name === "wrong") this.change({ view: "data", split: HELD_OUT, label: -1, answer: -1, wrong: 1 });
    if (name === "pick") {
      const { picked } = this;
      this.picked = "";
      this.#pick(picked);
      this.redraw();
    }
    if (name === "go") {
      this.go();
      this.redraw();
    }
  }

  /** A command; where a browser does not let a page copy, it is selected. @param {HTMLElement} code */
  async #copy(code) {
    getSelection()?.selectAllChildren(code);
    await navigator.clipboard?.writeText(code.textContent ?? "").catch(() => {});
  }

  /** Which numbers there are. */
  #range() {
    const count = this.activations[Number(byId("find-layer", HTMLSelectElement).value)]?.length ?? 1;
    byId("find-neuron", HTMLInputElement).placeholder = `0 to ${(count - 1).toLocaleString("en")}`;
  }

  /** Look for a neuron by its number. */
  #find() {
    const layer = Number(byId("find-layer", HTMLSelectElement).value);
    const field = byId("find-neuron", HTMLInputElement);
    const neuron = Number(field.value.trim() || "x");
    const most = (this.activations[layer]?.length ?? 0) - 1;
    const isThere = Number.isInteger(neuron) && neuron >= 0 && neuron <= most;
    field.setCustomValidity(isThere ? "" : "not there");
    const found = field.value.trim() || "none";
    write(byId("find-range"), isThere ? "" : `expected a number from 0 to ${most.toLocaleString("en")}, found ${found}`);
    if (!isThere) return;
    this.#choose({ layer, neuron });
    this.#bring({ layer, neuron });
  }

  /** Bring a neuron into sight. @param {Neuron} neuron */
  #bring(neuron) {
    const place = this.layout && rectangleOf(this.layout, neuron);
    if (this.state?.camera && place) this.#look((camera) => showing(camera, place));
  }

  /** Arrows move where the canvas has the focus; elsewhere they scroll. @param {KeyboardEvent} event */
  #key(event) {
    if (byId("network").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    const within = (/** @type {string} */ kinds) =>
      event.target instanceof Element && event.target.closest(kinds) !== null;
    if (within("input, select") || (event.key === " " && within("button, a, summary"))) return;
    /** @type {Record<string, [number, number]>} */
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    /** @type {Record<string, string>} */
    const acts = { "+": "in", "=": "in", "-": "out", 0: "fit", r: "random", p: "pick", " ": "go" };
    const isHere = event.target === this.canvas;
    if (isHere && Object.hasOwn(steps, event.key)) this.#step(...steps[event.key]);
    else if (isHere && event.key === "Enter") this.#choose(this.focus);
    else if (event.key === "Escape") {
      this.looked = null;
      this.#choose(null);
    } else if (event.key === "b") this.change({ backward: 1 - (this.state?.backward ?? 0) });
    else if (Object.hasOwn(acts, event.key)) this.#act(acts[event.key]);
    else return;
    event.preventDefault();
  }

  /** @param {number} right @param {number} down */
  #step(right, down) {
    const { layout, focus, answer, activations, dataset } = this;
    if (!layout || !answer) return;
    const isShown = focus && rectangleOf(layout, focus);
    const last = layout.columns.length;
    const to = isShown ? beside(layout, focus, right, down) : { layer: last, neuron: largestOf(answer.probabilities) };
    this.#bring(to);
    this.#hover(to);
    const value = activations[to.layer][to.neuron].toPrecision(3);
    write(byId("spoken"), `${titleOf(to, { activations }, dataset)}: ${value}`);
  }
}

/** The place of the greatest, the first of equal ones. @param {Float32Array} values */
const largestOf = (values) => values.reduce((best, value, i) => value > values[best] ? i : best, 0);
