// @ts-check
// The worker that trains: it takes orders from the page, and tells it how the training goes on.
// Orders come while it learns. What is begun or run is called by a number, which stands in all that
// is said of it: the page knows by that what is of a training that is over.

import { readSafetensors } from "../../../page/safetensors.js";
import { load, variant } from "../../../page/wasm.js";
import { moduleOf } from "../api.js";
import { fetchExamples } from "./examples.js";
import { goingOn } from "./network.js";
import { architectureOf } from "./settings.js";
import { Training } from "./training.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../../../page/tensors.js").Tensor} Tensor */
/** @typedef {import("./examples.js").Examples} Examples */
/** @typedef {import("./network.js").Network} Network */
/** @typedef {import("./settings.js").Live} Live */
/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {import("./training.js").Place} Place */
/** @typedef {import("./training.js").Score} Score */

/**
 * begin: a training anew, or from where a network stands. run: for so many steps (Infinity: until it is paused). set: other numbers
 * from the next step on. save: gives the weights.
 * @typedef {{kind: "open", dataset: Dataset}
 *   | {kind: "begin", number: number, settings: Settings, from?: Network}
 *   | {kind: "run", number: number, steps: number} | {kind: "pause"}
 *   | {kind: "set", live: Live} | {kind: "save"}} Order
 * @typedef {{kind: "loading", share: number}
 *   | {kind: "ready", number: number, step: number, steps: number, flops: number,
 *      parameters: number}
 *   | {kind: "steps", number: number, step: number, losses: Float32Array, rights: Float32Array,
 *      seconds: number}
 *   | {kind: "score", number: number, step: number, split: string, score: Score}
 *   | {kind: "ended", run: number}
 *   | {kind: "diverged", number: number, step: number, epoch: number, loss: number, at: number}
 *   | {kind: "saved", step: number, settings: Settings, states: Map<string, Tensor>}
 *   | {kind: "failed", number: number | null, message: string}} Said
 */

const post = (/** @type {Said} */ said) =>
  /** @type {{postMessage: (said: Said) => void}} */ (/** @type {unknown} */ (self)).postMessage(said);

const CHECKS = 4; // looks at the test set in an epoch,
const EARLY = [10, 30, 60]; // and steps after which there is one besides, in the first
const KEPT_EVERY = 50; // steps between places that a divergence goes back to

/** @type {Dataset} */ let dataset;
/** @type {Promise<{train: Examples, test: Examples, mean: Float32Array}> | null} */ let examples = null;
/** What was fetched, by its name. @type {Map<string, Awaited<ReturnType<typeof moduleOf>>>} */
const modules = new Map();
/** @type {Training | null} */ let training = null;
let begun = 0; // the number of the training
/** @type {Live | null} */ let live = null; // what was set last
let newest = new AbortController(); // of the order that is followed, or waits to be
/** @type {Promise<void>} */ let busy = Promise.resolve();

self.onmessage = ({ data: given }) => {
  const order = /** @type {Order} */ (given);
  if (order.kind === "pause") newest.abort();
  if (order.kind === "set") {
    live = order.live;
    training?.set(live);
  }
  if (order.kind === "save" && training) {
    const { step, settings } = training;
    post({ kind: "saved", step, settings: { ...settings, ...live }, states: training.module.snapshot() });
  }
  if (order.kind === "open") dataset = order.dataset;
  if (order.kind !== "begin" && order.kind !== "run") return;
  if (order.kind === "begin") live = order.settings;
  newest.abort();
  newest = new AbortController();
  const { signal } = newest;
  const number = order.kind === "begin" ? order.number : null;
  // One after the other: what is begun ends before the next begins.
  busy = busy
    .then(() => order.kind === "begin" ? begin(order, signal) : run(order, signal))
    .catch((error) => {
      post({ kind: "failed", number, message: error instanceof Error ? error.message : String(error) });
    });
};

/** The examples; where they could not be had, the next one asks again. */
function digits() {
  examples ??= fetched().catch((error) => {
    examples = null;
    throw error;
  });
  return examples;
}

