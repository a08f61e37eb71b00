// @ts-check
// The view of the data: every example on one canvas, chosen ones larger, the classes beside it.

import { byId, write } from "../../../page/dom.js";
import { isOnItsWay } from "./answers.js";
import { Beside } from "./beside.js";
import { Filters, namesOf } from "./filters.js";
import { all, centred, gridOf, inSight, kept, layersSeen, moved, opening, rectangleOf, showing, slotAt, zoomed } from "./grid.js";
import { countsOf, isWrong, rangeOf, shownOf } from "./order.js";
import { rowOf } from "./layers.js";
import { coloursOf } from "./paint.js";
import { showTaken } from "./marks.js";
import { follow } from "./pointers.js";
import { Supply } from "./supply.js";
import { Told, unanswered } from "./told.js";
import { asksNetwork, OPENING, WHOLE } from "../state.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../state.js").State} State */
/** @typedef {import("../app.js").Complain} Complain */
/** @typedef {import("./answers.js").Answers} Answers */
/** @typedef {import("./grid.js").Camera} Camera */
/** @typedef {import("./grid.js").Grid} Grid */
/** @typedef {(change: Partial<State>) => void} Change */

const STEP = 1.5; // how much nearer a key or a button goes
const CLEAR = 48; // pixels of an example that was asked for

export class DataView {
  /** @param {Dataset} dataset @param {Change} change of the state
   * @param {(who: string) => Complain} complaints @param {() => import("../train/session.js").Session | null} session null before there is one
   * @param {Answers} answers */
  constructor(dataset, change, complaints, session, answers) {
    this.dataset = dataset;
    this.change = change;
    this.complain = complaints("data");
    this.canvas = byId("digits", HTMLCanvasElement);
    this.session = session;
    this.known = answers.known;
    this.answers = answers;
    answers.changed = () => this.#answered();
    answers.heard = () => this.#heard();
    this.told = new Told(this.answers);
    this.asked = ""; // where the training stood when it was asked for all answers
    this.beside = new Beside(dataset, this.known, (label) => this.#toggle(label), complaints("picture"));
    this.filters = new Filters(dataset, this.known, (filters) => this.#filter(filters), (digit) => this.find(digit));
    /** @type {Grid} */ this.grid = { columns: 1, count: 0 };
    this.shown = new Uint32Array(0);
    this.slots = new Int32Array(this.known.labels.length).fill(-1); // of each example
    this.criteria = "";
    /** @type {{left: number, top: number} | null} */ this.pointer = null; // over the canvas
    /** @type {Partial<State> | null} */ this.before = null; // the filters that an index took off,
    this.since = ""; // and what is shown since
    this.frame = 0;
    /** @type {State | null} */ this.state = null;
    /** @type {Supply | null} */ this.supply = null;
    this.#listen();
  }

  /** Draw the state. @param {State} state */
  show(state) {
    this.state = state;
    this.#arrange(state);
    this.supply ??= this.#supply();
    this.filters.show(state);
    if (this.since !== choiceIn(state)) this.before = null;
    byId("cleared").hidden = !this.before;
    this.#tell();
    this.redraw();
  }

  /** When the view is opened first: until then it takes nothing from what others do. */
  #supply() {
    return new Supply(this.dataset, this.known, this.canvas, this.complain, {
      known: () => this.state && this.show(this.state),
      looks: (means) => {
        this.beside.showClasses(means);
        this.criteria = ""; // the order may be another
      },
      drawn: () => this.#tell(),
      restored: () => this.redraw(),
    }, this.#layersWanted(this.state));
  }

  /** The layers of what is in sight; where that is not known yet, those of the set.
   * @param {State | null} state */
  #layersWanted(state) {
    const row = rowOf(this.known.labels.length);
    if (this.shown.length) return layersSeen(this.camera, this.grid, this.shown, row);
    const { first: start, count } = rangeOf(state?.split ?? "", this.known);
    const [low, high] = [start, start + count - 1].map((example) => Math.floor(example / row ** 2));
    return Array.from({ length: high - low + 1 }, (_, i) => low + i);
  }

  #answered() {
    const { state } = this;
    if (state?.view !== "data") return;
    if (asksNetwork(state)) return this.show(state);
    this.#tell();
    this.redraw();
  }

