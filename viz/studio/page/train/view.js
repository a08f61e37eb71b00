// @ts-check
// The view of the training: what it is set to, how it goes on, and what came of it. The worker
// learns; here is what a person sees of it, and the orders that they give.

import { Chart } from "../../../page/chart.js";
import { byId, element, first, write } from "../../../page/dom.js";
import { writeSafetensors } from "../../../page/safetensors.js";
import { written } from "../../../page/ticks.js";
import { sendWeights, token } from "../api.js";
import { showConfusion } from "./confusion.js";
import { smoothed } from "./history.js";
import { GOALS, Progress } from "./progress.js";
import { ACTIVATIONS, DEFAULTS, OPTIMIZERS, settingsOf, usualRate } from "./settings.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../state.js").State} State */
/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {import("./history.js").History} History */
/** @typedef {import("./training.js").Score} Score */
/** @typedef {import("./worker.js").Order} Order */
/** @typedef {import("./worker.js").Said} Said */
/** @typedef {import("../../../page/tensors.js").Tensor} Tensor */

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
    this.isRunning = false;
    this.wanted = false; // to learn as soon as that is possible
    this.drawn = 0;
    /** @type {ReturnType<typeof setTimeout> | 0} */ this.timer = 0;
    const look = (/** @type {number | null} */ x) => this.charts.forEach((chart) => chart.look(x));
    this.loss = new Chart(byId("loss"), "Loss by step", { x: "step", y: "loss" }, look);
    this.accuracy = new Chart(byId("accuracy"), "Accuracy by step", { x: "step", y: "right, %" }, look);
    this.charts = [this.loss, this.accuracy];
    this.progress = new Progress(this.settings.batch);
    this.#fillForm();
    this.#listen();
    this.#begin();
  }

  /** Learn, from now on or as soon as that is possible. */
  start() {
    this.wanted = true;
    if (this.progress.isReady) this.#run(Infinity);
  }

  /** The view is open: what has changed meanwhile is drawn. */
  show() {
    this.#draw();
  }

  // --- the worker ---

  #begin() {
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.#take(data);
    this.worker.onerror = () => {
      this.complain("the worker that trains has ended: reload the page; what was downloaded or sent is kept");
      this.#setRunning(false);
    };
    this.#say("the digits are fetched ...");
    this.#order({ kind: "open", dataset: this.dataset });
    this.#reset();
  }

  /** @param {Order} order */
  #order(order) {
    this.worker?.postMessage(order);
  }

  /** @param {Said} said */
  #take(said) {
    if (said.kind === "failed") return this.#fail(said.message);
    if (said.kind === "blocks") return this.#say(`${said.split}: ${said.here} of ${said.of} blocks, ${said.flying} in flight`);
    if (said.kind === "ready") this.#ready(said);
    if (said.kind === "steps") this.progress.steps(said);
    if (said.kind === "score") this.#score(said);
    if (said.kind === "paused") this.#setRunning(false);
    if (said.kind === "diverged") this.#diverged(said);
    if (said.kind === "saved") this.#saved?.(said.states);
    this.#drawSoon();
  }

  /** @param {string} message */
  #fail(message) {
    this.complain(message);
    this.#setRunning(false);
    this.#say("");
  }

  /** @param {Extract<Said, {kind: "ready"}>} said */
  #ready(said) {
    this.progress.ready(said);
    this.#say("");
    if (this.wanted) this.#run(Infinity);
  }

  /** @param {Extract<Said, {kind: "score"}>} said */
  #score({ step, split, score }) {
    this.answered(split, score);
    if (split === "test") this.progress.tested(step, score);
  }

  /** @param {Extract<Said, {kind: "diverged"}>} said */
  #diverged({ step, epoch, loss }) {
    this.wanted = false;
    this.#setRunning(false);
    this.complain(
      `the loss became ${written(loss)} in epoch ${epoch + 1}, step ${step}: the rate is too high for this network. ` +
        "It stands where it was before; lower the rate and go on, or reset.",
    );
  }

  // --- orders ---

  /** @param {number} steps */
  #run(steps) {
    this.complain("");
    this.#setRunning(true);
    this.#order({ kind: "run", steps });
  }

  #pause() {
    this.wanted = false;
    this.#order({ kind: "pause" });
  }

  #reset() {
    this.complain("");
    this.progress = new Progress(this.settings.batch);
    this.forget();
    this.#setRunning(false);
    this.#order({ kind: "begin", settings: this.settings, weights: null });
    this.#draw();
  }

  /** @type {((states: Map<string, Tensor>) => void) | null} */ #saved = null;

  /** The weights as a file, with what they are of. @returns {Promise<Uint8Array<ArrayBuffer>>} */
  #file() {
    const { settings, dataset, progress: { step } } = this;
    const sizes = [dataset.shape.reduce((a, b) => a * b, 1), ...settings.hidden, dataset.classes.length];
    const described = { ...dataset, source: { source: [dataset.name] } };
    const metadata = { sizes, activation: settings.activation, dataset: described, seed: settings.seed, step };
    const texts = new Map(Object.entries(metadata).map(([name, value]) => [name, JSON.stringify(value)]));
    return new Promise((done) => {
      this.#saved = (states) => {
        const kept = [...states].flatMap(([name, tensor]) => namedInFile(name, tensor));
        done(writeSafetensors(new Map(kept), texts));
      };
      this.#order({ kind: "save" });
    });
  }

  async #download() {
    const link = element("a", { download: `chainrule-step-${this.progress.step}.safetensors` });
    link.href = URL.createObjectURL(new Blob([await this.#file()]));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  async #send() {
    try {
      const { version } = await sendWeights(await this.#file());
      this.#say(`the server serves them as version ${version}`);
    } catch (error) {
      this.complain(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {string} name */
  #act(name) {
    if (name === "go" && this.isRunning) this.#pause();
    else if (name === "go") this.start();
    if (name === "step" && this.progress.isReady) this.#once(1);
    if (name === "epoch" && this.progress.isReady) {
      const { step, stepsOfEpoch } = this.progress;
      this.#once(stepsOfEpoch - (step % stepsOfEpoch));
    }
    if (name === "reset") this.#reset();
    if (name === "seed") {
      this.settings = { ...this.settings, seed: Math.floor(Math.random() * 2 ** 20) };
      this.#writeForm();
      this.#reset();
    }
    if (name === "download" && this.progress.isReady) this.#download();
    if (name === "send" && this.progress.isReady) this.#send();
  }

  /** @param {number} steps */
  #once(steps) {
    this.wanted = false;
    this.#run(steps);
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
      const typing = event.target instanceof Element && event.target.closest("input, select, button, a, canvas");
      if (view.hidden || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      const act = /** @type {Record<string, string>} */ ({ " ": "go", s: "step", e: "epoch" })[event.key];
      if (!act) return;
      event.preventDefault();
      this.#act(act);
    });
    first(view, "[data-do=send]").hidden = token() === null;
  }

  /** @param {HTMLElement} button */
  #logarithmic(button) {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    const pressed = (/** @type {string} */ axis) =>
      first(byId("axes"), `[data-log=${axis}]`).getAttribute("aria-pressed") === "true";
    this.loss.setLog({ x: pressed("x"), y: pressed("y") });
    this.accuracy.setLog({ x: pressed("x"), y: false });
  }

  #fillForm() {
    const form = byId("settings", HTMLFormElement);
    for (const [name, choices] of /** @type {[string, string[]][]} */ ([["activation", ACTIVATIONS], ["optimizer", OPTIMIZERS]])) {
      this.#field(name).append(...choices.map((each) => element("option", {}, each)));
    }
    this.#writeForm();
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", ({ target }) => {
      if (target instanceof HTMLElement) this.#changed(target.getAttribute("name") ?? "");
    });
  }

  /** @param {string} name @returns {HTMLInputElement | HTMLSelectElement} */
  #field(name) {
    const found = byId("settings", HTMLFormElement).elements.namedItem(name);
    if (found instanceof HTMLInputElement || found instanceof HTMLSelectElement) return found;
    throw new Error(`the page has no setting ${name}`);
  }

  #writeForm() {
    for (const [name, value] of Object.entries(this.settings)) {
      this.#field(name).value = Array.isArray(value) ? value.join(", ") : String(value);
    }
  }

  /** @param {string} name of the setting that was changed */
  #changed(name) {
    const wrong = byId("wrong-setting");
    if (name === "optimizer") this.#field("rate").value = String(usualRate(this.#field("optimizer").value));
    const typed = Object.fromEntries(Object.keys(DEFAULTS).map((each) => [each, this.#field(each).value]));
    wrong.hidden = true;
    try {
      this.settings = settingsOf(typed);
    } catch (error) {
      wrong.hidden = false;
      return write(wrong, error instanceof Error ? error.message : String(error));
    }
    if (LIVE.includes(name)) return this.#order({ kind: "set", ...this.settings });
    this.wanted ||= this.isRunning;
    this.#reset();
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
    this.#drawProgress();
    if (score) {
      showConfusion(byId("confusion"), score.confusion, this.dataset.classes, (label, answer) =>
        this.change({ view: "data", split: "test", label, answer, wrong: 0, zoom: 0, digit: -1 }));
    } else byId("confusion").replaceChildren();
  }

  #drawProgress() {
    const { step, stepsOfEpoch, score, speed, batch, flops, reached, parameters } = this.progress;
    const epochs = step / stepsOfEpoch;
    /** @type {[string, string][]} */
    const rows = [
      ["epoch", epochs.toFixed(2)],
      ["step", step.toLocaleString("en")],
      ["test accuracy", score ? `${((100 * score.right) / score.count).toFixed(2)} %` : "…"],
      ["wrong", score ? (score.count - score.right).toLocaleString("en") : "…"],
      ["images/s", speed ? written(Math.round(speed)) : "…"],
      ["GFLOP/s", speed ? ((speed / batch) * flops / 1e9).toFixed(1) : "…"],
      ["weights", parameters ? parameters.toLocaleString("en") : "…"],
    ];
    for (const goal of GOALS) {
      const at = reached.get(goal);
      rows.push([`to ${100 * goal} %`, at === undefined ? "…" : `${at.toFixed(2)} s`]);
    }
    byId("progress").replaceChildren(
      ...rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
    );
  }
}

/** A state of the module as it is called in a file of weights; the page's own are left out.
 * @param {string} name @param {Tensor} tensor @returns {[string, Tensor][]} */
function namedInFile(name, tensor) {
  if (name.startsWith("model.dropouts.") || name === "mean") return [];
  return [[name.replace(/^model\./, ""), tensor]];
}
