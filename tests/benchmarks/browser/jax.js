// @ts-check
// jax-js on its wasm backend: one jitted step of the loss, its gradient and the momentum.
//
// What was tried: weights held as (out, in) take 0.7 of the time of (in, out). Its queue has to be
// waited for at each step, else it grows, and an epoch takes four times as long. Rows gathered on
// the device, one-hot labels from outside and logsumexp are as slow or slower.

/** @import { Contestant, Race } from "./worker.js" */
/**
 * What of the library is used.
 * @typedef {{
 *   ref: JaxArray, add: (by: JaxArray) => JaxArray, sub: (by: JaxArray) => JaxArray,
 *   mul: (by: JaxArray | number) => JaxArray, sum: () => JaxArray, transpose: () => JaxArray,
 *   jsAsync: () => Promise<number>,
 * }} JaxArray
 * @typedef {{w1: JaxArray, b1: JaxArray, w2: JaxArray, b2: JaxArray}} Layers
 * @typedef {(layers: Layers, x: JaxArray, y: JaxArray) => JaxArray} Loss
 * @typedef {(...args: Parameters<Loss>) => [JaxArray, Layers]} LossAndGradient
 * @typedef {(p: Layers, v: Layers, x: JaxArray, y: JaxArray) => [Layers, Layers, JaxArray]} Step
 * @typedef {{shape?: number[], dtype?: string}} Options
 * @typedef {{
 *   init: (device: string) => Promise<string[]>, defaultDevice: (device: string) => string,
 *   jit: (step: Step) => Step, valueAndGrad: (loss: Loss) => LossAndGradient,
 *   blockUntilReady: (arrays: (Layers | JaxArray)[]) => Promise<unknown>,
 *   numpy: {
 *     array: (data: Float32Array | Int32Array, options?: Options) => JaxArray, int32: string,
 *     matmul: (a: JaxArray, b: JaxArray) => JaxArray, zerosLike: (a: JaxArray) => JaxArray,
 *   },
 *   nn: {
 *     relu: (x: JaxArray) => JaxArray, logSoftmax: (x: JaxArray) => JaxArray,
 *     oneHot: (labels: JaxArray, classes: number) => JaxArray,
 *   },
 *   tree: {
 *     ref: (layers: Layers) => Layers, dispose: (layers: Layers | undefined) => void,
 *     map: (each: (...arrays: JaxArray[]) => JaxArray, ...trees: Layers[]) => Layers,
 *   },
 * }} Jax
 */

const LIBRARY = "/peers/jax-js/index.js";

/** @param {Race} race @returns {Promise<Contestant>} */
export async function contestant({ weights, batch, rate, momentum, gather }) {
  const jax = /** @type {Jax} */ (await import(LIBRARY));
  const { numpy: np, tree } = jax;
  await jax.init("wasm");
  jax.defaultDevice("wasm");
  const step = stepOf(jax, batch, rate, momentum);
  const x = new Float32Array(batch * 784);
  const y = new Int32Array(batch);
  /** @type {Layers} */ let parameters;
  /** @type {Layers} */ let velocities;

  const begin = () => {
    tree.dispose(parameters);
    tree.dispose(velocities);
    parameters = {
      w1: np.array(weights.w1, { shape: [128, 784] }),
      b1: np.array(weights.b1),
      w2: np.array(weights.w2, { shape: [10, 128] }),
      b2: np.array(weights.b2),
    };
    velocities = tree.map((p) => np.zerosLike(p.ref), parameters);
  };
  const epoch = async (/** @type {Int32Array} */ order) => {
    const losses = [];
    for (let i = 0; i < order.length; i += batch) {
      gather(order.subarray(i, i + batch), x, y);
      const images = np.array(x, { shape: [batch, 784] });
      const labels = np.array(y, { dtype: np.int32 });
      const done = step(parameters, velocities, images, labels);
      await jax.blockUntilReady(done);
      losses.push(done[2]);
      [parameters, velocities] = done;
    }
    return Promise.all(losses.map((loss) => loss.jsAsync()));
  };
  return { begin, epoch, threads: (workers) => workers || 1 };
}

/** @param {Jax} jax @param {number} batch @param {number} rate @param {number} momentum */
function stepOf({ jit, nn, numpy: np, tree, valueAndGrad }, batch, rate, momentum) {
  /** @type {Loss} */
  const lossOf = ({ w1, b1, w2, b2 }, x, y) => {
    const hidden = nn.relu(np.matmul(x, w1.transpose()).add(b1));
    const logits = np.matmul(hidden, w2.transpose()).add(b2);
    return nn.logSoftmax(logits).mul(nn.oneHot(y, 10)).sum().mul(-1 / batch);
  };
  return jit((parameters, velocities, x, y) => {
    const [loss, gradients] = valueAndGrad(lossOf)(tree.ref(parameters), x, y);
    const faster = tree.map((v, g) => v.mul(momentum).add(g), velocities, gradients);
    const moved = tree.map((p, v) => p.sub(v.ref.mul(rate)), parameters, faster);
    return [moved, faster, loss];
  });
}
