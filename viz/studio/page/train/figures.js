// @ts-check
// How a training goes, in a sentence and in figures.

import { byId, element, first, write } from "../../../page/dom.js";
import { written } from "../../../page/ticks.js";
import { GOALS } from "./progress.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("./progress.js").Progress} Progress */

/** @param {Progress} progress @param {Dataset} dataset */
export function writeProgress(progress, dataset) {
  const list = byId("progress");
  const rows = figures(progress);
  if (!list.children.length) {
    list.append(...rows.map(([name]) => element("div", {}, element("dt", {}, name), element("dd"))));
  }
  rows.forEach(([, value], i) => write(first(list.children[i], "dd"), value));
  write(byId("story"), story(progress, dataset));
  write(byId("size"), size(progress, dataset));
}

/** How large the network is. @param {Progress} progress @param {Dataset} dataset */
function size({ parameters, flops, settings: { hidden, batch } }, { shape, classes }) {
  if (!parameters) return "";
  const layers = [shape.reduce((a, b) => a * b, 1), ...hidden, classes.length].join(" → ");
  const million = written(flops / batch / 1e6);
  return `${layers}: ${parameters.toLocaleString("en")} weights and biases; to learn from an image takes ` +
    `${million} million floating-point operations.`;
}

/** @param {Progress} progress @returns {[string, string][]} names and values; those to come are … */
function figures({ step, stepsOfEpoch, score, seconds, speed, flops, reached, parameters, settings }) {
  const soFar = seconds ? "not yet" : "…";
  return [
    ["test accuracy", share(score)],
    ["wrong", score ? (score.count - score.right).toLocaleString("en") : "…"],
    ["epoch", (step / stepsOfEpoch).toFixed(2)],
    ["step", step.toLocaleString("en")],
    ["images/s", speed ? written(Math.round(speed)) : "…"],
    ["GFLOP/s", speed ? ((speed / settings.batch) * flops / 1e9).toFixed(1) : "…"],
    ["weights", parameters ? parameters.toLocaleString("en") : "…"],
    ...GOALS.map((goal) => {
      const at = reached.get(goal);
      return /** @type {[string, string]} */ ([`time to ${100 * goal} %`, at === undefined ? soFar : `${at.toFixed(2)} s`]);
    }),
  ];
}

/** The same number of words from the first moment on, so that nothing below moves.
 * @param {Progress} progress @param {Dataset} dataset */
function story({ parameters, score }, { name, shape, classes, splits: { train, test } }) {
  const weights = parameters ? parameters.toLocaleString("en") : "…";
  const each = shape.length === 2 ? `images of ${shape.join("\u00a0×\u00a0")} pixels` : `arrays of ${shape.join(" × ")} numbers`;
  const some = classes.length > 4 ? [classes[0], classes[1], "…", classes[classes.length - 1]] : classes;
  return `A network of ${weights} weights learns, here in your browser, from ${train.count.toLocaleString("en")} ` +
    `examples of ${name}: ${each}, in ${classes.length} classes (${some.join(", ")}). ` +
    `Of ${test.count.toLocaleString("en")} that it never saw it gets ${share(score)} right.`;
}

/** How many it gets right. @param {Progress["score"]} score */
const share = (score) => score ? `${((100 * score.right) / score.count).toFixed(2)} %` : "…";
