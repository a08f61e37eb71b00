// @ts-check
// What is searched for an image, in the worker: each kind of search is ended by the next of its kind.
// What searches otherwise than at every stroke is fetched when it is wanted first.

import { Nearest } from "../draw/nearest.js";
import { post, turn } from "./orders.js";

/** @typedef {import("../draw/pushes.js").Pushes} Pushes */
/** @typedef {import("./orders.js").Search} Search */
/** @typedef {import("./training.js").Training} Training */

const EVERY = 250; // milliseconds between two words of a search that takes its time
const NEAREST = 8; // examples that are searched for,
const PART = 8; // for so many milliseconds at once

/** Of each kind, the one that came last. @type {Map<Search["of"], number>} */
const newest = new Map();

/** @param {Search} search @param {Training} training @param {number} scale of the images
 * @param {() => string} standing where the network stands, in words that tell it from elsewhere */
export async function search(search, training, scale, standing) {
  const { id, of, image } = search;
  newest.set(of, id);
  const { module, examples } = training;
  if (of === "flip") {
    const { flipOf } = await import("../draw/flip.js");
    return post({ kind: "found", id, of, step: training.step, flip: flipOf(module, image, scale) });
  }
  if (of === "without") {
    const { lossesOf } = await import("../draw/flip.js");
    return post({ kind: "found", id, of, step: training.step, losses: lossesOf(module, image, search.label) });
  }
  if (of === "pushes") {
    const { Pushes } = await import("../draw/pushes.js");
    return await push(id, training.step, new Pushes(module, examples, image, search.label, scale), standing);
  }
  const { step } = training;
  const nearest = new Nearest(examples, image, NEAREST);
  while (newest.get(of) === id && !nearest.look(PART)) await turn(); // nobody else waits for it
  if (newest.get(of) === id) post({ kind: "found", id, of, step, nearest: nearest.nearest });
}

/** Look which examples push, until the network is another. @param {number} id @param {number} step
 * @param {Pushes} pushes @param {() => string} standing */
async function push(id, step, pushes, standing) {
  const stand = standing();
  for (let [told, isDone] = [0, false]; !isDone; await turn()) {
    if (newest.get("pushes") !== id || standing() !== stand) return;
    isDone = pushes.look(PART);
    if (!isDone && performance.now() < told + EVERY) continue;
    told = performance.now();
    const { count, strongest, examples: { count: all } } = pushes;
    post({ kind: "found", id, of: "pushes", step, count, all, pushes: strongest });
  }
}
