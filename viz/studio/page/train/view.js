// @ts-check
// The view of the training: what it is set to, how it goes on, and what came of it. The worker
// learns; here is what a person sees of it, and the orders that they give.

import { Chart } from "../../../page/chart.js";
import { byId, first, write } from "../../../page/dom.js";
import { written } from "../../../page/ticks.js";
import { showConfusion } from "./confusion.js";
import { writeProgress } from "./figures.js";
import { Form } from "./form.js";
import { smoothed } from "./history.js";
import { Progress } from "./progress.js";
import { DEFAULTS, settingsOf, typedOf } from "./settings.js";
import { Weights } from "./weights.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../state.js").State} State */
/** @typedef {import("./history.js").History} History */
/** @typedef {import("./network.js").Network} Network */
/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {import("./training.js").Score} Score */
/** @typedef {import("./worker.js").Order} Order */
/** @typedef {import("./worker.js").Said} Said */

const LIVE = ["rate", "momentum", "decay"];
const EVERY = 100; // milliseconds between two drawings of the charts

export class TrainView {
  /**
   * @param {Dataset} dataset @param {(change: Partial<State>) => void} change
   * @param {(message: string) => void} complain
   * @param {(split: string, score: Score) => void} answered @param {() => void} forget
   */
  constructor(dataset, change, complain, answered, forget) {
    this.dataset = dataset;
    this.change = change;
    this.complain = complain;
    this.answered = answered;
    this.forget = forget;
    /** @type {Settings} */ this.settings = { ...DEFAULTS };
    this.begun = 0; // the number of the training that was begun last,
    this.shownNumber = 0; // and of the one that is shown
    this.runNumber = 0; // of the run that was ordered last
    this.isRunning = false;
    this.wanted = false; // to learn as soon as that is possible
    this.drawn = 0;
    /** @type {ReturnType<typeof setTimeout> | 0} */ this.timer = 0;
    /** @type {((saved: Extract<Said, {kind: "saved"}>) => void)[]} */ this.waiting = [];
    /** @type {Score | null} */ this.shownScore = null;
    const look = (/** @type {number | null} */ x) => this.charts.forEach((chart) => chart.look(x));
    this.loss = new Chart(byId("loss"), "Loss by step", { x: "step", y: "loss" }, look);
    this.accuracy = new Chart(byId("accuracy"), "Accuracy by step", { x: "step", y: "right, %" }, look);
    this.charts = [this.loss, this.accuracy];
    this.progress = new Progress(this.settings, null);
    this.form = new Form(this.settings, (settings, name) => this.#changed(settings, name));
    new Weights(dataset, {
      saved: () => this.progress.isReady ? this.#saved() : null,
      goOn: (network) => this.#goOn(network),
      say: (text) => this.#say(text),
      complain,
    });
    this.#listen();
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.#take(data);
    this.worker.onerror = () => this.#fail("the worker that trains has ended: reload the page");
  }

  /** Show the state: what it sets is what is trained. @param {State} state */
  show(state) {
    const set = this.#settingsIn(state);
    const isNew = JSON.stringify(set) !== JSON.stringify(this.settings);
    if (isNew) this.settings = set;
    if (isNew || !this.begun) {
      this.form.write(this.settings);
      const isFirst = !this.begun;
      if (isFirst) this.#order({ kind: "open", dataset: this.dataset });
      this.wanted ||= isFirst || this.isRunning;
      this.#begin();
    }
    this.#draw();
  }

  /** What the address sets, where that makes sense. @param {State} state */
  #settingsIn(state) {
    const typed = Object.fromEntries(Object.keys(DEFAULTS).map((name) => [
      name, String(state[/** @type {keyof State} */ (name)]),
    ]));
    try {
      return settingsOf(typed);
    } catch {
      return { ...DEFAULTS };
    }
  }

  // --- the worker ---

