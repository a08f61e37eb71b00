// @ts-check
// TensorFlow.js on its wasm backend, by `optimizer.minimize` or by hand.
//
// What was tried: its products of transposed arrays, which all its gradients of products have, are
// plain loops. With gradients by hand that transpose first, a step takes a quarter of the time.
// Nobody trains like that, but it is what the library can do.

/** @import { Contestant, Race } from "./worker.js" */
/**
 * What of the library is used.
 * @typedef {{dataSync: () => Float32Array}} Tensor
 * @typedef {Tensor & {assign: (value: Tensor) => void}} Variable
 * @typedef {{
 *   minimize: (loss: () => Tensor, returnCost: boolean) => Tensor, dispose: () => void,
 * }} Optimizer
 * @typedef {(a: Tensor, b: Tensor | number) => Tensor} Binary
 * @typedef {(a: Tensor) => Tensor} Unary
 * @typedef {{
 *   wasm: {
 *     setWasmPaths: (folder: string) => void, setThreadsCount: (threads: number) => void,
 *     getThreadsCount: () => number,
 *   },
 *   setBackend: (name: string) => Promise<boolean>, tidy: (made: () => Tensor) => Tensor,
 *   dispose: (tensors: Tensor[]) => void, variable: (value: Tensor) => Variable,
 *   tensor1d: (data: Float32Array) => Tensor,
 *   tensor2d: (data: Float32Array, shape: number[]) => Tensor,
 *   zerosLike: Unary, transpose: Unary, exp: Unary, logSoftmax: Unary, step: Unary,
 *   add: Binary, sub: Binary, mul: Binary, div: Binary, matMul: (a: Tensor, b: Tensor) => Tensor,
 *   sum: (a: Tensor, axis?: number) => Tensor,
 *   fused: {
 *     matMul: (of: {a: Tensor, b: Tensor, bias: Tensor, activation?: string}) => Tensor,
 *   },
 *   losses: {softmaxCrossEntropy: (hot: Tensor, logits: Tensor) => Tensor},
 *   train: {momentum: (rate: number, momentum: number) => Optimizer},
 * }} Tf
 * @typedef {{begin: () => void, step: (images: Tensor, hot: Tensor) => Tensor}} Stepper
 */

const LIBRARY = "/peers/tfjs/tf.es2017.min.js";
const BACKEND = "/peers/tfjs-wasm/";

/** @param {number} threads @returns {Promise<Tf>} */
async function loaded(threads) {
  if (threads > 1) { // it takes at most half of the machine's cores, of two cores one
    Object.defineProperty(navigator, "hardwareConcurrency", { value: 2 * threads });
  }
  await import(LIBRARY);
  await import(`${BACKEND}tf-backend-wasm.es2017.min.js`);
  const tf = /** @type {Tf} */ (Reflect.get(self, "tf"));
  tf.wasm.setWasmPaths(BACKEND);
  tf.wasm.setThreadsCount(threads);
  await tf.setBackend("wasm");
  return tf;
}

/** @param {Race} race @returns {Promise<Contestant>} */
export async function contestant(race) {
  const { weights: { w1, b1, w2, b2 }, batch, gather } = race;
  const tf = await loaded(race.threads);
  const first = [
    tf.transpose(tf.tensor2d(w1, [128, 784])), tf.tensor1d(b1),
    tf.transpose(tf.tensor2d(w2, [10, 128])), tf.tensor1d(b2),
  ];
  const parameters = first.map((p) => tf.variable(p));
  const { begin, step } = (race.byHand ? byHand : minimized)(tf, race, parameters);
  const x = new Float32Array(batch * 784);
  const y = new Int32Array(batch);
  const hot = new Float32Array(batch * 10);

  const epoch = (/** @type {Int32Array} */ order) => {
    const losses = [];
    for (let i = 0; i < order.length; i += batch) {
      gather(order.subarray(i, i + batch), x, y);
      hot.fill(0);
      y.forEach((label, row) => hot[10 * row + label] = 1);
      const inputs = [tf.tensor2d(x, [batch, 784]), tf.tensor2d(hot, [batch, 10])];
      losses.push(step(inputs[0], inputs[1]));
      tf.dispose(inputs);
    }
    const numbers = losses.map((loss) => loss.dataSync()[0]);
    tf.dispose(losses);
    return numbers;
  };
  return {
    begin: () => {
      parameters.forEach((p, i) => p.assign(first[i]));
      begin();
    },
    epoch,
    threads: () => tf.wasm.getThreadsCount(),
  };
}

/** @param {Tf} tf @param {Race} race @param {Variable[]} parameters @returns {Stepper} */
function minimized(tf, { rate, momentum }, [w1, b1, w2, b2]) {
  /** @type {Optimizer} */ let optimizer; // which holds the velocities
  return {
    begin: () => {
      optimizer?.dispose();
      optimizer = tf.train.momentum(rate, momentum);
    },
    step: (images, hot) =>
      optimizer.minimize(() => {
        const hidden = tf.fused.matMul({ a: images, b: w1, bias: b1, activation: "relu" });
        const logits = tf.fused.matMul({ a: hidden, b: w2, bias: b2 });
        return tf.losses.softmaxCrossEntropy(hot, logits);
      }, true),
  };
}

/** @param {Tf} tf @param {Race} race @param {Variable[]} parameters @returns {Stepper} */
function byHand(tf, { rate, momentum, batch }, parameters) {
  const [w1, b1, w2, b2] = parameters;
  const velocities = parameters.map((p) => tf.variable(tf.zerosLike(p)));
  /** @type {Stepper["step"]} */
  const step = (images, hot) => {
    const hidden = tf.fused.matMul({ a: images, b: w1, bias: b1, activation: "relu" });
    const logProbabilities = tf.logSoftmax(tf.fused.matMul({ a: hidden, b: w2, bias: b2 }));
    const delta = tf.div(tf.sub(tf.exp(logProbabilities), hot), batch);
    const back = tf.mul(tf.matMul(delta, tf.transpose(w2)), tf.step(hidden));
    const gradients = [
      tf.matMul(tf.transpose(images), back), tf.sum(back, 0),
      tf.matMul(tf.transpose(hidden), delta), tf.sum(delta, 0),
    ];
    parameters.forEach((p, i) => {
      velocities[i].assign(tf.add(tf.mul(velocities[i], momentum), gradients[i]));
      p.assign(tf.sub(p, tf.mul(velocities[i], rate)));
    });
    return tf.div(tf.sum(tf.mul(hot, logProbabilities)), -batch);
  };
  return {
    begin: () => velocities.forEach((v) => v.assign(tf.zerosLike(v))),
    step: (images, hot) => tf.tidy(() => step(images, hot)),
  };
}
