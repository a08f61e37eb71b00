// @ts-check
// A training as the page knows it: its branches and how they went, the orders to the worker that
// learns, and what that says. What a person sees of it is the view's.

import { workerOf } from "../host.js";
import { Branches, COLOURS } from "./branches.js";
import { missing } from "./offered.js";
import { Progress } from "./progress.js";
import { Questions } from "./questions.js";
import { DEFAULTS, liveAt, settingsOf, typedOf, wayOf } from "./settings.js";
import { blamed, explained } from "./why.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../loading.js").Loaded} Loaded */
/** @typedef {import("./branches.js").Branch} Branch */
/** @typedef {import("./branches.js").Known} Known */
/** @typedef {import("./health.js").Layer} Layer */
/** @typedef {import("./network.js").Network} Network */
/** @typedef {import("./offered.js").Offer} Offer */
/** @typedef {import("./settings.js").Live} Live */
/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {import("./training.js").Score} Score */
/** @typedef {import("./orders.js").Lesson} Lesson */
/** @typedef {import("./orders.js").Order} Order */
/** @typedef {import("./orders.js").Said} Said */
/** @typedef {import("./orders.js").Stand} Stand */

/** A training that another one has replaced. @typedef {Known & {settings: Settings}} Left */

/**
 * Who is told what there is to show. changed: something. loading: how many blocks are here. began:
 * another training, for which a person left one that had learned. settled: the settings are others,
 * or where it stands and waits. blame: settings that it became no number by.
 * @typedef {{
 *   say: (text: string, inAllViews?: boolean) => void, complain: (message: string) => void, changed: () => void,
 *   loading: (loaded: Loaded) => void, blame: (names: (keyof Settings)[]) => void, began: (left: Left | null) => void, settled: () => void,
 *   answered: (split: string, score: Score) => void,
 *   layers: (step: number, layers: Layer[]) => void,
 * }} Tell
 */

const LIVE = ["rate", "momentum", "decay"];
const GOAL = ["accuracy", "loss"];
const BRIEF = 2000; // milliseconds: a training that is younger is not worth a way back

export class Session {
  /** @param {Dataset} dataset @param {Offer[] | null} offers @param {Tell} tell */
  constructor(dataset, offers, tell) {
    this.dataset = dataset;
    this.offers = offers;
    this.tell = tell;
    /** @type {Settings} */ this.settings = { ...DEFAULTS };
    this.begun = 0; // the number of the training that was begun last,
    this.shownNumber = 0; // and of the one that is shown
    this.runNumber = 0; // of the run that was ordered last
    this.isRunning = false;
    this.wanted = false; // to learn as soon as that is possible,
    this.steps = Infinity; // and so many,
    this.past = ""; // of which these are known
    this.since = 0; // when the one that is shown began
    /** @type {Left | null} */ this.leaving = null; // what a person replaces, until then
    this.greeting = ""; // what is said of the next one, once it is ready
    this.isGiven = false; // it goes on from a network that settings alone do not lead to
    this.forks = 0; // that were asked for
    this.isHalted = false; // it learned until a person went elsewhere
    /** @type {Stand | null} */ this.visited = null; // where the worker was sent, until it is there
    this.branches = new Branches(new Progress(this.settings, null));
    this.questions = new Questions((order) => this.#order(order));
    this.worker = workerOf("train/worker.js");
    this.worker.onmessage = ({ data }) => this.#take(data);
    this.worker.onerror = () => this.#fail("the worker that trains has ended: reload the page");
    this.#order({ kind: "open", dataset });
  }

  /** That is shown. */
  get branch() {
    return this.branches.shown;
  }

  get progress() {
    return this.branch.progress;
  }

  /** Whether it learns steps again that were learned once. */
  get isAgain() {
    return this.steps !== Infinity;
  }

  /** Whether there is a training that takes orders: until another one is made, there is none. */
  get isReady() {
    return this.progress.isReady && this.begun === this.shownNumber;
  }

  /** The widths of all layers. */
  get sizes() {
    const { shape, classes } = this.dataset;
    return [shape.reduce((a, b) => a * b, 1), ...this.settings.hidden, classes.length];
  }

  /** What is known of the step where it waits, or that it learns again up to. @returns {Known} */
  get stands() {
    if (this.isAgain) return { step: this.steps, past: this.past };
    return this.isReady && !this.isRunning ? this.branches.known : { step: 0, past: "" };
  }

  /** @param {Order} order */
  #order(order) {
    this.worker.postMessage(order);
  }

  // --- what the worker says ---

