// @ts-check
// What the network makes of one image as it stands, in the worker: what every layer gives, the
// gradient of its loss in every layer, the weights of one neuron, and what all neurons give for a
// whole set of examples. Nothing is learned by it.

/** @typedef {import("../../../page/wasm.js").Module} Module */
/** @typedef {import("./examples.js").Examples} Examples */

/**
 * layer: 0 is the image, whose entries are its neurons; the last one gives the logits.
 * @typedef {{layer: number, neuron: number}} Neuron
 */

/**
 * outputs: of each layer after its activation function; the last are the logits. deltas: the gradient
 * of the loss by what each layer gives before its activation function.
 * @typedef {{
 *   outputs: Float32Array[], probabilities: Float32Array,
 *   loss: number | null, deltas: Float32Array[] | null,
 * }} Pass
 */

/** The weights of a neuron: of what it is given, and of what it gives to the next layer.
 * @typedef {Neuron & {incoming: Float32Array | null, bias: number, outgoing: Float32Array | null}} Wires */

/** What a network makes of an image; of one with a label its loss and deltas too, where they are asked for.
 * @param {Module} module @param {Uint8Array} image @param {number | null} label
 * @param {boolean} back @returns {Pass} */
export function passOf(module, image, label, back) {
  const read = (/** @type {string} */ entry, /** @type {string} */ name) =>
    /** @type {Float32Array} */ (module.array(name, entry).read());
  const all = (/** @type {string} */ entry, /** @type {RegExp} */ names) =>
    module.manifest.entries[entry].results.filter((name) => names.test(name)).map((name) => read(entry, name));
  module.array("images", "forward").write(image);
  module.run("forward");
  const outputs = [...all("forward", /^layer\.\d+$/), read("forward", "logits")];
  const probabilities = read("forward", "probabilities");
  if (!back || label === null) return { outputs, probabilities, loss: null, deltas: null };
  module.array("images", "backward").write(image);
  module.array("labels", "backward").write([label]);
  module.run("backward");
  const [loss] = read("backward", "loss");
  return { outputs, probabilities, loss, deltas: all("backward", /^delta\.\d+$/) };
}

/** How much the logit of a class rises with each entry of an image, where that goes from 0 to the
 * dataset's scale as 0 to 1. @param {Module} module @param {Uint8Array} image @param {number} label */
export function slopeOf(module, image, label) {
  module.array("images", "image_gradient").write(image);
  module.array("labels", "image_gradient").write([label]);
  module.run("image_gradient");
  return /** @type {Float32Array} */ (module.array("gradient", "image_gradient").read());
}

/** The weights of a neuron; null where there is none such. @param {Module} module
 * @param {Neuron} neuron @returns {Wires | null} */
export function wiresOf(module, { layer, neuron }) {
  /** The weights into a layer, (its neurons, those of the one before). @param {number} into */
  const weights = (into) => {
    const name = `model.${2 * (into - 1)}.weight`;
    return module.states.some(({ layout }) => layout.name === name) ? module.array(name) : null;
  };
  const [into, from] = [weights(layer), weights(layer + 1)];
  const count = into ? into.layout.shape[0] : layer === 0 && from ? from.layout.shape[1] : 0;
  if (!(neuron >= 0 && neuron < count)) return null;
  const line = (/** @type {typeof into} */ of, /** @type {0 | 1} */ axis) =>
    of && /** @type {Float32Array} */ (of.line(axis, neuron));
  const bias = into ? Number(module.array(`model.${2 * (layer - 1)}.bias`).read()[neuron]) : 0;
  return { layer, neuron, incoming: line(into, 0), bias, outgoing: line(from, 1) };
}