async function fetched() {
  /** @type {Map<string, number>} */ const shares = new Map();
  const [test, train] = await Promise.all(["test", "train"].map((split) =>
    fetchExamples(dataset, split, (share) => {
      shares.set(split, share * dataset.splits[split].count);
      const all = dataset.splits.test.count + dataset.splits.train.count;
      post({ kind: "loading", share: [...shares.values()].reduce((sum, each) => sum + each, 0) / all });
    })
  ));
  return { train, test, mean: train.mean(dataset.scale) };
}

/** @param {Extract<Order, {kind: "begin"}>} order @param {AbortSignal} signal */
async function begin({ number, settings, from }, signal) {
  if (signal.aborted) return; // another one was begun meanwhile
  const { train, mean } = await digits();
  const name = architectureOf(settings, dataset, variant() === "relaxed");
  const key = `${name} ${settings.seed}`;
  const parts = modules.get(key) ?? await moduleOf(name, settings.seed);
  modules.set(key, parts);
  if (modules.size > 8) modules.delete([...modules.keys()][0]);
  const module = await load(parts.bytes, parts.manifest);
  const { tensors } = readSafetensors(parts.states);
  const states = from ? goingOn(tensors, from.tensors) : tensors;
  training = new Training(module, train, settings, states, mean, from?.step);
  if (live) training.set(live);
  begun = number;
  let parameters = 0;
  for (const { layout: { name: state, shape } } of module.states) {
    if (state.startsWith("model.") && shape.length) parameters += shape.reduce((a, b) => a * b, 1);
  }
  const { step, steps, flops } = training;
  post({ kind: "ready", number, step, steps, flops, parameters });
  await look("test", signal);
}

/** Learn. @param {Extract<Order, {kind: "run"}>} order @param {AbortSignal} signal */
async function run({ number, steps }, signal) {
  if (training) await learn(training, steps, signal);
  post({ kind: "ended", run: number });
  if (newest.signal !== signal) return; // the next order waits
  await look("test", signal, true);
  await look("train", signal, true);
}

/** @param {Training} it @param {number} steps @param {AbortSignal} signal */
async function learn(it, steps, signal) {
  let kept = it.place();
  const end = it.step + steps;
  while (it.step < end && !signal.aborted) {
    if (it.step - kept.step >= KEPT_EVERY) kept = it.place();
    const until = nextLook(it);
    if (!await slices(it, Math.min(end, until) - it.step, kept, signal)) return;
    if (it.step === until && !signal.aborted) await look("test", signal);
  }
}

/** The step at which the test set is looked at next. @param {Training} it */
function nextLook({ step, steps, epoch, position }) {
  const every = Math.max(1, Math.floor(steps / CHECKS));
  const regular = epoch * steps + Math.min(steps, (Math.floor(position / every) + 1) * every);
  return EARLY.find((early) => early > step && early < regular) ?? regular;
}

/** Learn for some steps: whether all losses were finite. Where one is not, go back.
 * @param {Training} it @param {number} steps @param {Place} kept @param {AbortSignal} signal */
async function slices(it, steps, kept, signal) {
  let start = performance.now();
  for await (const { losses, rights } of it.learn(steps, signal)) {
    const now = performance.now();
    const seconds = (now - start) / 1000;
    start = now;
    const bad = losses.findIndex((loss) => !Number.isFinite(loss));
    if (bad < 0) {
      post({ kind: "steps", number: begun, step: it.step, losses, rights, seconds });
      continue;
    }
    const step = it.step - losses.length + bad + 1;
    const said = { step, epoch: it.epoch, loss: losses[bad] };
    it.goTo(kept);
    if (live) it.set(live);
    post({ kind: "diverged", number: begun, ...said, at: it.step });
    return false;
  }
  return true;
}

/** Tell how a set is answered. @param {"train" | "test"} split @param {AbortSignal} signal
 * @param {boolean} [idle] after a run, whose own signal may be aborted: until the next order comes */
async function look(split, signal, idle = false) {
  if (!training) return;
  const { step } = training;
  const goesOn = () => newest.signal === signal && (idle || !signal.aborted);
  const score = await training.score((await digits())[split], turn, goesOn);
  if (score) post({ kind: "score", number: begun, step, split, score });
}

/** Others' turn: orders come in as messages. */
function turn() {
  return /** @type {Promise<void>} */ (new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage(null);
  }));
}
