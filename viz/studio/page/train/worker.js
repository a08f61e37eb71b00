// @ts-check
// The worker that trains: it takes orders from the page, and tells it how the training goes on.
// Orders come while it learns. What is begun or run is called by a number, which stands in all that
// is said of it: the page knows by that what is of a training that is over.

import { load, variant } from "../../../page/wasm.js";
import { again } from "../again.js";
import { moduleOf } from "../api.js";
import { Asked } from "./asked.js";
import { Branch, bytesOf, ROOM, thinned } from "./branch.js";
import { fetchExamples } from "./examples.js";
import { firstStates } from "./first.js";
import { layersOf } from "./health.js";
import { goingOn } from "./network.js";
import { post, turn } from "./orders.js";
import { architectureOf, isReached } from "./settings.js";
import { Training } from "./training.js";
import { causeOf } from "./why.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("./examples.js").Examples} Examples */
/** @typedef {import("./settings.js").Goal} Goal */
/** @typedef {import("./settings.js").Live} Live */
/** @typedef {import("./training.js").Place} Place */
/** @typedef {import("./orders.js").Lap} Lap */
/** @typedef {import("./orders.js").Order} Order */
/** @typedef {import("./orders.js").Search} Search */
/** @typedef {import("./orders.js").Stand} Stand */
/** @typedef {Extract<Order, {kind: "begin"}>} Begin */
/** @typedef {Extract<Order, {kind: "run"}>} Run */
/** @typedef {Extract<Order, {kind: "visit"}>} Visit */
/** @typedef {Extract<Order, {kind: "fork"}>} Fork */

const CHECKS = 4; // looks at the test set in an epoch,
const EARLY = [10, 30, 60]; // and steps after which there is one besides, in the first
const KEPT_EVERY = 50; // steps between places that a divergence may go back to
const WATCHED_EVERY = 300; // milliseconds between two looks at the layers,
const WATCHED_SHARE = 0.05; // which take at most so much of the time

/** @type {Dataset} */ let dataset;
/** @type {Promise<{train: Examples, test: Examples, mean: Float32Array}> | null} */ let examples = null;
/** What was fetched, by its name. @type {Map<string, Awaited<ReturnType<typeof moduleOf>>>} */
const modules = new Map();
/** @type {Training | null} */ let training = null;
let begun = 0; // the number of the training
/** @type {Map<number, Branch>} */ const branches = new Map();
/** @type {Branch | null} */ let dropped = null; // the last one, until another is made
/** @type {Branch} */ let branch; // that the training is on
/** @type {Stand | null} */ let wanted = null; // where it goes, while it is not there yet
/** @type {Live | null} */ let live = null; // what was set last
/** @type {Goal} */ let goal = { accuracy: null, loss: null };
let isOver = false; // the goal is reached; who goes on then, goes on
let isWatched = false;
let nextWatch = 0; // when the layers are looked at next
const asked = new Asked();
/** @type {Promise<void> | undefined} */ let novelty; // is fetched
let surveys = false; // it looks at the test set, or will
let newest = new AbortController(); // of the order that is followed, or waits to be
let beginning = new AbortController(); // of the training that is begun, which another one alone ends
let racing = new AbortController(); // of the lap that is made, which any order that takes its time ends
let visiting = new AbortController(); // of the visit, which no other order but a visit ends
/** @type {Promise<void>} */ let busy = Promise.resolve();

self.onmessage = ({ data }) => {
  const order = /** @type {Order} */ (data);
  if (order.kind === "open") dataset = order.dataset;
  if (order.kind === "pause") newest.abort();
  if (order.kind === "race") race(order.lap);
  if (order.kind === "set") set(order.live);
  if (order.kind === "goal") [goal, isOver] = [order.goal, false];
  if (order.kind === "again") again();
  if (order.kind === "drop") {
    dropped = branches.get(order.branch) ?? null;
    branches.delete(order.branch);
  }
  if (order.kind === "restore" && dropped) {
    branches.set(dropped.number, dropped);
    dropped = null;
  }
  if (order.kind === "save") (wanted ? busy : Promise.resolve()).then(save);
  if (order.kind === "watch") {
    isWatched = order.on;
    nextWatch = 0;
    if (isWatched) queue(() => Promise.resolve(watch()), null);
  }
  if (order.kind === "ask") {
    asked.question = order.question;
    if (order.question?.why !== undefined) novelty ??= asked.learnNovelty(dataset.name).then(() => answer());
    answer();
    surveySoon();
  }
  if (order.kind === "search" && training) seek(order.search, training).catch((error) => fail(error, null));
  const { kind } = order;
  if (kind === "begin" || kind === "run" || kind === "visit" || kind === "fork") follow(order);
};

