// @ts-check
// The view of the training: what it is set to, how it goes on, and what came of it, as a person sees
// it, and what they do.

import { Chart } from "../../../page/chart.js";
import { byId, first, write } from "../../../page/dom.js";
import { inWords, megabytes } from "../loading.js";
import { digitOf, exampleOf, OPENING } from "../state.js";
import { showConfusion } from "./confusion.js";
import { writeProgress } from "./figures.js";
import { Form } from "./form.js";
import { Hand } from "./hand.js";
import { LayerList } from "./layers.js";
import { linesOf } from "./lines.js";
import { missing, nearest, showOffers } from "./offered.js";
import { Session } from "./session.js";
import { DEFAULTS, settingsOf, typedOf, wayOf } from "./settings.js";
import { Timeline } from "./time.js";
import { Weights } from "./weights.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../app.js").Complain} Complain */
/** @typedef {import("../state.js").State} State */
/** @typedef {import("./network.js").Network} Network */
/** @typedef {import("./offered.js").Offer} Offer */
/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {import("./training.js").Score} Score */

const WAY_BACK = 20_000; // milliseconds that it is offered at least
const DIVERGED = 3; // times the loss of a guess
const EVERY = 100; // milliseconds between two drawings of the charts,
const SHARE = 0.25; // which take at most so much of the time: the network needs the rest to learn

export class TrainView {
  /**
   * @param {Dataset} dataset @param {(change: Partial<State>, left?: Partial<State>) => void} change
   * left: the state of a training that this ended
   * @param {Complain} say what is wrong
   * @param {import("../data/answers.js").Answers} answers that this adds to
   * @param {(digit: number) => void} find an example in Data
   * @param {Offer[] | null} offers what can be trained; null: anything
   * @param {boolean} weights whether there are some to go on from
   */
  constructor(dataset, change, say, answers, find, offers, weights) {
    this.dataset = dataset;
    this.offers = offers;
    this.find = find;
    this.change = change;
    this.lacks = ""; // what a link asks for and an export has not: said until something is set
    /** @type {Complain} */ const complain = (message, again) => {
      if (message) write(byId("doing"), ""); // it is no more so
      say(message || this.lacks, again);
    };
    this.complain = complain;
    this.held = -2; // the example in hand, -1 for none: then one is shown,
    this.question = 0; // and that about it
    this.hand = new Hand(dataset);
    this.told = "0"; // the step that the address was told, and its past
    this.drawn = 0; // when it was last,
    this.took = 0; // and the milliseconds until that was on the screen
    /** @type {ReturnType<typeof setTimeout> | 0} */ this.timer = 0;
    /** @type {Score | null} */ this.shownScore = null;
    this.showLayers = () => {}; // as they fared last
    const look = (/** @type {number | null} */ x) => this.charts.forEach((chart) => chart.look(x));
    this.loss = new Chart(byId("loss"), "Loss by step", { x: "step" }, look);
    this.accuracy = new Chart(byId("accuracy"), "Accuracy by step", { x: "step", unit: " %" }, look);
    this.charts = [this.loss, this.accuracy];
    this.session = new Session(dataset, offers, {
      say: (text, inAllViews = false) => {
        write(byId("doing"), text);
        byId("doing").classList.toggle("everywhere", inAllViews);
      },
      complain,
      changed: () => {
        this.#drawSoon();
        answers.heard();
      },
      blame: (names) => this.form.blame(names),
      loading: (loaded) => {
        const counts = Object.values(dataset.splits).map(({ count }) => count);
        const bytes = counts.reduce((sum, count) => sum + count * this.session.sizes[0], 0);
        write(byId("learned-from"), `The worker that learns: ${inWords(loaded)}; they take ${megabytes(bytes)}.`);
        complain(loaded.problem, () => this.session.again());
        write(byId("doing"), `loading the examples: ${inWords(loaded)}`);
      },
      began: (left) => {
        this.layers.clear();
        this.showLayers = () => {};
        this.charts.forEach((chart) => chart.clear());
        answers.forget();
        if (left) this.#settled({ ...typedOf(left.settings), step: left.step, past: left.past });
      },
      settled: () => this.#settled(),
      answered: (split, score) => answers.answered(split, score),
      layers: (step, layers) => {
        const { sizes } = this.session; // now: soon it may be another network
        this.showLayers = () => this.layers.show(step, layers, sizes, this.session.progress.step);
      },
    });
    this.layers = new LayerList((on) => this.session.watch(on));
    this.timeline = new Timeline({
      visit: (step) => this.session.visit(this.session.branch, step),
      choose: (number) => this.session.choose(number),
      drop: (number) => {
        this.session.drop(number);
        this.#draw(); // at once: nobody deletes the next one in its place
      },
      restore: () => {
        this.session.restore();
        this.#draw();
      },
    });
    this.form = new Form(DEFAULTS, offers, (settings, name) => {
      this.lacks = "";
      this.session.change(settings, name);
    });
    const training = {
      saved: () => this.session.progress.isReady ? this.session.questions.saved() : null,
      settings: () => this.form.refuses() ? null : this.session.settings,
      goOn: (/** @type {Network} */ network, /** @type {string} */ whose) => this.session.goOn(network, whose),
      changed: () => this.#drawSoon(),
      say: (/** @type {string} */ text) => write(byId("doing"), text),
      complain,
    };
    new Weights(dataset, training);
    /** A part that is fetched when a person opens it. @param {string} id @param {() => Promise<void>} make */
    const opened = (id, make) =>
      byId(id).addEventListener("toggle", () =>
        make().catch((error) => complain(`this part cannot be fetched: reload the page (${error})`)));
    /** @type {import("./runs.js").Runs | null} */ this.runs = null; // until then
    opened("runs", async () => {
      const { Runs } = await import("./runs.js");
      this.runs ??= new Runs(dataset, training);
    });
    /** @type {import("../race/view.js").Race | null} */ this.race = null;
    opened("race", async () => {
      const { Race } = await import("../race/view.js");
      this.race ??= new Race(dataset, this.session, !offers, training.settings);
    });
    showOffers(offers, weights);
    this.#listen();
  }

