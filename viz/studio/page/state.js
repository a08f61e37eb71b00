// @ts-check
// The page's one state, and the address that holds it, so that a link opens what its sender saw.

import { NEAREST } from "./data/grid.js";
import { DEFAULTS, typedOf } from "./train/settings.js";

/** @typedef {import("./api.js").Dataset} Dataset */

/**
 * `x`, `y`: the place in the grid, in cells, that is in the middle; `zoom`: pixels of a cell, or WHOLE
 * or OPENING. `digit`: the example in hand, in all views, -1 for none.
 * @typedef {{
 *   view: View, dataset: string, split: string, label: number, answer: number, wrong: number,
 *   sort: Sort, x: number, y: number, zoom: number, digit: number,
 *   hidden: string, activation: string, optimizer: string, batch: string, dropout: string,
 *   rate: string, momentum: string, decay: string, seed: string, accuracy: string, loss: string,
 *   step: number, past: string, layer: number, neuron: number, backward: number, camera: string,
 *   drawing: string, why: number, drawn: number, meant: number,
 * }} State from hidden to loss as they are typed in Train; step: of the training, which stands there; past: what else
 * was set on the way to it; answer: the class that the network takes them for; wrong: 1 for those that it gets wrong;
 * layer, neuron: the one that Network shows, layer 0 is the image, -1 for none; backward: 1 for the way back;
 * camera: what is in the middle there, and how large, "" for all of it; drawing: in Draw,
 * as its strokes.js writes it; why: the class of which it shows what speaks for it; drawn: 1 where Network shows the
 * drawing in place of an example; meant: the class that a person says the drawing is, -1 where they do not
 * @typedef {"train" | "data" | "network" | "draw"} View
 * @typedef {"index" | "class" | "ink" | "typical" | "loss" | "confidence"} Sort
 */

/** @type {View[]} */
export const VIEWS = ["train", "data", "network", "draw"];
/** @type {Sort[]} */
const SORTS = ["index", "class", "ink", "typical", "loss", "confidence"];

/** Where all examples are seen. */
export const WHOLE = { x: 0, y: 0, zoom: 0 };
/** Where the first ones are seen, large enough to be read: all would be a noise of grey. */
export const OPENING = { x: 0, y: 0, zoom: -1 };

const MOST_STEPS = 1e7; // that an address may ask for
const [MOST_LAYERS, MOST_NEURONS] = [10, 65_536];

/** @type {State} */
export const START = {
  view: "train", dataset: "", split: "", label: -1, answer: -1, wrong: 0, sort: "index",
  ...OPENING, digit: -1,
  .../** @type {Pick<State, "hidden" | "activation" | "optimizer" | "batch" | "dropout" | "rate"
    | "momentum" | "decay" | "seed" | "accuracy" | "loss">} */ (typedOf(DEFAULTS)),
  step: 0, past: "", layer: -1, neuron: -1, backward: 0, camera: "", drawing: "", why: -1,
  drawn: 0, meant: -1,
};

/** The nearest state that a dataset allows. @param {State} state @param {Dataset} dataset */
export function settle(state, dataset) {
  const total = Object.values(dataset.splits).reduce((sum, { count }) => sum + count, 0);
  const { x, y, zoom } = state;
  const isPlace = x >= 0 && x <= total && y >= 0 && y <= total && zoom >= 0 && zoom <= NEAREST;
  return {
    ...state,
    view: VIEWS.includes(state.view) ? state.view : START.view,
    dataset: dataset.name,
    split: Object.hasOwn(dataset.splits, state.split) ? state.split : "",
    label: within(state.label, dataset.classes.length),
    answer: within(state.answer, dataset.classes.length),
    wrong: state.wrong === 1 ? 1 : 0,
    sort: SORTS.includes(state.sort) ? state.sort : "index",
    digit: within(state.digit, total),
    step: Math.max(0, within(state.step, MOST_STEPS)),
    layer: within(state.layer, MOST_LAYERS),
    neuron: within(state.neuron, MOST_NEURONS),
    backward: state.backward === 1 ? 1 : 0,
    camera: /^-?[\d.]+,-?[\d.]+,[\d.]+$/.test(state.camera) ? state.camera : "",
    why: within(state.why, dataset.classes.length),
    drawn: state.drawn === 1 ? 1 : 0,
    meant: within(state.meant, dataset.classes.length),
    ...(isPlace ? { x, y, zoom } : OPENING),
  };
}

