// @ts-check
// What the wrong ones in sight were taken for, written over their pictures: on a canvas above that of
// the examples, which a worker has.

import { byId } from "../../../page/dom.js";
import { rectangleOf, slotsInSight } from "./grid.js";
import { isWrong } from "./order.js";

/** @typedef {import("./grid.js").Camera} Camera */
/** @typedef {import("./grid.js").Grid} Grid */

const READABLE = 30; // pixels of a cell, from which on there is room for a word
const FONT = "600 11px system-ui, sans-serif";
const HEIGHT = 14; // of a line

/** @param {Camera} camera @param {Grid} grid @param {Uint32Array} shown which example is in which slot
 * @param {import("./order.js").Known} known @param {string[]} classes */
export function showTaken(camera, grid, shown, known, classes) {
  const canvas = byId("taken-labels", HTMLCanvasElement);
  const slots = camera.zoom < READABLE ? [] : slotsInSight(camera, grid);
  const wrong = slots.filter((slot) => isWrong(shown[slot], known));
  canvas.hidden = !wrong.length;
  const context = wrong.length ? canvas.getContext("2d") : null;
  if (!context) return;
  const ratio = devicePixelRatio;
  const [width, height] = [Math.round(camera.width * ratio), Math.round(camera.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const { color, outlineColor } = getComputedStyle(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, camera.width, camera.height);
  context.font = FONT;
  context.textBaseline = "middle";
  for (const slot of wrong) {
    const { left, top, size } = rectangleOf(camera, grid, slot);
    const name = classes[known.predictions[shown[slot]]];
    const long = Math.min(size - 2, context.measureText(name).width + 6);
    const [x, y] = [left + size - long - 1, top + size - HEIGHT - 1];
    context.fillStyle = outlineColor;
    context.fillRect(x, y, long, HEIGHT);
    context.fillStyle = color;
    context.fillText(name, x + 3, y + HEIGHT / 2, long - 6);
  }
}