/** Follow an order that takes its time, and end the one before. @param {Begin | Run | Visit | Fork} order */
function follow(order) {
  newest.abort();
  racing.abort();
  newest = new AbortController();
  const { signal } = newest;
  if (order.kind === "run") return queue(() => run(order, signal), null);
  if (order.kind === "fork") return queue(() => fork(order, signal), null);
  visiting.abort();
  visiting = new AbortController();
  const until = visiting.signal;
  if (order.kind === "begin") {
    beginning.abort();
    beginning = new AbortController();
    const isOld = beginning.signal;
    [live, goal, isOver, wanted] = [order.settings, order.settings, false, null];
    return queue(() => isOld.aborted ? Promise.resolve() : begin(order, signal), order.number);
  }
  wanted = order.at;
  return queue(() => visit(order.at, until, signal), null);
}

/** One after the other: what is begun ends before the next begins.
 * @param {() => Promise<void>} work @param {number | null} number of the training that it begins */
function queue(work, number) {
  busy = busy.then(work).catch((error) => fail(error, number));
}

/** Tell what went wrong. @param {unknown} error @param {number | null} number of the training that it ended */
const fail = (error, number) => post({ kind: "failed", number, message: wordsOf(error) });

/** @param {unknown} error */
const wordsOf = (error) => error instanceof Error ? error.message : String(error);

/** Search; what searches is fetched when it is wanted first. @param {Search} wanted @param {Training} it */
async function seek(wanted, it) {
  const { search } = await import("./searches.js");
  await search(wanted, it, dataset.scale, standing);
}

/** Make a lap; what makes it is fetched when it is wanted first. @param {Lap | null} lap */
function race(lap) {
  racing.abort();
  racing = new AbortController();
  const { signal } = racing;
  queue(async () => {
    try {
      const { forget, lapOf } = await import("../race/lap.js");
      if (!lap) return forget();
      post({ kind: "raced", lapped: await lapOf(lap, dataset, await digits(), signal), problem: "" });
    } catch (error) {
      post({ kind: "raced", lapped: null, problem: wordsOf(error) });
    }
  }, null);
}

/** Other numbers, from the next step on. @param {Live} numbers */
function set(numbers) {
  live = numbers;
  if (!training) return;
  const at = wanted ?? { branch: branch.number, step: training.step };
  const changed = branches.get(at.branch);
  changed?.change(at.step, numbers);
  if (changed) post({ kind: "changed", number: begun, branch: at.branch, way: changed.way });
  if (!wanted) training.set(numbers);
}

function save() {
  if (!training) return;
  const { step, settings } = training;
  post({ kind: "saved", step, settings: { ...settings, ...live }, states: training.module.snapshot() });
}

/** The examples; where they could not be had, the next one asks again. */
function digits() {
  examples ??= fetched().catch((error) => {
    examples = null;
    throw error;
  });
  return examples;
}

async function fetched() {
  const sets = await fetchExamples(dataset, ["test", "train"], (loaded) => post({ kind: "loading", loaded }));
  return { ...sets, mean: sets.train.mean(dataset.scale) };
}

/** @param {Begin} order @param {AbortSignal} signal */
async function begin({ number, settings, way, from }, signal) {
  const { train, test, mean } = await digits();
  const name = architectureOf(settings, dataset, variant() === "relaxed");
  const parts = modules.get(name) ?? await moduleOf(`modules/${name}`);
  modules.set(name, parts);
  if (modules.size > 8) modules.delete([...modules.keys()][0]);
  const module = await load(parts.bytes, parts.manifest);
  const first = firstStates(module.states.map(({ layout }) => layout), settings);
  const states = from ? goingOn(first, from.tensors) : first;
  training = new Training(module, train, settings, states, mean, from?.step);
  way[way.length - 1].live = live ?? settings; // it may have been set anew meanwhile
  branch = new Branch(0, training.place(), way[0].live);
  branch.changes = way.map((change, i) => i ? change : branch.changes[0]);
  training.set(way[0].live);
  branches.clear();
  dropped = null;
  branches.set(0, branch);
  begun = number;
  asked.sets = { train, test };
  asked.stand = ""; // what was surveyed was of another network
  let parameters = 0;
  for (const { layout: { name: state, shape } } of module.states) {
    if (state.startsWith("model.") && shape.length) parameters += shape.reduce((a, b) => a * b, 1);
  }
  const { step, steps, flops } = training;
  post({ kind: "ready", number, step, steps, flops, parameters, way: branch.way });
  watch();
  answer();
  await look("test", signal);
  surveySoon();
}

