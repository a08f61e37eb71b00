// @ts-check
// What a race is of, and what came of it: numbers and words alone, no page.

import { written } from "../../../page/ticks.js";

/** Who raced, and how its laps went.
 * @typedef {{name: string, threads: number, seconds: number[], losses: number[]}} Result */

/** Of a result: images and billions of floating-point operations a second, in the middle lap; and the
 * slowest and the fastest. @typedef {{speed: number, least: number, most: number, gflops: number}} Figures */

const FLOPS = 1.6e10; // of a lap: some 0.4 s of WebAssembly
const BYTES = 32 * 2 ** 20; // of its images: more the server refuses (viz/studio/race/workers.py)
const UNSTEADY = 1.5; // between the slowest round and the fastest
const ROUNDING = 1e-3; // of a loss: less is told as float32's, which has seven digits, after many steps

/** How many steps a lap has: none of a second epoch.
 * @param {number[]} sizes of the layers @param {number} batch @param {number} count of the examples */
export function stepsOf(sizes, batch, count) {
  const weights = sizes.slice(1).reduce((sum, size, i) => sum + size * sizes[i], 0);
  const most = Math.min(count / batch, FLOPS / (6 * weights * batch), BYTES / (batch * sizes[0]));
  return Math.max(1, Math.floor(most));
}

/** @param {Result} result @param {number} images of a lap @param {number} flops of it
 * @returns {Figures} */
export function figuresOf({ seconds }, images, flops) {
  const sorted = [...seconds].sort((a, b) => a - b);
  const middle = sorted[(sorted.length - 1) / 2]; // of an odd number of rounds
  const [least, most] = [images / sorted[sorted.length - 1], images / sorted[0]];
  return { speed: images / middle, least, most, gflops: flops / middle / 1e9 };
}

/** @param {number} speed */
export const whole = (speed) => Math.round(speed).toLocaleString("en");

/** Who was the fastest, and by how much. @param {Result[]} results @param {Figures[]} figures of each */
export function fastest(results, figures) {
  const order = [...results.keys()].sort((a, b) => figures[b].speed - figures[a].speed);
  const [first, ...others] = order;
  const { speed } = figures[first];
  const times = others.map((i) => `${(speed / figures[i].speed).toFixed(1)} times ${called(results[i])}`);
  const than = times.length ? `, ${times.join(", ")}` : "";
  return `The fastest is ${called(results[first])}: ${whole(speed)} images a second${than}.`;
}

/** That the figures are not to be relied on, where they are not. @param {Figures[]} figures */
export const unsteady = (figures) =>
  figures.some(({ least, most }) => most > UNSTEADY * least)
    ? "The rounds differ much, as something else is at work on a machine: race again when it is quiet."
    : "";

/** @param {Result} result */
export const called = ({ name, threads }) => `${name} on ${threads} thread${threads === 1 ? "" : "s"}`;

/** Whether all did the same work, by what they lost. @param {Result[]} results */
export function agreement(results) {
  if (results.length < 2) return "";
  const [{ losses: { length } }] = results;
  const apart = Array.from({ length }, (_, step) => {
    const all = results.map(({ losses }) => losses[step]);
    return all.some(Number.isFinite) ? Math.max(...all) - Math.min(...all) : 0;
  });
  const losses = results.flatMap((result) => result.losses);
  const most = Math.max(...apart);
  const lost = losses.every(Number.isFinite) ? "" : " With these settings the loss ends as no number.";
  if (most <= ROUNDING * Math.max(...losses.filter(Number.isFinite))) {
    return `It was the same work: in ${length.toLocaleString("en")} steps their losses differ by at most ${written(most, 2)}, ` +
      `which is rounding of float32.${lost}`;
  }
  const later = Number.isFinite(most) ? `by up to ${written(most, 2)} later` : "later one is no number before another";
  return `Their losses differ by ${written(apart[0], 2)} in the first step, and ${later}: each rounds sums of its own, and ` +
    `with these settings that grows from step to step.${lost}`;
}