  /** @param {Order} order */
  #order(order) {
    this.worker.postMessage(order);
  }

  /** @param {Said} said */
  #take(said) {
    if (said.kind === "failed") return this.#failed(said);
    if (said.kind === "loading") return this.#say(`loading the examples: ${Math.round(100 * said.share)} %`);
    if (said.kind === "saved") return this.waiting.shift()?.(said);
    if (said.kind === "ended") return this.#ended(said.run);
    if (said.number !== this.begun) return; // of a training that is over
    if (said.kind === "ready") this.#ready(said);
    if (said.kind === "steps") this.progress.steps(said);
    if (said.kind === "score") this.#score(said);
    if (said.kind === "diverged") this.#diverged(said);
    this.#drawSoon();
  }

  /** @param {Extract<Said, {kind: "failed"}>} said */
  #failed({ number, message }) {
    if (number !== null && number !== this.begun) return;
    if (number === null) return this.#fail(message);
    // What was trained before is still there, and is shown.
    this.begun = this.shownNumber;
    this.#fail(`${message}. Reset tries again.`);
  }

  /** @param {string} message */
  #fail(message) {
    this.complain(message);
    this.wanted = false;
    this.#setRunning(false);
    this.#say("");
  }

  /** @param {number} run */
  #ended(run) {
    if (run === this.runNumber) this.#setRunning(false);
  }

  /** @param {Extract<Said, {kind: "ready"}>} said */
  #ready(said) {
    this.shownNumber = said.number;
    this.progress = new Progress(this.settings, said);
    this.charts.forEach((chart) => chart.clear());
    this.forget();
    this.#say("");
    this.#setRunning(false);
    if (this.wanted) this.#run(Infinity);
  }

  /** @param {Extract<Said, {kind: "score"}>} said */
  #score({ step, split, score }) {
    this.answered(split, score);
    if (split === "test") this.progress.tested(step, score);
  }

  /** @param {Extract<Said, {kind: "diverged"}>} said */
  #diverged({ step, epoch, loss, at }) {
    this.wanted = false;
    this.progress.back(at);
    this.#setRunning(false);
    this.complain(
      `at step ${step.toLocaleString("en")} (epoch ${epoch + 1}) the loss became ${written(loss)}: ` +
        `a rate of ${this.settings.rate} is too high for this network. ` +
        `It stands at step ${at.toLocaleString("en")} again; lower the rate and go on, or reset.`,
    );
  }

  // --- orders ---

  /** Learn, from now on or as soon as that is possible. */
  #start() {
    this.wanted = true;
    if (this.begun !== this.shownNumber) return; // it is being made
    if (this.progress.isReady) this.#run(Infinity);
    else this.#begin();
  }

  /** @param {number} steps */
  #run(steps) {
    this.complain("");
    this.runNumber += 1;
    this.#setRunning(true);
    this.#order({ kind: "run", number: this.runNumber, steps });
  }

  #pause() {
    this.wanted = false;
    this.#setRunning(false);
    this.#order({ kind: "pause" });
  }

  /** A training by the settings, from the beginning or from a network that has learned; what is
   * shown stays until it is ready. @param {Network} [from] */
  #begin(from) {
    this.complain("");
    this.#say("a network is made ...");
    this.begun = Math.max(this.begun, this.shownNumber) + 1;
    this.#order({ kind: "begin", number: this.begun, settings: this.settings, from });
  }

  /** @param {Network} network */
  #goOn(network) {
    const { hidden, activation, seed } = network;
    const own = { hidden, activation: activation ?? this.settings.activation, seed: seed ?? this.settings.seed };
    this.settings = settingsOf(typedOf({ ...this.settings, ...own }));
    this.form.write(this.settings);
    this.wanted = false;
    this.#begin(network);
    this.#remember();
  }

  /** @param {number} steps */
  #once(steps) {
    this.wanted = false;
    this.#run(steps);
  }

  /** The weights, as the worker has them now. @returns {Promise<Extract<Said, {kind: "saved"}>>} */
  #saved() {
    return new Promise((done) => {
      this.waiting.push(done);
      this.#order({ kind: "save" });
    });
  }

  /** @param {string} name */
  #act(name) {
    const { isReady, step, stepsOfEpoch } = this.progress;
    if (name === "go" && this.isRunning) this.#pause();
    else if (name === "go") this.#start();
    if (name === "step" && isReady) this.#once(1);
    if (name === "epoch" && isReady) this.#once(stepsOfEpoch - (step % stepsOfEpoch));
    if (name === "reset") this.#again(this.settings.seed);
    if (name === "seed") this.#again(Math.floor(Math.random() * 2 ** 20));
  }

  /** Begin again, and wait. @param {number} seed */
  #again(seed) {
    this.wanted = false;
    this.settings = { ...this.settings, seed };
    this.form.write(this.settings);
    this.#begin();
    this.#remember();
  }

  // --- what a person does ---

  #listen() {
    const view = byId("train");
    view.addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("button") : null;
      if (button?.dataset.do) this.#act(button.dataset.do);
      if (button?.dataset.log) this.#logarithmic(button);
    });
    document.addEventListener("keydown", (event) => {
      const within = (/** @type {string} */ kinds) =>
        event.target instanceof Element && event.target.closest(kinds) !== null;
      const acts = /** @type {Record<string, string>} */ ({ " ": "go", s: "step", e: "epoch" });
      const taken = within("input, select") || (event.key === " " && within("button, a"));
      if (view.hidden || taken || !acts[event.key]) return;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.#act(acts[event.key]);
    });
  }

  /** @param {HTMLElement} button */
  #logarithmic(button) {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    const pressed = (/** @type {string} */ axis) =>
      first(byId("charts"), `[data-log=${axis}]`).getAttribute("aria-pressed") === "true";
    this.loss.setLog({ x: pressed("x"), y: pressed("y") });
    this.accuracy.setLog({ x: pressed("x"), y: false });
  }

  /** A setting was typed. @param {Settings} settings @param {string} name */
  #changed(settings, name) {
    this.settings = settings;
    this.#remember();
    const { rate, momentum, decay } = settings;
    if (LIVE.includes(name)) return this.#order({ kind: "set", live: { rate, momentum, decay } });
    this.wanted ||= this.isRunning;
    this.#begin();
  }

  /** The settings go into the address. */
  #remember() {
    this.change(typedOf(this.settings));
  }

  // --- what is shown ---

  /** @param {string} text */
  #say(text) {
    write(byId("doing"), text);
  }

  /** @param {boolean} running */
  #setRunning(running) {
    this.isRunning = running;
    write(byId("go"), running ? "Pause" : this.progress.step ? "Go on" : "Start");
  }

  #drawSoon() {
    if (this.timer) return;
    const wait = Math.max(0, this.drawn + EVERY - performance.now());
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.#draw();
    }, wait);
  }

  #draw() {
    this.drawn = performance.now();
    if (byId("train").hidden) return;
    const { losses, rights, tests, score } = this.progress;
    const width = Math.max(2, Math.floor(losses.x.length / 60));
    const raw = (/** @type {History} */ { x, y }) => ({ name: "each batch", colour: "--accent", x, y, faint: true });
    const mean = (/** @type {History} */ { x, y }) => ({ name: "train", colour: "--accent", x, y: smoothed(y, width) });
    const test = (/** @type {number[]} */ y) => ({ name: "test", colour: "--second", x: tests.x, y });
    this.loss.set([raw(losses), mean(losses), test(tests.loss)]);
    this.accuracy.set([mean(rights), test(tests.right)]);
    // Else the first steps, in which nothing is right, take all the room.
    this.accuracy.setFloor(100 - 6 * (100 - Math.max(0, ...tests.right)));
    writeProgress(this.progress, this.dataset);
    if (score === this.shownScore) return;
    this.shownScore = score;
    if (score) {
      showConfusion(byId("confusion"), score.confusion, this.dataset.classes, (label, answer) =>
        this.change({ view: "data", split: "test", label, answer, wrong: 0, zoom: 0, digit: -1 }));
    } else byId("confusion").replaceChildren();
  }
}
