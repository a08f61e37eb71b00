// @ts-check
// How a neuron comes to what it gives, as a sum that a person can add up: the strongest terms, what
// is left, the bias. And what the weights of an entry of the image are like. Numbers alone, no page.

/**
 * All numbers are rounded alike, so that what is shown adds up to the last digit: terms + rest + bias
 * = sum. value: of the sum by the activation function.
 * @typedef {{input: number, weight: number, given: number, term: number}} Term
 * @typedef {{terms: Term[], others: number, rest: number, bias: number, sum: number, value: number,
 *   digits: number}} Formula digits: after the point
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
    others: order.length - terms.length, rest: rest / unit, bias: whole(bias) / unit, sum: whole(sum) / unit,
    value, digits,
  };
}

/** The command that steps through the same in the debugger, by these very numbers: the strongest terms,
 * and the rest as one. @param {ArrayLike<number>} inputs @param {ArrayLike<number>} weights
 * @param {number} bias @param {string} activation */
export function neuronCommand(inputs, weights, bias, activation) {
  const order = largest(weights, (i) => inputs[i], Infinity);
  const shown = order.slice(0, TERMS);
  const rest = order.slice(TERMS).reduce((sum, { product }) => sum + product, 0);
  const sum = [...shown.map(({ at }) => `w${at}*a${at}`), "rest", "bias"].join(" + ");
  const values = shown.flatMap(({ at }) => [[`w${at}`, weights[at]], [`a${at}`, inputs[at]]]);
  const text = activation === "identity" ? sum : `${activation}(${sum})`;
  return command(text, [...values, ["rest", rest], ["bias", bias]]);
}

/** The same of the loss. @param {ArrayLike<number>} logits @param {number} label */
export function lossCommand(logits, label) {
  const values = Array.from(logits, (logit, i) => [`z${i}`, logit]);
  return command(`log(${values.map(([name]) => `exp(${name})`).join(" + ")}) - z${label}`, values);
}

/** @param {string} text @param {(string | number)[][]} values */
function command(text, values) {
  const said = values.map(([name, value]) => `${name}=${Number(Number(value).toPrecision(9))}`);
  return `python -m viz debug "${text}" --at ${said.join(" ")}`;
}

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