/** Learn. @param {Run} order @param {AbortSignal} signal */
async function run({ number, steps }, signal) {
  const reached = training !== null && await learn(training, steps, signal);
  post({ kind: "ended", run: number, reached });
  answer();
  if (newest.signal === signal) await lookAtAll(signal);
}

/** Stand at a step, and tell how the network is there. @param {Stand} at
 * @param {AbortSignal} until it is no more wanted @param {AbortSignal} signal */
async function visit(at, until, signal) {
  const isThere = training !== null && await reach(training, at, until);
  if (until.aborted) return; // another one is wanted
  wanted = null;
  if (!isThere) return;
  live = branch.liveAt(at.step);
  isOver = false;
  post({ kind: "at", number: begun, ...at, live });
  answer();
  if (newest.signal === signal) await lookAtAll(signal);
}

/** Go back to the place before a step, where it is not nearer, and learn from there on again; whether it
 * got there. @param {Training} it @param {Stand} at @param {AbortSignal} until */
async function reach(it, { branch: number, step }, until) {
  const of = branches.get(number);
  if (!of || until.aborted) return false;
  const place = of.before(step);
  const isBetween = of === branch && it.step >= place.step && it.step <= step;
  branch = of;
  if (!isBetween) it.goTo(place);
  while (it.step < step && !until.aborted) {
    it.set(branch.liveAt(it.step));
    const most = Math.min(step, branch.changeAfter(it.step)) - it.step;
    for await (const _ of it.learn(most, until)); // its losses are known
  }
  it.set(branch.liveAt(step));
  return it.step === step;
}

/** A new branch, which is gone on with. @param {Fork} order @param {AbortSignal} signal */
async function fork({ branch: number, at, live: numbers, lesson }, signal) {
  if (!training || (at && !await reach(training, at, beginning.signal))) return;
  if (bytesOf(training.place()) * (branches.size + 1) > ROOM) {
    throw new Error(`there is room for ${branches.size} of such networks alone: delete a branch, then fork`);
  }
  if (lesson) training.teach(lesson.image, lesson.label);
  const place = training.place();
  const of = branch.number;
  branch = new Branch(number, place, numbers, branch.way.filter(({ step }) => step < place.step));
  branches.set(number, branch);
  dropped = null;
  thinned([...branches.values()]);
  live = numbers;
  training.set(live);
  post({
    kind: "forked", number: begun, branch: number, step: place.step, of, live,
    way: lesson ? null : branch.way, lesson: lesson !== undefined,
  });
  tellKept();
  answer();
  await look("test", signal);
  surveySoon();
}

/** How far its places lie apart. */
const tellKept = () => post({ kind: "kept", number: begun, branch: branch.number, every: branch.every });

/** The place where a training stands, which its branch may keep. @param {Training} it */
function kept(it) {
  const place = it.place();
  if (branch.keep(place)) {
    thinned([...branches.values(), ...(dropped ? [dropped] : [])]);
    tellKept();
  }
  return place;
}

/** Whether the goal was reached. @param {Training} it @param {number} steps @param {AbortSignal} signal */
async function learn(it, steps, signal) {
  let place = kept(it);
  const end = it.step + steps;
  while (it.step < end && !signal.aborted) {
    it.set(branch.liveAt(it.step));
    if (it.step - place.step >= KEPT_EVERY) place = kept(it);
    watch();
    const until = nextLook(it);
    const most = Math.min(end, until, branch.changeAfter(it.step)) - it.step;
    if (!await slices(it, most, place, signal)) return false;
    if (it.step !== until || signal.aborted) continue;
    const score = await look("test", signal, false, true);
    if (!score || isOver || !isReached(goal, score)) continue;
    isOver = true;
    return true;
  }
  return false;
}