  /** Show the state: what it sets is what is trained. @param {State} state */
  show(state) {
    const { session } = this;
    if (state.view === "train") this.#hold(state.digit);
    const { wanted, wrong, known } = this.#settingsIn(state);
    const set = nearest(wanted, this.offers);
    const isFirst = !session.begun;
    const isNew = known.step > 0 && `${known.step}${known.past}` !== this.told; // by a link or by Back
    const isOther = JSON.stringify(set) !== JSON.stringify(session.settings);
    const branch = isNew && session.isReady && session.branches.having(set, known);
    if (branch) {
      this.told = `${known.step}${known.past}`;
      session.visit(branch, known.step);
    } else if (isFirst || isOther || isNew) {
      this.form.write(set);
      session.wanted ||= isFirst || known.step > 0;
      this.told = `${known.step}${known.past}`;
      session.begin(set, known);
      const isUsual = JSON.stringify(wanted) === JSON.stringify(DEFAULTS);
      this.lacks = isUsual ? wrong : missing(wanted, this.offers);
      this.complain("");
    } else if (wrong) {
      this.lacks = wrong;
      this.complain("");
    }
    this.#draw();
  }

  /** @param {number} digit the example in hand */
  #hold(digit) {
    if (digit === this.held && this.question === this.session.questions.asked) return;
    if (digit !== this.held) this.hand.hide(); // until it is answered
    this.held = digit;
    const example = exampleOf(digit, this.dataset);
    const question = { example, back: false, focus: null };
    this.question = this.session.questions.ask(question, (answer) => this.hand.show(example, answer));
  }

  /** What the address sets; where that makes no sense, what is usual, and why. @param {State} state */
  #settingsIn(state) {
    const typed = Object.fromEntries(Object.keys(DEFAULTS).map((name) => [
      name, String(state[/** @type {keyof State} */ (name)]),
    ]));
    try {
      const wanted = settingsOf(typed);
      wayOf(state.past, wanted); // is one
      return { wanted, wrong: "", known: { step: state.step, past: state.step ? state.past : "" } };
    } catch (error) {
      const wrong = error instanceof Error ? error.message : String(error);
      const usual = `in the address, ${wrong}: this is the usual network`;
      return { wanted: { ...DEFAULTS }, wrong: usual, known: { step: state.step, past: "" } };
    }
  }

  // --- what a person does ---

  #listen() {
    const view = byId("train");
    byId("to-data").addEventListener("click", () => {
      this.change({ view: "data" });
      this.find(digitOf(exampleOf(this.held, this.dataset), this.dataset));
    });
    view.addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("button") : null;
      if (button?.dataset.do) this.act(button.dataset.do);
      if (button?.dataset.log) this.#logarithmic(button);
    });
    document.addEventListener("keydown", (event) => {
      const within = (/** @type {string} */ kinds) =>
        event.target instanceof Element && event.target.closest(kinds) !== null;
      const acts = /** @type {Record<string, string>} */ ({ " ": "go", s: "step", e: "epoch", f: "fork" });
      const taken = within("input:not([type=range]), select") || (event.key === " " && within("button, a"));
      if (view.hidden || taken || !acts[event.key]) return;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.act(acts[event.key]);
    });
  }

  /** The way back to the training before, which the browser's history has: until the new one has learned as
   * much, a while after it began, and not while one of them is learned again. */
  #offerWayBack() {
    const { isAgain, since, progress: { step, stepsOfEpoch } } = this.session;
    const left = history.state?.left ?? null;
    const isOver = left !== null && performance.now() - since > WAY_BACK && step >= (left || stepsOfEpoch);
    if (isOver && !isAgain) history.replaceState(null, "");
    const hides = left === null || isAgain || isOver;
    if (hides && byId("left").contains(document.activeElement)) byId("go").focus(); // its button goes
    byId("left").hidden = hides;
    const where = left ? `Back to the training before, at step ${left.toLocaleString("en")}` :
      "Back to the settings before, from their first step: what came from a file is not kept";
    write(first(byId("left"), "button"), where);
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

  /** @param {string} name */
  act(name) {
    const { session } = this;
    const learns = ["step", "epoch", "fork"].includes(name) || (name === "go" && !session.isRunning);
    if (learns && this.form.refuses()) return;
    if (name === "go" && session.isRunning) session.pause();
    else if (name === "go") session.start();
    if (name === "reset") session.anew(session.settings.seed);
    if (name === "seed") session.anew(Math.floor(Math.random() * 2 ** 20));
    if (!session.isReady) return;
    if (name === "step") session.once(1);
    if (name === "epoch") session.once(session.progress.stepsOfEpoch);
    if (name === "fork") session.fork();
    if (name === "newest") session.choose(session.branch.number);
  }

  // --- what is shown ---

  /** The settings are in the form and in the address, and the step where they lead to it.
   * @param {Partial<State>} [left] of a training that is over */
  #settled(left) {
    const { settings, stands } = this.session;
    if (settings !== this.form.settings) this.form.write(settings); // else it may be typed in just now
    this.#writeGo();
    this.told = `${stands.step}${stands.past}`;
    this.change({ ...typedOf(settings), ...stands }, left);
  }

  #writeGo() {
    const { isRunning, progress: { step } } = this.session;
    write(byId("go"), isRunning ? "Pause" : step ? "Go on" : "Start");
  }

  #drawSoon() {
    if (this.timer) return;
    const apart = Math.min(1000, Math.max(EVERY, this.took / SHARE)); // a hidden tab takes any time
    const wait = Math.max(0, this.drawn + apart - performance.now());
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.#draw();
    }, wait);
  }

  #draw() {
    this.drawn = performance.now();
    if (byId("train").hidden) return;
    requestAnimationFrame(() => setTimeout(() => this.took = performance.now() - this.drawn));
    const { session } = this;
    const { all: branches, shown, dropped } = session.branches;
    const { score, step, end } = session.progress;
    this.#writeGo();
    this.#offerWayBack();
    const [own, others] = [linesOf(branches, shown), this.runs?.lines];
    this.loss.set([...own.loss, ...others?.loss ?? []]);
    this.accuracy.set([...own.accuracy, ...others?.accuracy ?? []]);
    // Else the first steps, in which nothing is right, or a divergence take all the room.
    const best = Math.max(0, ...branches.flatMap(({ progress }) => progress.tests.right));
    this.accuracy.setLimits(Math.max(0, 100 - 6 * Math.max(0.1, 100 - best)), 100);
    this.loss.setLimits(-Infinity, DIVERGED * Math.log(this.dataset.classes.length));
    this.timeline.show(branches, shown, dropped?.branch);
    this.charts.forEach((chart) => chart.setMark(step < end ? step : null));
    writeProgress(session.progress, this.dataset);
    this.showLayers(); // with the step, which is told beside them
    if (score === this.shownScore) return;
    this.shownScore = score;
    if (score) {
      showConfusion(byId("confusion"), score.confusion, this.dataset.classes, (label, answer) =>
        this.change({ view: "data", split: "test", label, answer, wrong: 0, ...OPENING }));
    } else byId("confusion").replaceChildren();
  }
}
