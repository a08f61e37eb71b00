// @ts-check
// The view in which people draw: their strokes, what the network sees of them, and what it makes of
// that.

import { byId, first, write } from "../../../page/dom.js";
import { sampleOf } from "../api.js";
import { placeOf } from "../state.js";
import { Verdict } from "./answer.js";
import { showGreys } from "./colours.js";
import { Teacher } from "./lesson.js";
import { Cells, followPointers, Paper } from "./pad.js";
import { canPrepare, prepare } from "./prepare.js";
import { Searches } from "./search.js";
import { blank, Drawing, paint, paintAll, read, written } from "./strokes.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../state.js").State} State */
/** @typedef {import("../train/session.js").Session} Session */
/** @typedef {import("./strokes.js").Picture} Picture */
/** @typedef {import("./strokes.js").Point} Point */
/** @typedef {import("./strokes.js").Stroke} Stroke */

const FINEST = 280; // pixels of the sheet's side, about: a whole number of them is a cell's
const TAP = 4; // points of a stroke that is none: the first of two fingers made it
/** By how much these zoom. @type {Record<string, number>} */
const ZOOMS = { in: 1.5, out: 1 / 1.5, fit: 0 };
const KEYS = { e: "erase", "+": "in", "=": "in", "-": "out", 0: "fit" };
/** @type {ScrollIntoViewOptions} */ const NEAR = { block: "nearest", inline: "nearest" };
const NOTHING = "Draw here, and it answers at every stroke.";
const COMING = "The network is being made: it answers then.";
const TOO_SMALL = "Too small or too flat for a digit: draw it larger.";

export class DrawView {
  /** @param {Dataset} dataset @param {(change: Partial<State>) => void} change
   * @param {(message: string) => void} complain @param {Session} session whose network answers
   * @param {(index: number) => void} choose an example that it learns from
   * @param {() => void} go on, or pause */
  constructor(dataset, change, complain, session, choose, go) {
    this.dataset = dataset;
    this.change = change;
    this.complain = complain;
    this.session = session;
    const { shape: [side], shape, name } = dataset;
    this.canDraw = canPrepare(shape);
    byId("drawing").hidden = !this.canDraw;
    byId("undrawn").hidden = this.canDraw;
    write(byId("undrawn"), `Drawings are made into grey squares, as MNIST's; ${name} has ${shape.join(" x ")}.`);
    this.canvas = byId("sheet", HTMLCanvasElement);
    const cell = Math.max(1, Math.round(FINEST / side));
    this.sheet = blank(side * cell, side * cell);
    this.paper = new Paper(byId("pad"), byId("paper"));
    this.drawing = new Drawing();
    /** @type {Stroke | null} */ this.stroke = null; // that is being drawn
    this.painted = 0; // of its points
    this.erases = false;
    this.opened = 0; // pictures
    this.digit = -1; // the example in hand
    this.which = 0; // of the digits that were found in one
    this.told = ""; // the drawing that the address was told
    /** @type {Uint8Array | null} */ this.example = null; // that it makes
    this.isBlank = true;
    this.isNew = true; // what is drawn: nothing was asked of it yet
    this.question = -1; // the number of the one that was asked last,
    this.why = -1; // and the class that a person wants to know of
    this.frame = 0;
    /** @type {Verdict | null} */ this.verdict = null;
    /** @type {Teacher | null} */ this.teacher = null;
    /** @type {Searches | null} */ this.searches = null;
    if (!this.canDraw) return;
    [this.canvas.width, this.canvas.height] = [this.sheet.width, this.sheet.height];
    this.verdict = new Verdict(dataset, (label) => this.change({ why: this.why === label ? -1 : label }));
    this.teacher = new Teacher(dataset.classes, session, () => this.example, (meant) => this.change({ meant }));
    this.searches = new Searches(dataset, session, choose);
    byId("draw-go").addEventListener("click", go);
    this.#listen(side);
  }

