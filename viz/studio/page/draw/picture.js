// @ts-check
// A picture that somebody has: what of it is ink, on the sheet that is drawn on. How the digits in it
// are cut out of shadows, lines and noise, a server knows; here what differs from the border is ink.

import { preparedBy, token } from "../api.js";

/** @typedef {import("./strokes.js").Sheet} Sheet */
/** Red, green, blue and alpha of each pixel. @typedef {{width: number, height: number, data: ArrayLike<number>}} Pixels */

const FAINT = 0.25; // of the strongest ink: less is noise, or a shadow
const ONLY_CENTRED = "No server prepares the picture: what differs from its border is ink, and is sized and centred.";
const FLAT = 16; // levels of grey: where all differs by less from the border, there is nothing

/** The picture in a file, on a sheet. Throws an Error, in words, where it is none, or empty.
 * @param {Blob} file @param {Sheet} sheet its size @returns {Promise<Uint8Array>} */
export async function inkIn(file, { height, width }) {
  const bitmap = await createImageBitmap(file).catch((cause) => {
    throw new Error("expected a picture that this browser can open (PNG, JPEG, WebP, ...)", { cause });
  });
  const scale = Math.min(height / bitmap.height, width / bitmap.width);
  const [tall, wide] = [bitmap.height, bitmap.width].map((side) => Math.max(1, Math.round(side * scale)));
  const context = new OffscreenCanvas(wide, tall).getContext("2d");
  if (!context) throw new Error("this browser draws no pictures");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, wide, tall);
  const part = inkOf(context.getImageData(0, 0, wide, tall));
  const [top, left] = [(height - tall) >> 1, (width - wide) >> 1];
  const ink = new Uint8Array(height * width);
  for (let y = 0; y < tall; y++) {
    ink.set(part.subarray(y * wide, (y + 1) * wide), (top + y) * width + left);
  }
  return ink;
}

/** What differs from the border of a picture, dark or light, from 0 to 255. Throws an Error where
 * nothing does. @param {Pixels} pixels */
export function inkOf({ width, height, data }) {
  const greys = Float32Array.from({ length: width * height }, (_, i) => {
    const [red, green, blue, alpha] = [0, 1, 2, 3].map((c) => data[4 * i + c]);
    return 255 + (alpha / 255) * (0.299 * red + 0.587 * green + 0.114 * blue - 255); // on white
  });
  const border = greys.filter((_, i) => {
    const [y, x] = [Math.trunc(i / width), i % width];
    return y === 0 || x === 0 || y === height - 1 || x === width - 1;
  }).sort();
  const paper = border[border.length >> 1];
  let [dark, light] = [0, 0];
  for (const grey of greys) [dark, light] = [Math.max(dark, paper - grey), Math.max(light, grey - paper)];
  const most = Math.max(dark, light);
  if (most < FLAT) throw new Error("expected a digit in the picture, found one grey");
  const sign = dark >= light ? -1 : 1;
  return Uint8Array.from(greys, (grey) => {
    const share = (sign * (grey - paper)) / most;
    return share < FAINT ? 0 : Math.round(255 * share);
  });
}

/** What the server makes of a picture, an example for each digit in it, and how; none where there is no
 * server, or it serves a network of other examples.
 * @param {Blob} file @param {number[]} wanted the shape of an example */
export async function preparedOf(file, wanted) {
  const own = { examples: /** @type {Uint8Array[]} */ ([]), how: ONLY_CENTRED };
  if (token() === null) return own;
  try {
    const { images, shape, how } = await preparedBy(file);
    if (String(shape) !== String(wanted)) return own;
    return { examples: images.map((image) => Uint8Array.from(image, Math.round)), how: `By the server: ${how}.` };
  } catch (error) {
    return { ...own, how: `${ONLY_CENTRED} The server: ${error instanceof Error ? error.message : error}` };
  }
}

/** An example as ink on a sheet, each of its entries a square.
 * @param {Uint8Array} example @param {Sheet} sheet its size @param {number} scale */
export function enlarged(example, { height, width }, scale) {
  const side = Math.sqrt(example.length);
  return Uint8Array.from({ length: height * width }, (_, i) => {
    const [y, x] = [Math.trunc(i / width), i % width].map((place) => Math.trunc((place * side) / width));
    return Math.round((255 * example[y * side + x]) / scale);
  });
}
