// @ts-check
// What the page orders of the worker that trains, and what that says; and how the worker says it.

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../../../page/tensors.js").Tensor} Tensor */
/** @typedef {import("../loading.js").Loaded} Loaded */
/** @typedef {import("../draw/flip.js").Flip} Flip */
/** @typedef {import("../draw/nearest.js").Near} Near */
/** @typedef {import("../draw/pushes.js").Push} Push */
/** @typedef {import("../race/lap.js").Lap} Lap */
/** @typedef {import("../race/lap.js").Lapped} Lapped */
/** @typedef {import("./asked.js").Answer} Answer */
/** @typedef {import("./asked.js").Question} Question */
/** @typedef {import("./health.js").Layer} Layer */
/** @typedef {import("./network.js").Network} Network */
/** @typedef {import("./settings.js").Change} Change */
/** @typedef {import("./settings.js").Goal} Goal */
/** @typedef {import("./settings.js").Live} Live */
/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {import("./training.js").Score} Score */
/** @typedef {import("./why.js").Divergence} Divergence */

/** An example of nobody's, and what it is. @typedef {{image: Uint8Array, label: number}} Lesson */

/** What is searched for an image: the training examples nearest to it, the smallest change of it that
 * the network takes for something else, what the logit of a class loses without each entry, or which
 * training examples push that logit most, told again and again while they are looked at.
 * @typedef {{of: "nearest" | "flip", image: Uint8Array} | {of: "without" | "pushes", image: Uint8Array, label: number}} Sought
 * @typedef {Sought & {id: number}} Search */

/** A step of a branch. @typedef {{branch: number, step: number}} Stand */

/**
 * begin: a training anew, or from where a network stands; on branch 0. way: what is set when, the last
 * of them as in the settings. run: for so many steps (Infinity: until it is paused). set: other
 * numbers from the next step on. goal: where it stops by itself. visit: stand at a step that was
 * learned. fork: a new branch from a step on, or (at: null) from where it stands; it may begin with
 * a lesson, and then be the same branch once more. drop: forget a branch; restore: have the last
 * one of them back. watch: whether to tell how the layers fare. ask: a question, which is answered
 * again while it learns, until there is another or none. save: gives the weights. search: what is
 * told once it is found. race: a lap of it, once nothing else is to be done; null: no more of them.
 * again: not to wait with what failed.
 * @typedef {{kind: "open", dataset: Dataset}
 *   | {kind: "begin", number: number, settings: Settings, way: Change[], from?: Network}
 *   | {kind: "run", number: number, steps: number} | {kind: "pause"}
 *   | {kind: "set", live: Live} | {kind: "goal", goal: Goal}
 *   | {kind: "visit", at: Stand}
 *   | {kind: "fork", branch: number, at: Stand | null, live: Live, lesson?: Lesson}
 *   | {kind: "drop", branch: number} | {kind: "restore"}
 *   | {kind: "watch", on: boolean} | {kind: "ask", question: Question | null}
 *   | {kind: "search", search: Search} | {kind: "race", lap: Lap | null}
 *   | {kind: "save"} | {kind: "again"}} Order
 * @typedef {{kind: "loading", loaded: Loaded}
 *   | {kind: "ready", number: number, step: number, steps: number, flops: number,
 *      parameters: number, way: Change[]}
 *   | Stand & {kind: "steps", number: number, losses: Float32Array, rights: Float32Array,
 *      seconds: number}
 *   | Stand & {kind: "score", number: number, split: string, score: Score}
 *   | {kind: "ended", run: number, reached: boolean}
 *   | Divergence & {kind: "diverged", number: number, branch: number}
 *   | Stand & {kind: "at", number: number, live: Live}
 *   | Stand & {kind: "forked", number: number, of: number, live: Live, way: Change[] | null,
 *      lesson: boolean}
 *   | {kind: "changed", number: number, branch: number, way: Change[]}
 *   | {kind: "kept", number: number, branch: number, every: number}
 *   | Stand & {kind: "layers", number: number, layers: Layer[]}
 *   | Stand & Answer & {kind: "answer", number: number}
 *   | {kind: "found", id: number, of: "nearest", step: number, nearest: Near[]}
 *   | {kind: "found", id: number, of: "flip", step: number, flip: Flip | null}
 *   | {kind: "found", id: number, of: "without", step: number, losses: Float32Array}
 *   | {kind: "found", id: number, of: "pushes", step: number, count: number, all: number, pushes: Push[]}
 *   | {kind: "raced", lapped: Lapped | null, problem: string}
 *   | {kind: "saved", step: number, settings: Settings, states: Map<string, Tensor>}
 *   | {kind: "failed", number: number | null, message: string}} Said
 */

/** Tell the page. @param {Said} said */
export const post = (said) =>
  /** @type {{postMessage: (said: Said) => void}} */ (/** @type {unknown} */ (self)).postMessage(said);

/** Others' turn: orders come in as messages. */
export function turn() {
  return /** @type {Promise<void>} */ (new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage(null);
  }));
}
