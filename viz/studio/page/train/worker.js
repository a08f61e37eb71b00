// @ts-check
// The worker that trains: it takes orders from the page, and tells it how the training goes on.

import { readSafetensors } from "../../../page/safetensors.js";
import { load, variant } from "../../../page/wasm.js";
import { moduleOf } from "../api.js";
import { fetchExamples } from "./examples.js";
import { architectureOf } from "./settings.js";
import { Training } from "./training.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../../../page/tensors.js").Tensor} Tensor */
/** @typedef {import("./examples.js").Examples} Examples */
/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {import("./training.js").Place} Place */
/** @typedef {import("./training.js").Score} Score */

/**
 * begin: anew, from what the seed gives, or from `weights`. run: for so many steps (Infinity: until
 * it is paused). set: other numbers from the next step on. save: gives the weights.
 * @typedef {{kind: "open", dataset: Dataset}
 *   | {kind: "begin", settings: Settings, weights: Map<string, Tensor> | null}
 *   | {kind: "run", steps: number} | {kind: "pause"}
 *   | {kind: "set", rate: number, momentum: number, decay: number}
 *   | {kind: "save"}} Order
 * @typedef {{kind: "blocks", split: string, here: number, flying: number, of: number}
 *   | {kind: "ready", steps: number, batch: number, flops: number, parameters: number}
 *   | {kind: "steps", step: number, epoch: number, losses: Float32Array, rights: Float32Array,
 *      seconds: number}
 *   | {kind: "score", step: number, epoch: number, split: string, score: Score}
 *   | {kind: "paused", step: number}
 *   | {kind: "diverged", step: number, epoch: number, loss: number}
 *   | {kind: "saved", step: number, states: Map<string, Tensor>}
 *   | {kind: "failed", message: string}} Said
 */

const post = (/** @type {Said} */ said) =>
  /** @type {{postMessage: (said: Said) => void}} */ (/** @type {unknown} */ (self)).postMessage(said);

const CHECKS = 4; // looks at the test set in an epoch
const KEPT_EVERY = 50; // steps between places that a divergence goes back to

/** @type {Dataset} */ let dataset;
/** @type {{train: Examples, test: Examples, mean: Float32Array}} */ let data;
/** @type {Training | null} */ let training = null;
/** @type {AbortController | null} */ let running = null;
/** @type {Promise<void>} */ let busy = Promise.resolve();

self.onmessage = ({ data: given }) => {
  const order = /** @type {Order} */ (given);
  if (order.kind === "pause") return running?.abort();
  if (order.kind === "set") return training?.set(order);
  if (order.kind !== "save") running?.abort();
  // One after the other: what is begun ends before the next begins.
  busy = busy.then(() => follow(order)).catch((error) => {
    post({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  });
};

/** @param {Order} order */
async function follow(order) {
  if (order.kind === "open") await open(order.dataset);
  if (order.kind === "begin") await begin(order.settings, order.weights);
  if (order.kind === "run") await run(order.steps);
  if (order.kind === "save" && training) {
    post({ kind: "saved", step: training.step, states: training.module.snapshot() });
  }
}

/** @param {Dataset} opened */
async function open(opened) {
  dataset = opened;
  const fetched = ["test", "train"].map((split) =>
    fetchExamples(dataset, split, (here, flying, of) => post({ kind: "blocks", split, here, flying, of }))
  );
  const [test, train] = await Promise.all(fetched);
  data = { train, test, mean: train.mean(dataset.scale) };
}

/** @param {Settings} settings @param {Map<string, Tensor> | null} weights */
async function begin(settings, weights) {
  const name = architectureOf(settings, dataset, variant() === "relaxed");
  const { manifest, bytes, states } = await moduleOf(name, settings.seed);
  const module = await load(bytes, manifest);
  const { tensors } = readSafetensors(states);
  for (const [key, tensor] of weights ?? []) tensors.set(key, tensor);
  training = new Training(module, data.train, settings, tensors, data.mean);
  let parameters = 0;
  for (const { layout: { name: state, shape } } of module.states) {
    if (state.startsWith("model.") && shape.length) parameters += shape.reduce((a, b) => a * b, 1);
  }
  post({ kind: "ready", steps: training.steps, batch: training.batch, flops: training.flops, parameters });
  await look();
}

/** Learn. @param {number} steps */
async function run(steps) {
  if (!training) return;
  running = new AbortController();
  const { signal } = running;
  let kept = training.place();
  let left = steps;
  const every = Math.max(1, Math.floor(training.steps / CHECKS));
  while (left > 0 && !signal.aborted) {
    const until = every - (training.position % every);
    const before = training.step;
    if (before - stepOf(kept) >= KEPT_EVERY) kept = training.place();
    let start = performance.now();
    for await (const { losses, rights } of training.learn(Math.min(left, until), signal)) {
      const bad = losses.findIndex((loss) => !Number.isFinite(loss));
      const now = performance.now();
      const seconds = (now - start) / 1000;
      start = now;
      if (bad >= 0) {
        const step = training.step - losses.length + bad + 1;
        post({ kind: "diverged", step, epoch: training.epoch, loss: losses[bad] });
        training.goTo(kept);
        await look();
        return end();
      }
      post({ kind: "steps", step: training.step, epoch: training.epoch, losses, rights, seconds });
    }
    left -= training.step - before;
    if (training.position % every === 0 && !signal.aborted) await look();
  }
  if (training.position % every) await look();
  end();
  await look("train");
}

/** @param {Place} place */
const stepOf = ({ epoch, position }) => epoch * (training?.steps ?? 0) + position;

function end() {
  running = null;
  post({ kind: "paused", step: training?.step ?? 0 });
}

/** Tell how a set is answered. @param {"train" | "test"} [split] */
async function look(split = "test") {
  if (!training) return;
  const { step, epoch } = training;
  post({ kind: "score", step, epoch, split, score: await training.score(data[split], turn) });
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
