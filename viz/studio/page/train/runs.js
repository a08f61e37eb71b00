// @ts-check
// Networks that learn outside this page: the server's jobs, and trainings of a terminal. They are
// listed while the list is open; those that are chosen have their curves beside the page's own, as
// they grow.

import { byId, element, first, write } from "../../../page/dom.js";
import { eventsOf, order, tagOfWeights, token, weightsOfRun, workOf } from "../api.js";
import { COLOURS } from "./branches.js";
import { networkIn } from "./network.js";

/** @typedef {import("../../../page/chart.js").Line} Line */
/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../api.js").Work} Work */
/** @typedef {import("./network.js").Network} Network */
/** @typedef {import("./settings.js").Settings} Settings */

/** What an epoch came to; of the validation set nothing, where there is none.
 * @typedef {{
 *   epoch: number, step: number, train_loss: number | null, train_accuracy: number | null,
 *   validation_loss: number | null, validation_accuracy: number | null,
 * }} Epoch */

/** One whose curves are shown. @typedef {{colour: string, source: EventSource, epochs: Map<number, Epoch>}} Watched */

/**
 * The training of the page: what it is set to, null where a field is wrong; and that it goes on from
 * other weights. changed: is called when there is more to draw.
 * @typedef {{
 *   settings: () => Settings | null, goOn: (network: Network, whose: string) => void, changed: () => void,
 *   say: (text: string) => void, complain: (message: string) => void,
 * }} Training
 */

const EVERY = 2000; // milliseconds between two looks at the list
const MOST = 3; // curves: more are a thicket
const MOST_EPOCHS = 1000; // more are rather a slip; a terminal takes them
const ACTIVE = ["queued", "running", "cancelling"];
const RESUMED = ["cancelled", "interrupted", "failed"];

