// @ts-check
// How a neuron comes to what it gives, as a sum that a person can add up: the strongest terms, what
// is left, the bias. And what the weights of an entry of the image are like. Numbers alone, no page.

/**
 * All numbers are rounded alike, so that what is shown adds up to the last digit: terms + rest + bias
 * = sum. value: of the sum by the activation function. left: the rest, not rounded.
 * @typedef {{input: number, weight: number, given: number, term: number}} Term
 * @typedef {{terms: Term[], others: number, rest: number, left: number, bias: number, sum: number,
 *   value: number, digits: number}} Formula digits: after the point
 * An expression, and its numbers, as the debugger takes them.
 * @typedef {{of: string, at: string}} Steps
 * @typedef {{low: number, high: number, mean: number, size: number}} Fan
 */

const TERMS = 6; // that are written out
const DIGITS = 3; // after the first one of the sum, or of the bias

/** The activation functions by which a positive sum stays what it is. */
const LETS_THROUGH = ["relu", "leaky_relu"];

/**
 * @param {ArrayLike<number>} inputs @param {ArrayLike<number>} weights @param {number} bias
 * @param {number} value that the neuron gives @param {string} activation
 * @returns {Formula}
 */
export function formulaOf(inputs, weights, bias, value, activation) {
  let exact = bias;
  for (let i = 0; i < weights.length; i++) exact += weights[i] * inputs[i];
  // What the module gives was added up in another order: the last bits differ, and may round otherwise.
  const isSame = activation === "identity" || (LETS_THROUGH.includes(activation) && value > 0);
  const sum = isSame ? value : exact;
  const greatest = Math.max(Math.abs(sum), Math.abs(bias));
  const digits = Math.min(8, Math.max(0, DIGITS - Math.floor(Math.log10(greatest || 1))));
  const unit = 10 ** digits;
  const whole = (/** @type {number} */ number) => Math.round(number * unit) + 0; // never -0
  const order = largest(weights, (i) => inputs[i], Infinity);
  const terms = order.slice(0, TERMS).map(({ at, product }) => ({
    input: at, weight: weights[at], given: inputs[at], term: whole(product),
  }));
  const rest = terms.reduce((left, { term }) => left - term, whole(sum) - whole(bias));
  return {
    terms: terms.map((each) => ({ ...each, term: each.term / unit })),
    others: order.length - terms.length, rest: rest / unit,
    left: order.slice(TERMS).reduce((left, { product }) => left + product, 0),
    bias: whole(bias) / unit, sum: whole(sum) / unit, value, digits,
  };
}

/** How the debugger steps through the same, by these very numbers: the strongest terms, and the rest as
 * one. @param {Formula} formula @param {number} bias @param {string} activation
 * @param {string} from what an input is @returns {Steps} */
export function neuronSteps({ terms, left }, bias, activation, from) {
  const sum = [...terms.map(({ input }) => `w${input}*${from}${input}`), "rest", "bias"].join(" + ");
  const values = terms.flatMap(({ input, weight, given }) => [[`w${input}`, weight], [`${from}${input}`, given]]);
  const of = activation === "identity" ? sum : `${activation}(${sum})`;
  return { of, at: valued([...values, ["rest", left], ["bias", bias]]) };
}

/** The same of the loss. @param {ArrayLike<number>} logits @param {number} label @returns {Steps} */
export function lossSteps(logits, label) {
  const values = Array.from(logits, (logit, i) => [`logit${i}`, logit]);
  return { of: `log(${values.map(([name]) => `exp(${name})`).join(" + ")}) - logit${label}`, at: valued(values) };
}

/** With nine digits a float32 is whole. @param {(string | number)[][]} values */
const valued = (values) => values.map(([name, value]) => `${name}=${Number(Number(value).toPrecision(9))}`).join(" ");

/** What weights are like; size: the mean of them without their signs.
 * @param {ArrayLike<number>} weights @returns {Fan} */
export function fanOf(weights) {
  let [low, high, sum, size] = [Infinity, -Infinity, 0, 0];
  for (let i = 0; i < weights.length; i++) {
    low = Math.min(low, weights[i]);
    high = Math.max(high, weights[i]);
    sum += weights[i];
    size += Math.abs(weights[i]);
  }
  return { low, high, mean: sum / weights.length, size: size / weights.length };
}

/** The places of the largest products, by size. @param {ArrayLike<number>} weights
 * @param {(i: number) => number} given @param {number} most
 * @returns {{at: number, product: number}[]} */
export function largest(weights, given, most) {
  return Array.from(weights, (weight, at) => ({ at, product: weight * given(at) }))
    .filter(({ product }) => product !== 0)
    .sort((a, b) => Math.abs(b.product) - Math.abs(a.product)).slice(0, most);
}