/** The step at which the test set is looked at next. @param {Training} it */
function nextLook({ step, steps, epoch, position }) {
  const every = Math.max(1, Math.floor(steps / CHECKS));
  const regular = epoch * steps + Math.min(steps, (Math.floor(position / every) + 1) * every);
  return EARLY.find((early) => early > step && early < regular) ?? regular;
}

/** Learn for some steps: whether all losses were finite. Where one is not, go back.
 * @param {Training} it @param {number} steps @param {Place} place the last one
 * @param {AbortSignal} signal */
async function slices(it, steps, place, signal) {
  let start = performance.now();
  for await (const { losses, rights } of it.learn(steps, signal)) {
    const now = performance.now();
    const seconds = (now - start) / 1000;
    start = now;
    if (it.step - losses.length === place.step) branch.judge(place, losses[0], Math.log(dataset.classes.length));
    const bad = losses.findIndex((loss) => !Number.isFinite(loss));
    if (bad < 0) {
      post({ kind: "steps", number: begun, branch: branch.number, step: it.step, losses, rights, seconds });
      if (asked.isDue) answer(true);
      continue;
    }
    diverged(it, place, it.step - losses.length + bad + 1, losses[bad]);
    return false;
  }
  return true;
}

/** Tell why, and go back to where the loss was sane: weights of 1e15 give a finite one too.
 * @param {Training} it @param {Place} place the last one @param {number} step whose loss was not finite
 * @param {number} loss */
function diverged(it, place, step, loss) {
  const epoch = Math.floor((step - 1) / it.steps);
  const cause = causeOf(it, place, step, (each) => branch.liveAt(each));
  const { sane } = branch;
  it.goTo(sane);
  branch.cut(sane.step);
  if (live) set(live);
  post({ kind: "diverged", number: begun, branch: branch.number, step, epoch, loss, at: sane.step, cause });
}

/** Tell how the layers fare, where somebody looks and it is time to. */
function watch() {
  const start = performance.now();
  if (!training || !isWatched || start < nextWatch) return;
  const { step } = training;
  post({ kind: "layers", number: begun, branch: branch.number, step, layers: layersOf(training) });
  const now = performance.now();
  nextWatch = now + Math.max(WATCHED_EVERY, (now - start) / WATCHED_SHARE);
}

/** Answer what is asked, unless it is on its way elsewhere. @param {boolean} [learns] as it goes on */
function answer(learns = false) {
  if (!training || wanted) return;
  const { step } = training;
  const found = asked.answer(training, standing(), learns);
  if (found) post({ ...found, kind: "answer", number: begun, branch: branch.number, step });
}

/** Where the training stands, in words that tell it from elsewhere. */
const standing = () => `${begun} ${branch.number} ${training?.step}`;

/** Look at what the test set excites, once nothing else is to be done; another order ends it. */
function surveySoon() {
  if (surveys || !training || !asked.isOpen(standing())) return;
  surveys = true;
  const { signal } = newest;
  queue(async () => {
    surveys = false;
    while (training && !wanted && newest.signal === signal && asked.look(training, standing())) {
      if (asked.isDue) answer();
      await turn();
    }
    answer();
  }, null);
}

/** Where it stands and learns no more. @param {AbortSignal} signal */
async function lookAtAll(signal) {
  nextWatch = 0;
  watch();
  const score = await look("test", signal, true);
  if (score && isReached(goal, score)) isOver = true; // who goes on has seen it
  await look("train", signal, true);
  surveySoon();
}

/** Tell how a set is answered. @param {"train" | "test"} split @param {AbortSignal} signal
 * @param {boolean} [idle] after a run, whose own signal may be aborted: until the next order comes
 * @param {boolean} [learns] it goes on from there: what is asked is answered when that is due */
async function look(split, signal, idle = false, learns = false) {
  if (!training) return null;
  const { step } = training;
  const goesOn = () => newest.signal === signal && (idle || !signal.aborted);
  const score = await training.score((await digits())[split], turn, goesOn);
  if (score) post({ kind: "score", number: begun, branch: branch.number, step, split, score });
  if (score && (!learns || asked.isDue)) answer(learns); // which is shown with it
  return score;
}