export class Runs {
  /** @param {Dataset} dataset @param {Training} training */
  constructor(dataset, training) {
    this.dataset = dataset;
    this.training = training;
    /** @type {Work[]} */ this.work = [];
    /** @type {Map<string, Watched>} */ this.watched = new Map();
    this.begun = ""; // the job of this page, until it has a run whose curves can be shown
    /** @type {ReturnType<typeof setTimeout> | 0} */ this.timer = 0;
    const part = byId("runs", HTMLDetailsElement);
    part.addEventListener("toggle", () => this.#look());
    document.addEventListener("visibilitychange", () => this.#look());
    part.addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("button") : null;
      if (button?.dataset.run) this.#try(() => this.#act(button));
    });
    part.addEventListener("change", ({ target }) => {
      if (target instanceof HTMLInputElement && target.dataset.run) this.#choose(target.dataset.run, target.checked);
    });
    const form = byId("retrain", HTMLFormElement);
    form.hidden = token() === null;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#try(() => this.#start(first(form, "[name=epochs]", HTMLInputElement).value));
    });
    void this.#look();
  }

  /** The curves of those that are chosen. @returns {{loss: Line[], accuracy: Line[]}} */
  get lines() {
    /** @type {{loss: Line[], accuracy: Line[]}} */ const lines = { loss: [], accuracy: [] };
    for (const [name, { colour, epochs }] of this.watched) {
      const all = [...epochs.values()].sort((a, b) => a.step - b.step);
      const x = all.map(({ step }) => step);
      const line = (/** @type {string} */ set, /** @type {(epoch: Epoch) => number | null} */ of, faint = false) =>
        ({ name: `${name} ${set}`, colour, x, y: all.map((each) => of(each) ?? NaN), faint });
      lines.loss.push(line("train", (each) => each.train_loss, true));
      lines.loss.push(line("validation", (each) => each.validation_loss));
      lines.accuracy.push(line("validation", (each) => percent(each.validation_accuracy)));
    }
    return lines;
  }

  /** @param {() => Promise<void>} act */
  async #try(act) {
    try {
      this.training.complain("");
      this.training.say("");
      await act();
      await this.#look();
    } catch (error) {
      this.training.complain(error instanceof Error ? error.message : String(error));
    }
  }

  // --- the list ---

  /** What there is now, and again as long as somebody looks. */
  async #look() {
    clearTimeout(this.timer);
    const part = byId("runs", HTMLDetailsElement);
    if (!part.open || document.hidden) return;
    try {
      this.work = await workOf();
      const hasBegun = this.work.some(({ name, isRun }) => isRun && name === this.begun);
      if (hasBegun && this.watched.size < MOST) this.#watch(this.begun);
      if (hasBegun) this.begun = "";
      this.#write();
    } catch (error) {
      write(byId("no-runs"), error instanceof Error ? error.message : String(error));
      byId("no-runs").hidden = false;
    }
    clearTimeout(this.timer); // of another look, meanwhile
    this.timer = setTimeout(() => this.#look(), EVERY);
  }

  #write() {
    const list = byId("run-list");
    list.hidden = !this.work.length;
    write(byId("no-runs"), "There is none yet: python -m models.mnist train --out runs/first makes one.");
    byId("no-runs").hidden = this.work.length > 0;
    const names = JSON.stringify(this.work.map(({ name }) => name));
    const body = first(list, "tbody");
    if (body.dataset.names !== names) {
      body.dataset.names = names;
      body.replaceChildren(...this.work.map(row));
    }
    this.work.forEach((each, i) => {
      const cells = body.children[i].querySelectorAll("td");
      const told = figuresOf(each);
      told.forEach((text, k) => write(/** @type {HTMLElement} */ (cells[k]), text));
      this.#offer(/** @type {HTMLElement} */ (body.children[i]), each);
    });
  }

  /** What can be done with one now. @param {HTMLElement} shown @param {Work} work */
  #offer(shown, { name, job, state, dataset, isRun }) {
    const box = first(shown, "input", HTMLInputElement);
    const watched = this.watched.get(name);
    // One that was over goes on again; of one that had just begun there was nothing yet.
    if (watched?.source.readyState === EventSource.CLOSED && ACTIVE.includes(job ?? state)) this.#follow(name, watched);
    box.checked = watched !== undefined;
    box.disabled = !watched && (this.watched.size >= MOST || !isRun);
    shown.style.setProperty("--of", watched ? `var(${watched.colour})` : "transparent");
    const may = token() !== null && job !== null;
    first(shown, "[data-do=end]").hidden = !(may && ACTIVE.includes(job));
    first(shown, "[data-do=resume]").hidden = !(may && RESUMED.includes(job));
    first(shown, "[data-do=take]").hidden = dataset !== this.dataset.name || ACTIVE.includes(job ?? ""); // it has none yet
  }

  // --- the curves ---

  /** @param {string} name @param {boolean} on */
  #choose(name, on) {
    const watched = this.watched.get(name);
    if (watched && !on) {
      watched.source.close();
      this.watched.delete(name);
    }
    if (!watched && on) this.#watch(name);
    this.#write();
    this.training.changed();
  }

  /** @param {string} name */
  #watch(name) {
    const taken = [...this.watched.values()].map(({ colour }) => colour);
    const colour = COLOURS.findLast((each) => !taken.includes(each)) ?? COLOURS[0];
    const watched = { colour, source: eventsOf(name), epochs: new Map() };
    this.watched.set(name, watched);
    this.#listen(watched);
  }

  /** @param {string} name @param {Watched} watched */
  #follow(name, watched) {
    watched.source = eventsOf(name);
    this.#listen(watched);
  }

  /** @param {Watched} watched */
  #listen({ source, epochs }) {
    source.addEventListener("epoch", ({ data }) => {
      const epoch = /** @type {Epoch} */ (JSON.parse(data));
      epochs.set(epoch.epoch, epoch); // one that was cut short is told again, whole
      this.training.changed();
    });
    source.addEventListener("end", () => source.close());
  }

  // --- what a person asks for ---

  /** @param {HTMLButtonElement} button */
  async #act(button) {
    const { run = "", do: what } = button.dataset;
    if (what === "end") await order("DELETE", `jobs/${encodeURIComponent(run)}`);
    if (what === "resume") {
      await order("POST", `jobs/${encodeURIComponent(run)}/resume`, await tagOfWeights());
      this.#choose(run, true);
    }
    if (what === "take") this.training.goOn(networkIn(await weightsOfRun(run), this.dataset), `the best epoch of ${run}`);
  }

  /** A training on the server by the settings of the page. @param {string} typed how many epochs */
  async #start(typed) {
    const epochs = Number(typed);
    if (!(Number.isInteger(epochs) && epochs >= 1 && epochs <= MOST_EPOCHS)) {
      const wanted = `a whole number from 1 to ${MOST_EPOCHS.toLocaleString("en")}`;
      throw new Error(`Epochs: expected ${wanted}, found ${typed || "nothing"}`);
    }
    const active = this.work.find(({ job }) => ACTIVE.includes(job ?? ""));
    if (active) throw new Error(`${active.name} learns on the server, one at a time: wait, or End it in the table of them`);
    const settings = this.training.settings();
    if (!settings) return; // one of them is wrong, which is said there
    const { hidden, activation, optimizer, batch, dropout, rate, momentum, decay, seed } = settings;
    const recipe = {
      dataset: this.dataset.name, hidden, activation, optimizer, batch_size: batch, dropout, lr: rate, seed, epochs,
      weight_decay: decay, schedule: "constant", ...(optimizer === "sgd" ? { momentum } : {}),
    };
    const { id } = /** @type {{id: string}} */ (await order("POST", "retrain", await tagOfWeights(), recipe));
    this.training.say(`${id} learns on the server, which serves its weights once it has finished`);
    this.begun = id;
  }
}

/** @param {number | null} share */
const percent = (share) => share === null ? null : 100 * share;

/** What is told of one, cell by cell. @param {Work} work */
function figuresOf({ sizes, activation, dataset, state, job, epoch, epochs, accuracy }) {
  return [
    sizes ? `${sizes.join("-")} ${activation ?? ""}` : "…",
    dataset ?? "…",
    job ?? state,
    epochs === null ? "…" : `${epoch ?? 0} of ${epochs}`,
    accuracy === null ? "…" : `${(100 * accuracy).toFixed(2)} %`,
  ];
}

/** @param {Work} work */
function row({ name }) {
  const box = element("input", { type: "checkbox", "data-run": name });
  const button = (/** @type {string} */ what, /** @type {string} */ text, /** @type {string} */ title) =>
    element("button", { type: "button", "data-run": name, "data-do": what, title, "aria-label": `${text}: ${name}` }, text);
  const cells = Array.from({ length: 5 }, () => element("td"));
  const acts = [
    button("take", "Go on from it", "In this page, from the weights that it keeps: those of its best epoch"),
    button("end", "End", "What it has learned is kept"),
    button("resume", "Resume", "On the server"),
  ];
  const head = element("th", { scope: "row" }, element("label", {}, box, name));
  return element("tr", {}, head, ...cells, element("td", {}, ...acts));
}
