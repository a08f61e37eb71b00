// @ts-check
// An example as a small picture, in the page's colours, light or dark.

import { placeOf } from "./layers.js";

/** @typedef {import("./atlas.js").Colour} Colour */
/** @typedef {import("./atlas.js").Colours} Colours */

const HEAD = 54; // bytes before the pixels

/** The page's colours, as they are now. @param {HTMLElement} element @returns {Colours} */
export function coloursOf(element) {
  const style = getComputedStyle(element);
  const read = (/** @type {string} */ name) => {
    const [r, g, b] = style.getPropertyValue(name).trim().split(" ").map(Number);
    return /** @type {Colour} */ ([r / 255, g / 255, b / 255]);
  };
  return { paper: read("--paper"), ink: read("--ink"), empty: read("--empty"), mark: read("--mark") };
}

/** Show an example: one of greys with the page's ink on its paper, one of colours as it is. As a
 * picture file, because a canvas would wait for the graphics, which may be taking layers.
 * @param {HTMLImageElement} image @param {ArrayLike<number>} entries @param {number[]} shape
 * @param {number} scale what white is */
export function paint(image, entries, shape, scale) {
  const { height, width, colours } = placeOf(shape);
  const { paper, ink } = coloursOf(image);
  const bytes = new Uint8Array(HEAD + 4 * width * height);
  writeHead(new DataView(bytes.buffer), width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      const value = Math.abs(entries[i * colours + (colours === 3 ? c : 0)] ?? 0) / scale;
      const share = colours === 3 ? value : paper[c] + (ink[c] - paper[c]) * value;
      bytes[HEAD + 4 * i + 2 - c] = Math.round(255 * Math.min(1, Math.max(0, share))); // blue is first
    }
  }
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(new Blob([bytes], { type: "image/bmp" }));
}

/** The head of a BMP file of 32 bits a pixel. @param {DataView} head @param {number} width
 * @param {number} height */
function writeHead(head, width, height) {
  head.setUint16(0, 0x424d); // "BM"
  head.setUint32(2, head.byteLength, true);
  head.setUint32(10, HEAD, true);
  head.setUint32(14, HEAD - 14, true);
  head.setInt32(18, width, true);
  head.setInt32(22, -height, true); // from the top
  head.setUint16(26, 1, true);
  head.setUint16(28, 32, true);
}