/** Whether it is by the network's answers what Data shows, or in which order. @param {State} state */
export const asksNetwork = ({ wrong, answer, sort }) =>
  wrong === 1 || answer >= 0 || sort === "loss" || sort === "confidence";

/** What in an address makes no sense here, and is left out; in words, "" where all of it does. Of the
 * dataset, and of what is trained, others say so. @param {string} hash @param {Dataset} dataset */
export function wrongIn(hash, dataset) {
  const values = new URLSearchParams(hash.slice(1));
  const found = fromAddress(hash);
  const settled = settle({ ...START, ...found }, dataset);
  const { splits, classes } = dataset;
  const total = Object.values(splits).reduce((sum, { count }) => sum + count, 0);
  const ofClass = `0 to ${classes.length - 1}`;
  /** @type {[(keyof State)[], string][]} */ const expected = [
    [["view"], VIEWS.join(" or ")], [["split"], Object.keys(splits).join(" or ")], [["label"], ofClass],
    [["answer"], ofClass], [["wrong"], "0 or 1"], [["sort"], SORTS.join(", ")], [["digit"], `0 to ${total - 1}`],
    [["step"], `0 to ${MOST_STEPS}`], [["layer"], `0 to ${MOST_LAYERS - 1}`],
    [["neuron"], `0 to ${MOST_NEURONS - 1}`], [["backward"], "0 or 1"], [["why"], ofClass],
    [["drawn"], "0 or 1"], [["meant"], ofClass],
    [["camera"], "two places and a size, such as 100,-20,2.5"],
    [["x", "y", "zoom"], `cells from 0 to ${total}, and 0 to ${NEAREST} pixels of each`],
  ];
  const wrong = expected.flatMap(([names, what]) => {
    const given = names.filter((name) => found[name] !== undefined);
    if (given.every((name) => found[name] === settled[name])) return [];
    const texts = given.map((name) => values.get(name)?.slice(0, 40));
    return [`${given.join(", ")}: expected ${what}, found ${texts.join(", ")}`];
  });
  return wrong.length ? `in the address, ${wrong.join("; ")}: left out.` : "";
}

/** The set of an example, and its place there. @param {number} digit @param {Dataset} dataset */
export function placeOf(digit, { splits }) {
  let index = digit;
  for (const [split, { count }] of Object.entries(splits)) {
    if (index < count) return { split, index };
    index -= count;
  }
  return { split: "", index };
}

/** What is looked at: the example in hand, else the first one that is not learned from.
 * @param {number} digit @param {Dataset} dataset */
export const exampleOf = (digit, dataset) => digit < 0 ? { split: "test", index: 0 } : placeOf(digit, dataset);

/** The number of an example, by its set and its place there. @param {{split: string, index: number}} place
 * @param {Dataset} dataset */
export function digitOf({ split, index }, { splits }) {
  const before = Object.keys(splits).slice(0, Object.keys(splits).indexOf(split));
  return before.reduce((sum, name) => sum + splits[name].count, index);
}

/** @param {number} number @param {number} count */
const within = (number, count) =>
  Number.isInteger(number) && number >= 0 && number < count ? number : -1;

/** @param {string} hash @returns {Partial<State>} */
export function fromAddress(hash) {
  const values = new URLSearchParams(hash.slice(1));
  /** @type {Record<string, string | number>} */
  const found = {};
  for (const [name, usual] of Object.entries(START)) {
    const text = values.get(name);
    if (text === null) continue;
    found[name] = typeof usual === "number" ? Number(text) : text;
  }
  return found;
}

/** @param {State} state */
export function toAddress(state) {
  const values = new URLSearchParams();
  for (const [name, usual] of Object.entries(START)) {
    const value = state[/** @type {keyof State} */ (name)];
    if (value !== usual || name === "view") values.set(name, shortened(value));
  }
  return `#${values}`;
}

/** @param {string | number} value */
const shortened = (value) =>
  typeof value === "number" ? String(Math.round(value * 1000) / 1000) : value;