  /** Show the state: the drawing of its address. @param {State} state */
  show(state) {
    if (!this.canDraw) return;
    if (state.view !== "draw") this.complain(""); // it is of no other
    if (state.drawing !== this.told) this.#read(state.drawing);
    this.digit = state.digit;
    this.teacher?.show(state.meant);
    this.#writeGo();
    if (state.why !== this.why) this.question = -1; // it is asked anew
    this.why = state.why;
    this.#redraw();
  }

  /** The drawing as the network is given it; null where there is none. */
  get prepared() {
    if (this.isNew && this.canDraw) this.#prepare();
    return this.example;
  }

  /** @param {string} text */
  #read(text) {
    this.told = text;
    this.#showLinked(true);
    this.stroke = null;
    try {
      this.drawing.become(read(text, this.sheet));
      this.complain("");
    } catch (error) {
      this.complain(error instanceof Error ? error.message : String(error));
    }
    this.#paintAll();
  }

  // --- what a person does ---

  /** @param {number} side cells of the sheet's */
  #listen(side) {
    const tell = {
      begin: (/** @type {Point} */ point, /** @type {boolean} */ erases) => this.#begin(point, erases),
      grow: (/** @type {Point[]} */ points) => this.#grow(points),
      end: () => this.#end(),
      withdraw: () => this.#withdraw(),
    };
    followPointers(this.canvas, tell, this.paper);
    const cells = new Cells(this.canvas, side, tell, (row, column, isDown) => this.#showCell(row, column, isDown));
    byId("draw").addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("[data-draw]") : null;
      if (button instanceof HTMLElement) this.#act(button.dataset.draw ?? "");
    });
    document.addEventListener("keydown", (event) => {
      if (byId("draw").hidden || event.altKey) return;
      const isControl = event.ctrlKey || event.metaKey;
      /** @type {Record<string, string>} */
      const acts = isControl ? { z: event.shiftKey ? "redo" : "undo", y: "redo" } : KEYS;
      const name = acts[event.key.toLowerCase()];
      // A letter finds a class there, or is part of a token.
      const isTyped = event.target instanceof Element && event.target.matches("select, #token input") && !isControl;
      if (!name || isTyped) return;
      if (!Object.hasOwn(ZOOMS, name)) cells.lift();
      this.#act(name);
      if (this.canvas.matches(":focus-visible")) byId("cell").scrollIntoView(NEAR);
      event.preventDefault();
    });
    const field = byId("picture-file", HTMLInputElement);
    field.addEventListener("change", () => {
      this.#open(field.files);
      field.value = ""; // so that the same one can be chosen again
    });
    document.addEventListener("paste", ({ clipboardData }) => this.#open(clipboardData?.files));
    // Anywhere in the view: beside the paper, the browser would leave the page for the picture.
    byId("draw").addEventListener("dragover", (event) => event.preventDefault());
    byId("draw").addEventListener("drop", (event) => {
      event.preventDefault();
      this.#open(event.dataTransfer?.files);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.question = -1; // what was answered is painted anew
      this.#redraw();
    });
  }

  /** @param {string} name */
  #act(name) {
    if (Object.hasOwn(ZOOMS, name)) this.paper.zoom(ZOOMS[name]);
    if (name === "erase") this.#setErases(!this.erases);
    if (name === "undo") this.drawing.undo();
    if (name === "redo") this.drawing.redo();
    if (name === "clear" && this.drawing.marks.length) this.drawing.become([]);
    if (name === "take") this.#take();
    if (name === "open") byId("picture-file").click();
    if (name === "next") this.#next();
    if (name === "watch" && this.example) this.change({ view: "network", drawn: 1 });
    if (name === "unteach") this.teacher?.takeBack();
    if (["undo", "redo", "clear"].includes(name)) this.#changed();
  }

  /** @param {boolean} erases */
  #setErases(erases) {
    this.erases = erases;
    buttonOf("erase").setAttribute("aria-pressed", String(erases));
    write(byId("spoken"), erases ? "eraser" : "pen");
  }

  /** A picture in place of the drawing. @param {FileList | null | undefined} files */
  #open(files) {
    const file = files?.[0];
    if (!file || byId("draw").hidden) return;
    this.#put(async ({ inkIn, preparedOf }) => ({
      ink: await inkIn(file, this.sheet), ...await preparedOf(file, this.dataset.shape),
    }));
  }

  /** @param {(by: typeof import("./picture.js")) => Promise<Picture>} get in place of the drawing */
  async #put(get) {
    const number = ++this.opened;
    try {
      const picture = await get(await import("./picture.js"));
      if (number !== this.opened) return; // another one came
      this.complain("");
      this.which = 0;
      this.drawing.become([picture]);
      this.change({ why: -1 });
      this.#changed();
    } catch (error) {
      this.complain(error instanceof Error ? error.message : String(error));
    }
  }

  /** The example in hand, or one at random that the network does not learn from. */
  async #take() {
    const { dataset } = this;
    const all = Object.values(dataset.splits).reduce((sum, { count }) => sum + count, 0);
    const { test = { count: all } } = dataset.splits;
    const random = Math.floor(Math.random() * test.count);
    const { split, index } = this.digit >= 0 ? placeOf(this.digit, dataset) : { split: "test", index: random };
    await this.#put(async ({ enlarged }) => {
      const example = Uint8Array.from(await sampleOf(dataset, split, index));
      const how = `${split} ${index}, as it is in the set; what is drawn on it is sized and centred anew.`;
      return { ink: enlarged(example, this.sheet, dataset.scale), examples: [example], how };
    });
  }

  /** The next digit that was found in the picture. */
  #next() {
    this.which += 1;
    this.isNew = true;
    this.change({ meant: -1, why: -1 });
  }

  /** The picture, where nothing was drawn upon it. @returns {Picture | null} */
  get picture() {
    const last = this.drawing.marks.at(-1);
    return last && "ink" in last ? last : null;
  }

  /** @param {Point} point @param {boolean} erases */
  #begin(point, erases) {
    const wide = Number(byId("pen", HTMLInputElement).value);
    this.stroke = { erases: erases || this.erases, wide, points: [point] };
    this.drawing.become([...this.drawing.marks, this.stroke]);
    this.painted = 0;
    this.#paint();
  }

  /** @param {Point[]} points */
  #grow(points) {
    if (!this.stroke) return; // another drawing came in its place
    this.stroke.points.push(...points);
    this.#paint();
  }

  #end() {
    if (!this.stroke) return;
    this.stroke = null;
    this.isNew = true; // now the answer is spoken
    this.#remember();
  }

  #withdraw() {
    if (!this.stroke) return;
    this.drawing.withdraw(this.stroke.points.length > TAP);
    this.stroke = null;
    this.#paintAll();
  }

  /** What is new of the stroke. */
  #paint() {
    if (this.stroke) paint(this.sheet, this.stroke, this.painted);
    this.painted = this.stroke?.points.length ?? 0;
    this.isNew = true;
    this.#redraw();
  }

  /** Another drawing stands there, by a button. */
  #changed() {
    this.stroke = null;
    this.#paintAll();
    this.#remember();
  }

  #paintAll() {
    paintAll(this.drawing.marks, this.sheet);
    this.isNew = true;
    this.#redraw();
  }

  /** The drawing goes into the address, where it is not too long. */
  #remember() {
    this.complain(""); // of the drawing before
    const text = written(this.drawing.marks);
    this.#showLinked(text !== null);
    this.told = text ?? "";
    this.change({ drawing: this.told, meant: -1, ...(this.drawing.marks.length ? {} : { drawn: 0, why: -1 }) });
  }

  /** @param {boolean} isLinked whether the drawing is in the address */
  #showLinked(isLinked) {
    byId("linked").hidden = !isLinked;
    byId("unlinked").hidden = isLinked;
  }

  // --- what is shown ---

  /** Ask at once, and draw before the next frame: the answer has the time until then. */
  #redraw() {
    this.#update();
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (!byId("draw").hidden) this.#draw();
    });
  }

  #draw() {
    const { past, future, marks } = this.drawing;
    this.#enable({ undo: past.length > 0, redo: future.length > 0, clear: marks.length > 0, watch: this.example !== null });
    showGreys(this.canvas, this.sheet.ink, 255);
    this.verdict?.showSeen(this.example);
  }

  /** What is new is prepared and asked, and so is what was asked before another view asked. */
  #update() {
    if (byId("draw").hidden) return;
    const isSpoken = this.isNew && !this.stroke; // while it is drawn, it would never end
    if (this.isNew) this.#prepare();
    if (this.isNew || this.question !== this.session.questions.asked) this.#ask(isSpoken);
    this.isNew = false;
  }

  #prepare() {
    this.teacher?.clear();
    const { picture } = this;
    const { length } = picture?.examples ?? [];
    write(byId("made-how"), picture?.how);
    buttonOf("next").hidden = length < 2;
    write(buttonOf("next"), `Next digit (${this.which % length + 1} of ${length})`);
    const { sheet, dataset: { shape, scale } } = this;
    this.isBlank = sheet.ink.every((each) => each === 0);
    if (picture && length) this.example = picture.examples[this.which % length];
    else this.example = this.isBlank ? null : prepare({ ...sheet, ink: Float32Array.from(sheet.ink) }, shape, scale);
    this.searches?.clear(this.example);
  }

  /** Have it answered, now and as the network learns. What was answered before stays until then, but
   * not where there is no answer. @param {boolean} isSpoken once */
  #ask(isSpoken) {
    const { example: image, isBlank, session, why } = this;
    const question = image && { example: { image, label: null }, back: false, focus: null, why };
    let isFirst = isSpoken;
    this.question = session.questions.ask(question, (answer) => {
      const words = this.verdict?.show(answer, this.why, session.progress.score, session.branch.lessons);
      this.#writeGo();
      this.teacher?.hear(answer);
      this.searches?.hear(answer);
      if (isFirst) {
        write(byId("spoken"), words);
        this.searches?.near();
      }
      isFirst &&= answer.novelty === null; // then there is more to say
    });
    if (image && session.isReady) return;
    const words = image ? COMING : isBlank ? NOTHING : TOO_SMALL;
    this.verdict?.showNone(words);
    this.teacher?.hear(null);
    if (isSpoken && this.drawing.past.length) write(byId("spoken"), isBlank ? "nothing is drawn" : words);
  }

  /** @param {Record<string, boolean>} can be done */
  #enable(can) {
    for (const [name, enabled] of Object.entries(can)) buttonOf(name).setAttribute("aria-disabled", String(!enabled));
  }

  /** What a press of the button does to the training. */
  #writeGo() {
    const { isRunning, progress: { step } } = this.session;
    write(byId("draw-go"), isRunning ? "Pause" : step ? "Go on" : "Start");
  }

  /** Where the keys are. @param {number} row @param {number} column @param {boolean} isDown */
  #showCell(row, column, isDown) {
    const { sheet, dataset: { shape: [side] } } = this;
    const cursor = byId("cell");
    cursor.style.setProperty("--row", String(row / side));
    cursor.style.setProperty("--column", String(column / side));
    cursor.style.setProperty("--cell", String(1 / side));
    cursor.scrollIntoView(NEAR);
    const cell = sheet.width / side;
    const middle = Math.floor((row + 0.5) * cell) * sheet.width + Math.floor((column + 0.5) * cell);
    const parts = [`row ${row + 1}, column ${column + 1}`, sheet.ink[middle] > 127 ? "ink" : "", isDown ? "drawing" : ""];
    write(byId("spoken"), parts.filter(Boolean).join(", "));
  }
}

/** @param {string} name */
const buttonOf = (name) => first(byId("draw"), `[data-draw=${name}]`);
