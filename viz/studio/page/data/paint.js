// @ts-check
// An example on a small canvas of its own, in the page's colours, light or dark.

import { placeOf } from "./layers.js";

/** @typedef {import("./atlas.js").Colour} Colour */
/** @typedef {import("./atlas.js").Colours} Colours */

/** The page's colours, as they are now. @param {HTMLElement} element @returns {Colours} */
export function coloursOf(element) {
  const style = getComputedStyle(element);
  const read = (/** @type {string} */ name) => {
    const [r, g, b] = style.getPropertyValue(name).trim().split(" ").map(Number);
    return /** @type {Colour} */ ([r / 255, g / 255, b / 255]);
  };
  return { paper: read("--paper"), ink: read("--ink"), empty: read("--empty"), mark: read("--mark") };
}

/** Draw an example: one of greys with the page's ink on its paper, one of colours as it is.
 * @param {HTMLCanvasElement} canvas @param {ArrayLike<number>} entries @param {number[]} shape
 * @param {number} scale what white is */
export function paint(canvas, entries, shape, scale) {
  const { height, width, colours } = placeOf(shape);
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  if (!context) return;
  const { paper, ink } = coloursOf(canvas);
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      const value = Math.abs(entries[i * colours + (colours === 3 ? c : 0)] ?? 0) / scale;
      image.data[4 * i + c] = 255 * (colours === 3 ? value : paper[c] + (ink[c] - paper[c]) * value);
    }
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