  /** The training goes on. */
  #heard() {
    if (this.state?.view === "data" && (this.lacking.length || isOnItsWay(this.session()))) this.#tell();
  }

  /** The sets whose answers are wanted, and not here: for what is shown, or for the chosen one. */
  get lacking() {
    const { state } = this;
    if (state && asksNetwork(state)) return this.answers.lacking(state);
    return state && state.digit >= 0 ? this.answers.lacking(this.beside.about(state.digit)) : [];
  }

  /** Have the answers that are wanted, where a training waits and was not asked for them. */
  #askNetwork() {
    if (!this.lacking.length) return;
    const session = this.session();
    if (!session) return;
    const { isReady, isRunning, wanted, visited, shownNumber, branch, progress: { step } } = session;
    const at = `${shownNumber} ${branch.number} ${step}`;
    if (!isReady || isRunning || wanted || visited || at === this.asked) return;
    this.asked = at;
    session.once(0); // after no step, as after any number of them
  }

  /** Which examples are in which slot. @param {State} state */
  #arrange(state) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const criteria = JSON.stringify([
      state.split, state.label, state.answer, state.wrong, state.sort, this.known.known, this.answers.times,
    ]);
    if (criteria !== this.criteria) {
      this.criteria = criteria;
      this.told.remember(state, this.session());
      this.shown = shownOf(state, this.known);
      this.slots.fill(-1);
      for (let slot = 0; slot < this.shown.length; slot++) this.slots[this.shown[slot]] = slot;
      this.beside.count(state, countsOf(state, this.known, this.dataset.classes.length));
    }
    this.grid = gridOf(this.shown.length, width, height);
  }

  // --- the camera ---

  /** @returns {Camera} */
  get camera() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const { x, y, zoom } = this.state ?? OPENING;
    if (zoom > 0) return kept({ x, y, zoom, width, height }, this.grid);
    return zoom === WHOLE.zoom ? all(this.grid, width, height) : opening(this.grid, width, height);
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
    const slot = this.slots[digit] ?? -1;
    if (slot < 0) return;
    const { x, y, zoom } = showing(this.camera, this.grid, slot, clear);
    this.#chosen(digit, clear || this.state?.zoom ? { x, y, zoom } : {});
  }

  /** Choose an example that may be anywhere, and bring it to the middle. @param {number} digit */
  find(digit) {
    const before = this.slots[digit] < 0 ? this.#clear(digit) : null;
    const slot = this.slots[digit];
    const { x, y, zoom } = centred(this.camera, this.grid, slot, CLEAR);
    this.#chosen(digit, { x, y, zoom });
    if (!this.state || !before) return; // it may have been asked for twice
    [this.before, this.since] = [before, choiceIn(this.state)];
    byId("cleared").hidden = false;
  }

  /** Take off the filters that hide an example, say so, and give what was shown. @param {number} digit */
  #clear(digit) {
    if (!this.state) return null;
    const { split, label, answer, wrong, x, y, zoom } = this.state;
    const isOfSet = !split || split === this.beside.about(digit).split;
    const before = { split, label, answer, wrong, x, y, zoom };
    const hid = namesOf({ split: isOfSet ? "" : split, label, answer, wrong }, this.dataset.classes);
    write(byId("hid"), `It is not among “${hid}”: all are shown now.`);
    this.change({ split: isOfSet ? split : "", label: -1, answer: -1, wrong: 0 });
    return before;
  }

  /** @param {number} digit @param {Partial<State>} look */
  #chosen(digit, look) {
    this.change({ digit, ...look });
    const { label, split, index } = this.beside.about(digit);
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
    const { canvas, camera, grid } = this;
    const ratio = devicePixelRatio;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height) return; // the view is not open
    const chosen = this.state && this.state.digit >= 0 ? this.slots[this.state.digit] : -1;
    const layers = this.supply?.coming ? this.#layersWanted(this.state) : [];
    this.supply?.prefer(layers);
    this.supply?.stage.show({ width, height, ratio, camera, grid, chosen, layers, colours: coloursOf(canvas) }, this.shown);
    showTaken(camera, grid, this.shown, this.known, this.dataset.classes);
    this.#placeTip();
  }

  // --- what a person does ---

  #listen() {
    const { canvas } = this;
    follow(canvas, {
      move: (right, down) => this.#look(moved(this.camera, this.grid, right, down)),
      zoom: (factor, left, top) => this.#zoom(factor, left, top),
      hover: (left, top) => {
        this.pointer = left === null || top === null ? null : { left, top };
        this.redraw();
      },
      click: (left, top) => this.choose(this.#at(left, top)),
    });
    document.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.state && this.show(this.state)).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.beside.repaint();
      this.redraw();
    });
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
    if (name === "fit") this.change(WHOLE);
    if (name === "pause") this.session()?.pause();
    if (name === "none") this.change({ digit: -1 });
    if (name === "restore" && this.before) this.change(this.before);
    if (name === "random" && this.shown.length) {
      this.find(this.shown[Math.floor(Math.random() * this.shown.length)]);
    }
  }

  /** Arrows choose where the canvas has the focus; elsewhere they scroll.
   * @param {KeyboardEvent} event */
  #key(event) {
    if (byId("data").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest("input, select")) return;
    const { columns } = this.grid;
    /** @type {Record<string, number>} */
    const steps = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns,
      Home: -Infinity, End: Infinity, PageUp: -10 * columns, PageDown: 10 * columns,
    };
    /** @type {Record<string, string>} */
    const acts = { "+": "in", "=": "in", "-": "out", 0: "fit", r: "random", Escape: "none" };
    const chooses = Object.hasOwn(steps, event.key) && event.target === this.canvas;
    if (chooses) this.#step(steps[event.key]);
    else if (Object.hasOwn(acts, event.key)) this.#act(acts[event.key]);
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

  /** Show a class alone, or all again. @param {number} label */
  #toggle(label) {
    this.#filter({ label: this.state?.label === label ? -1 : label });
  }

  /** Show others, or in another order: from the first on, or still all of them. @param {Partial<State>} filters */
  #filter(filters) {
    this.change({ ...filters, ...(this.state?.zoom === WHOLE.zoom ? WHOLE : OPENING) });
  }

  /** What is shown, in words, and what it waits for. */
  #tell() {
    const { state, shown: { length }, lacking } = this;
    if (!state) return;
    const session = this.session();
    this.told.show(state, { length, seen: inSight(this.camera, this.grid) }, session, lacking, this.supply);
    this.beside.show(state, unanswered(session, lacking));
    this.#askNetwork();
  }

  /** Name what is under the pointer now: a filter or an order may have put another there. */
  #placeTip() {
    const tip = byId("tip");
    const hovered = this.pointer ? this.#at(this.pointer.left, this.pointer.top) : -1;
    tip.hidden = hovered < 0;
    if (tip.hidden) return;
    const { label, split, index } = this.beside.about(hovered);
    const answer = this.known.predictions[hovered];
    const taken = isWrong(hovered, this.known) ? ` · taken for ${this.dataset.classes[answer]}` : "";
    write(tip, `${label ?? "…"} · ${split} ${index}${taken}`);
    const { left, top, size } = rectangleOf(this.camera, this.grid, this.slots[hovered]);
    const above = top > 40;
    tip.style.left = `${Math.max(0, Math.min(left, this.canvas.clientWidth - tip.offsetWidth))}px`;
    tip.style.top = `${above ? top - tip.offsetHeight - 4 : top + size + 4}px`;
  }
}

/** What a person chose to see, and not from where. @param {State} state */
const choiceIn = ({ split, label, answer, wrong, sort, digit }) =>
  JSON.stringify([split, label, answer, wrong, sort, digit]);