  /** @param {Said} said */
  #take(said) {
    if (said.kind === "failed") return this.#failed(said);
    if (said.kind === "loading") return this.tell.loading(said.loaded);
    if (said.kind === "ended") return this.#ended(said);
    if (said.kind === "saved" || said.kind === "found" || said.kind === "raced") return this.questions.take(said);
    if (said.number !== this.begun) return; // of a training that is over
    if (said.kind === "answer") return this.questions.take(said);
    if (said.kind === "ready") this.#ready(said);
    else if (said.kind === "forked") this.#forked(said);
    else {
      const branch = this.branches.named(said.branch);
      if (branch) this.#hear(said, branch);
    }
    if (this.visited) this.progress.step = this.visited.step; // whatever came from where it was before
    this.tell.changed();
  }

  /** @param {Extract<Said, {branch: number}>} said @param {Branch} branch that it is of */
  #hear(said, branch) {
    if (said.kind === "steps") branch.progress.steps(said);
    if (said.kind === "score") this.#score(said, branch);
    if (said.kind === "diverged") this.#diverged(said, branch);
    if (said.kind === "kept") branch.every = said.every;
    if (said.kind === "changed" && branch.progress.way) branch.progress.way = said.way;
    if (said.kind === "changed") this.tell.settled(); // the address knows it now
    if (said.kind === "at") this.#at(said);
    if (said.kind === "layers" && branch === this.branch) this.tell.layers(said.step, said.layers);
  }

  /** @param {Extract<Said, {kind: "failed"}>} said */
  #failed({ number, message }) {
    if (number !== null && number !== this.begun) return;
    if (number === null) return this.#fail(message);
    // What was trained before is still there, and is shown.
    this.begun = this.shownNumber;
    if (this.visited) this.#order({ kind: "visit", at: this.visited }); // on its way it was interrupted
    const sentence = /[.?!]$/.test(message) ? message : `${message}.`;
    if (!this.progress.isReady) return this.#fail(`${sentence} Reset tries again.`);
    const { accuracy, loss } = this.settings;
    this.settings = { ...this.progress.settings, accuracy, loss };
    this.#fail(`${sentence} The training from before is still here.`);
  }

  /** @param {string} message */
  #fail(message) {
    this.tell.complain(message);
    this.wanted = false;
    this.#setRunning(false);
    this.tell.say("");
    this.tell.settled();
  }

  /** @param {Extract<Said, {kind: "ended"}>} said */
  #ended({ run, reached }) {
    if (run !== this.runNumber) return;
    if (this.isAgain) this.tell.say(""); // they are learned again
    this.steps = Infinity;
    this.#setRunning(false);
    this.tell.settled(); // a step that was under way is done now
    if (!reached) return;
    const { accuracy, loss } = this.settings;
    const goals = [accuracy === null ? "" : `${accuracy} %`, loss === null ? "" : `a loss of ${loss}`];
    this.tell.say(`stopped by itself: the test set reached ${goals.filter(Boolean).join(" or ")}`);
  }

  /** @param {Extract<Said, {kind: "ready"}>} said */
  #ready(said) {
    this.shownNumber = said.number;
    const left = this.#left();
    this.branches = new Branches(new Progress(this.settings, said));
    this.visited = null;
    this.isHalted = false;
    if (this.isGiven) this.progress.way = null;
    this.forks = 0;
    this.tell.began(left);
    this.tell.say(this.greeting);
    this.#setRunning(false);
    if (!this.wanted) this.steps = Infinity;
    if (!this.wanted) return this.tell.settled();
    this.wanted = this.steps === Infinity;
    this.#run(this.steps);
    if (!this.wanted) this.tell.say(`learning again up to step ${this.steps.toLocaleString("en")} ...`, true);
  }

  /** What a person leaves, where it has learned for a while. @returns {Left | null} */
  #left() {
    const { leaving, since, progress: { from, end, step, way } } = this;
    const isLong = performance.now() - since > BRIEF;
    this.since = performance.now();
    if (leaving?.step) return leaving; // it was just learned again
    if (!leaving || !isLong || end === from) return null;
    return { settings: { ...leaving.settings, ...(way && liveAt(way, step)) }, ...this.branches.known };
  }

  /** @param {Extract<Said, {kind: "score"}>} said @param {Branch} branch */
  #score({ step, split, score }, branch) {
    if (branch === this.branch) this.tell.answered(split, score);
    if (split === "test") branch.progress.tested(step, score);
  }

  /** @param {Extract<Said, {kind: "diverged"}>} said @param {Branch} branch */
  #diverged(said, branch) {
    this.wanted = false;
    branch.progress.back(said.at);
    this.#setRunning(false);
    this.tell.complain(explained(said, this.settings, this.sizes));
    this.tell.blame(blamed(this.settings));
  }

  /** It stands where it was sent. @param {Extract<Said, {kind: "at"}>} said */
  #at({ branch, step, live }) {
    if (branch !== this.visited?.branch || step !== this.visited.step) return; // it was sent on
    this.visited = null;
    this.progress.step = step;
    this.tell.say(this.isHalted ? `paused: Go on learns on from step ${step.toLocaleString("en")}` : "");
    this.#set(live);
  }

  /** @param {Extract<Said, {kind: "forked"}>} said */
  #forked({ branch: number, step, of, live, way, lesson }) {
    const parent = this.branches.named(of);
    if (!parent) return;
    const isAgain = of === number; // a fork that begins with a lesson, and has one more now
    const made = isAgain ? parent : this.branches.fork(number, parent, { ...this.settings, ...live }, step, way);
    if (lesson) {
      made.lessons += 1;
      made.progress.score = null; // it is of the network before
    }
    if (this.visited) return; // it was sent elsewhere meanwhile
    this.branches.shown = made;
    const name = isAgain ? made.of : parent.name;
    this.tell.say(`${made.name} goes on from step ${step.toLocaleString("en")} of ${name}`);
    this.#set(live);
  }

  /** What is shown was learned by these. @param {Live} live */
  #set({ rate, momentum, decay }) {
    this.settings = { ...this.settings, rate, momentum, decay };
    this.tell.settled();
  }

  // --- orders ---

  /** Learn, from now on or as soon as that is possible. */
  start() {
    this.wanted = true;
    this.steps = Infinity;
    if (this.begun !== this.shownNumber) return; // it is being made
    if (this.progress.isReady) this.#run(Infinity);
    else this.begin(this.settings);
  }

  /** @param {number} steps */
  #run(steps) {
    this.tell.complain("");
    this.tell.say("");
    this.runNumber += 1;
    this.isHalted = false;
    this.#setRunning(true);
    this.#order({ kind: "run", number: this.runNumber, steps });
  }

  pause() {
    this.wanted = false;
    this.#setRunning(false);
    this.#order({ kind: "pause" });
  }

  /** @param {boolean} running */
  #setRunning(running) {
    const isNew = running !== this.isRunning;
    this.isRunning = running;
    if (isNew) this.tell.settled();
    this.tell.changed();
  }

  /** A training anew, or from a network that has learned; what is shown stays until it is ready. It
   * learns then, if it learns now, or is wanted to.
   * @param {Settings} settings @param {Known} [known] a step that it learns up to
   * @param {Network} [from] */
  begin(settings, { step, past } = { step: 0, past: "" }, from) {
    this.settings = settings;
    this.leaving = null;
    this.greeting = "";
    this.isGiven = from !== undefined;
    this.wanted ||= this.isRunning;
    this.steps = step || Infinity;
    this.past = past;
    this.tell.complain("");
    this.tell.say("a network is made ...");
    this.begun = Math.max(this.begun, this.shownNumber) + 1;
    this.runNumber += 1; // what ends now is another's
    this.#order({ kind: "begin", number: this.begun, settings, way: wayOf(past, settings), from });
  }

  /** The same, by a person's wish: from what is left for it there is a way back.
   * @param {Settings} settings @param {Network} [from] */
  #replace(settings, from) {
    const { settings: own, steps, past } = this;
    const leads = this.isAgain ? { step: steps, past } : { step: 0, past: "" };
    const leaving = this.isReady ? { settings: own, ...leads } : this.leaving;
    this.begin(settings, undefined, from);
    this.leaving = leaving;
  }

  /** From a network on, that was saved, and wait. @param {Network} network @param {string} whose it is */
  goOn(network, whose) {
    const { hidden, activation, seed, step } = network;
    const now = this.settings;
    const own = { hidden, activation: activation ?? now.activation, seed: seed ?? now.seed };
    const settings = settingsOf(typedOf({ ...now, ...own }));
    const lacks = missing(settings, this.offers);
    if (lacks) throw new Error(lacks);
    this.pause();
    this.#replace(settings, network);
    const learned = step ? `has learned ${step.toLocaleString("en")} steps` : "has not learned";
    this.greeting = `This is ${whose}: ${this.sizes.join("-")}, which ${learned}. A reload loses it; Download keeps it.`;
    this.tell.settled();
  }

  /** Begin anew, and wait. @param {number} seed */
  anew(seed) {
    this.pause();
    this.#replace({ ...this.settings, seed });
    this.tell.settled();
  }

  /** Learn so many steps, and wait. @param {number} steps */
  once(steps) {
    this.wanted = false;
    this.steps = Infinity;
    this.#run(steps);
  }

  /** One of the settings is another. @param {Settings} settings @param {string} name */
  change(settings, name) {
    const { rate, momentum, decay, accuracy, loss } = settings;
    const { progress } = this;
    this.tell.complain(""); // it may have been of what is mended by this
    if (GOAL.includes(name)) this.#order({ kind: "goal", goal: { accuracy, loss } });
    else if (!LIVE.includes(name)) this.#replace(settings);
    // What came after this step has happened, by other numbers.
    else if (this.isReady && progress.step < progress.end) return this.fork(settings);
    else {
      progress.settings = settings;
      this.steps = Infinity; // it is not what was learned before
      this.#order({ kind: "set", live: { rate, momentum, decay } });
    }
    this.settings = settings;
    this.tell.settled();
  }

  /** Stand at a step that was learned. @param {Branch} branch @param {number} step */
  visit(branch, step) {
    if (!this.isReady) return this.tell.changed();
    this.isHalted ||= this.isRunning;
    this.pause();
    this.branches.shown = branch;
    this.progress.step = step;
    this.visited = { branch: branch.number, step };
    this.tell.say(`step ${step.toLocaleString("en")} is learned again ...`, true);
    this.#order({ kind: "visit", at: this.visited });
    this.tell.changed();
  }

  /** Stand at the last step of a branch. @param {number} number */
  choose(number) {
    const branch = this.branches.named(number);
    if (branch) this.visit(branch, branch.progress.end);
  }

  /** A branch from here on, by other numbers. @param {Settings} [settings] */
  fork({ rate, momentum, decay } = this.settings) {
    if (!this.isReady) return;
    const { of, progress: { from, end, settings } } = this.branch;
    const isSame = rate === settings.rate && momentum === settings.momentum && decay === settings.decay;
    if (of && from === end && isSame) return this.tell.say(`${this.branch.name} has learned nothing of its own yet`);
    if (!this.#hasRoom()) return this.tell.settled(); // by what it was set to
    this.forks += 1;
    this.#order({ kind: "fork", branch: this.forks, at: this.#stand, live: { rate, momentum, decay } });
    if (this.isRunning) this.#run(Infinity);
  }

  /** Where it stands; null while it goes on. @returns {Stand | null} */
  get #stand() {
    return this.isRunning ? null : { branch: this.branch.number, step: this.progress.step };
  }

  /** Whether there is room for another fork; where there is none, it is said. */
  #hasRoom() {
    const isFull = this.branches.all.length >= COLOURS.length;
    this.tell.complain(isFull ? `${COLOURS.length} side by side are the most: delete one, then fork.` : "");
    return !isFull;
  }

  /** Have the network learn a step from one example, in a fork that begins with it, and wait. Gives
   * the number of the fork; null where there can be none. @param {Lesson} lesson */
  teach(lesson) {
    const { branch, settings: { rate, momentum, decay }, progress: { from, step, end } } = this;
    const at = this.#stand;
    const isAgain = branch.lessons > 0 && at !== null && from === end && step === end; // one more
    if (!this.isReady || (!isAgain && !this.#hasRoom())) return null;
    if (!isAgain) this.forks += 1;
    this.pause();
    const number = isAgain ? branch.number : this.forks;
    this.#order({ kind: "fork", branch: number, at, live: { rate, momentum, decay }, lesson });
    return number;
  }

  /** Forget what is shown, which begins with a lesson, and stand where the training stood before. */
  unteach() {
    const { branch } = this;
    const parent = this.branches.all.find(({ name }) => name === branch.of);
    if (!this.isReady || !branch.lessons || !parent || !this.branches.drop(branch)) return;
    this.visit(parent, branch.progress.from);
    this.#order({ kind: "drop", branch: branch.number });
  }

  /** Forget a branch; the last one stays. @param {number} number */
  drop(number) {
    const branch = this.branches.named(number);
    if (!this.isReady || !branch || !this.branches.drop(branch)) return;
    if (branch === this.branch) this.choose(this.branches.all[0].number);
    this.#order({ kind: "drop", branch: number });
    this.tell.changed();
  }

  /** Have the last branch back that was dropped, until another is made. */
  restore() {
    const dropped = this.isReady && this.branches.restore();
    if (!dropped) return;
    this.#order({ kind: "restore" });
    if (dropped.wasShown) this.visit(dropped.branch, dropped.branch.progress.step);
    this.tell.changed();
  }

  /** Whether anybody looks at the layers. @param {boolean} on */
  watch(on) {
    this.#order({ kind: "watch", on });
  }

  /** Not to wait with what failed. */
  again() {
    this.#order({ kind: "again" });
  }
}
