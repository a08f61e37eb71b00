// @ts-check
// What a training is set to, what of that a module is made for, and what may change while it runs.

/** @typedef {import("../api.js").Dataset} Dataset */

/**
 * hidden: the widths of the layers between.
 * @typedef {{
 *   hidden: number[], activation: string, optimizer: string, batch: number, dropout: number,
 *   rate: number, momentum: number, decay: number, seed: number,
 *   accuracy: number | null, loss: number | null,
 * }} Settings accuracy, in %, and loss: of the test set, at which it stops; null: it does not
 */

/** What may change while it learns. @typedef {Pick<Settings, "rate" | "momentum" | "decay">} Live */

/** What is set from a step on. @typedef {{step: number, live: Live}} Change */

/** Where it stops. @typedef {Pick<Settings, "accuracy" | "loss">} Goal */

export const ACTIVATIONS = ["relu", "leaky_relu", "gelu", "tanh", "sigmoid", "softplus", "identity"];
export const OPTIMIZERS = ["sgd", "adam", "adamw"];
export const MOST = { layers: 8, width: 4096, batch: 4096, seed: 2 ** 32 - 1 };
const RATES = /** @type {Record<string, number>} */ ({ sgd: 0.1, adam: 0.001, adamw: 0.001 });

/** @type {Settings} */
export const DEFAULTS = {
  hidden: [128], activation: "relu", optimizer: "sgd", batch: 128, dropout: 0,
  rate: 0.1, momentum: 0.9, decay: 0, seed: 0, accuracy: null, loss: null,
};

/** Settings as they are typed, by name. @param {Settings} settings @returns {Record<string, string>} */
export const typedOf = (settings) =>
  Object.fromEntries(Object.entries(settings).map(([name, value]) => [
    name, Array.isArray(value) ? value.join(",") : String(value ?? ""),
  ]));

/** Whether a score is what it was to reach.
 * @param {Goal} goal @param {{right: number, count: number, loss: number}} score */
export const isReached = ({ accuracy, loss }, score) =>
  (accuracy !== null && 100 * score.right >= accuracy * score.count) || (loss !== null && score.loss <= loss);

/** What is set at a step. @param {Change[]} way in order, from the beginning on @param {number} step */
export const liveAt = (way, step) => (way.findLast((change) => change.step <= step) ?? way[0]).live;

/** What was set on the way to a step, before what is set there, as an address has it: each as
 * rate_momentum_decay_step, up to which step it was; "" where nothing else was.
 * @param {Change[]} way @param {number} step */
export function pastOf(way, step) {
  const written = (/** @type {Change} */ { live: { rate, momentum, decay } }) => [rate, momentum, decay].join("_");
  const gone = way.filter((change) => change.step <= step);
  const others = gone.filter((change, i) => i === 0 || written(change) !== written(gone[i - 1]));
  return others.slice(0, -1).map((change, i) => `${written(change)}_${others[i + 1].step}`).join("*");
}

/** The way of which that was the past. Throws an Error where it is none.
 * @param {string} past @param {Live} last what is set after it @returns {Change[]} */
export function wayOf(past, { rate, momentum, decay }) {
  const way = /** @type {Change[]} */ ([]);
  let step = 0;
  for (const part of past.split("*").filter(Boolean)) {
    const [rate, momentum, decay, until] = part.split("_").map(Number);
    const fits = rate >= 0 && momentum >= 0 && momentum <= 1 && decay >= 0 && Number.isInteger(until) && until > step;
    if (!fits) throw new Error(`past: expected rate_momentum_decay_step, such as 0.1_0.9_0_300, found ${part}`);
    way.push({ step, live: { rate, momentum, decay } });
    step = until;
  }
  return [...way, { step, live: { rate, momentum, decay } }];
}

/** The rate that is usual for an optimizer. @param {string} optimizer */
export const usualRate = (optimizer) => RATES[optimizer] ?? DEFAULTS.rate;

/** The name of the module that trains so: what cannot change while it runs.
 * @param {Settings} settings @param {Dataset} dataset @param {boolean} relaxed */
export function architectureOf({ hidden, activation, optimizer, batch, dropout }, dataset, relaxed) {
  const layers = [dataset.shape.join("x"), ...hidden, dataset.classes.length].join("-");
  const parts = [layers, activation, optimizer, batch];
  if (dropout) parts.push(`d${dropout}`);
  if (dataset.scale !== 255) parts.push(`s${dataset.scale}`);
  if (relaxed) parts.push("relaxed");
  return parts.join("_");
}

/**
 * Settings from what was typed, by name. Throws an Error, which begins with the name of the field,
 * for what makes no sense.
 * @param {Record<string, string>} typed @returns {Settings}
 */
export function settingsOf(typed) {
  const number = (/** @type {string} */ name, /** @type {number} */ least, /** @type {number} */ most,
    whole = false) => {
    // Many write 0,05, and 97 %.
    const text = typed[name].trim().replace(/^(\d*),(\d+)/, "$1.$2").replace(/\s*%$/, name === "accuracy" ? "" : "$&");
    const value = Number(text || "x");
    const fits = value >= least && value <= most && (!whole || Number.isInteger(value));
    if (fits) return value;
    const kind = whole ? "a whole number" : "a number, such as 0.1,";
    const found = typed[name] || "nothing";
    throw new Error(`${name}: expected ${kind} from ${least} to ${most.toLocaleString("en")}, found ${found}`);
  };
  const goal = (/** @type {string} */ name, /** @type {number} */ most) =>
    typed[name].trim() ? number(name, 0, most) : null;
  return {
    hidden: widthsOf(typed.hidden),
    activation: oneOf("activation", typed.activation, ACTIVATIONS),
    optimizer: oneOf("optimizer", typed.optimizer, OPTIMIZERS),
    batch: number("batch", 1, MOST.batch, true),
    dropout: number("dropout", 0, 0.95),
    rate: number("rate", 0, 1e9),
    momentum: number("momentum", 0, 1),
    decay: number("decay", 0, 1e9),
    seed: number("seed", 0, MOST.seed, true),
    accuracy: goal("accuracy", 100),
    loss: goal("loss", 1e9),
  };
}

/** @param {string} text such as "128, 64"; nothing for no hidden layer */
function widthsOf(text) {
  const parts = text.split(/[\s,]+/).filter(Boolean);
  const widths = parts.map(Number);
  const fits = widths.every((width) => Number.isInteger(width) && width >= 1 && width <= MOST.width);
  if (fits && widths.length <= MOST.layers) return widths;
  const wanted = `at most ${MOST.layers} widths from 1 to ${MOST.width}, such as 128, 64`;
  throw new Error(`hidden: expected ${wanted}, found ${text}`);
}

/** @param {string} name @param {string} value @param {string[]} known */
function oneOf(name, value, known) {
  if (known.includes(value)) return value;
  throw new Error(`${name}: expected one of ${known.join(", ")}, found ${value}`);
}
