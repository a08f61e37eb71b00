// @ts-check
// The weights of a training as a file, which `python -m models.mnist evaluate` and PyTorch read.

import { writeSafetensors } from "../../../page/safetensors.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../../../page/tensors.js").Tensor} Tensor */
/** @typedef {import("./orders.js").Said} Said */

/** @param {Dataset} dataset @param {Extract<Said, {kind: "saved"}>} saved */
export function fileOf(dataset, { step, settings: { hidden, activation, seed }, states }) {
  const sizes = [dataset.shape.reduce((a, b) => a * b, 1), ...hidden, dataset.classes.length];
  const splits = dataset.whole ?? dataset.splits; // it may have learned from a part of them
  const described = { ...dataset, splits, source: { source: [dataset.name] } };
  const metadata = { sizes, activation, dataset: described, seed, step };
  const texts = Object.entries(metadata).map(([name, value]) =>
    /** @type {[string, string]} */ ([name, JSON.stringify(value)])
  );
  const kept = [...states].flatMap(([name, tensor]) => namedInFile(name, tensor));
  return writeSafetensors(new Map(kept), new Map(texts));
}

/** A state of the module as it is called in a file of weights; the page's own are left out.
 * @param {string} name @param {Tensor} tensor @returns {[string, Tensor][]} */
function namedInFile(name, tensor) {
  if (name.startsWith("model.dropouts.") || name === "mean") return [];
  return [[name.replace(/^model\./, ""), tensor]];
}
