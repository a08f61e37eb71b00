// @ts-check
// A drawing made into an example as MNIST's were: sized, and centred by its mass. For a picture of
// it with as much clean paper around it, these are the numbers that `models.mnist.reading.prepare`
// gives, but of scraps in a corner of the sheet: which is ink and which is paper, Python has to guess.

import { cut, fitted, highest, rounded } from "./grey.js";
import { digitIn } from "./pieces.js";

/** @typedef {import("./grey.js").Grey} Grey */

const PAPER = 2; // sides of a drawing: how wide the paper is that it lies on
const SHARE = 5 / 7; // of the example's side: the longer side of the ink in it, 20 of MNIST's 28
const BLUR = 8; // how many times fainter than the strongest is no ink
// As models/mnist/reading/strokes.py has them, and says why: what pens are too thin or too thick,
// and what they are brought to, by the longer side of the ink.
const FINE = 80;
const [THINNEST, THICKEST] = [0.062, 0.26];
const [THIN, THICK] = [0.11, 0.14];
const FULL = Math.fround(0.1); // of the strongest: less is not left of a stroke that was changed

/** Whether drawings can be made into examples of a shape: greys in a square.
 * @param {number[]} shape (side, side) or (side, side, 1) */
export const canPrepare = ([height, width, colours = 1, ...more]) =>
  height > 1 && height === width && colours === 1 && more.length === 0;

/**
 * The drawing as the dataset has its examples; null where nothing is drawn that is large and upright
 * enough for a digit.
 * @param {Grey} drawing ink, 0 on paper @param {number[]} shape see `canPrepare`
 * @param {number} scale of the strongest ink @returns {Uint8Array | null}
 */
export function prepare(drawing, [side], scale) {
  const found = digitIn(drawing, PAPER * Math.min(drawing.height, drawing.width));
  if (!found) return null;
  const { top, left, bottom, right } = found.box;
  return framed(penned(trimmed(cut(found.grey, top, left, bottom, right))), side, scale);
}

/** In the frame of an example. @param {Grey} ink @param {number} side @param {number} scale */
function framed(ink, side, scale) {
  const sized = fitted(ink, rounded(SHARE * side));
  const { height, width } = sized;
  const strongest = highest(sized);
  const levels = sized.ink.map((each) => Math.fround(each / strongest) * scale);
  const rows = Array.from({ length: height }, (_, y) => sum(levels.subarray(y * width, (y + 1) * width), Math.fround));
  const columns = Array.from({ length: width }, (_, x) => {
    let all = 0; // one row after the other
    for (let y = 0; y < height; y++) all = Math.fround(all + levels[y * width + x]);
    return all;
  });
  const [top, left] = [offset(rows, side), offset(columns, side)];
  const example = new Uint8Array(side * side);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) example[(top + y) * side + left + x] = rounded(levels[y * width + x]);
  }
  return example;
}

/** Where the ink begins, so that its centre of mass comes to lie half a pixel around the middle, as
 * far as there is room. @param {number[]} mass of each row, or column @param {number} side */
function offset(mass, side) {
  const centre = sum(mass.map((each, i) => i * each)) / sum(mass);
  return Math.min(Math.max(Math.ceil((side - 1) / 2 - centre), 0), side - mass.length);
}

/** The sum of at most 128 numbers in NumPy's order: of a drawing that is symmetric, the last bit
 * decides which of two pixels is its middle.
 * @param {ArrayLike<number>} numbers @param {(sum: number) => number} [round] each sum */
function sum(numbers, round = (each) => each) {
  const end = numbers.length < 8 ? 0 : numbers.length - (numbers.length % 8);
  let all = 0;
  if (end) {
    const lanes = Array.from({ length: 8 }, (_, i) => numbers[i]);
    for (let i = 8; i < end; i++) lanes[i % 8] = round(lanes[i % 8] + numbers[i]);
    const [a, b, c, d] = [0, 2, 4, 6].map((i) => round(lanes[i] + lanes[i + 1]));
    all = round(round(a + b) + round(c + d));
  }
  for (let i = end; i < numbers.length; i++) all = round(all + numbers[i]);
  return all;
}

/** Without rows and columns at its edges in which there is blur alone. @param {Grey} grey */
function trimmed(grey) {
  return inked(grey, highest(grey) / BLUR) ?? grey;
}

/** The part around all that is more than `least`; null where nothing is.
 * @param {Grey} grey @param {number} least */
function inked(grey, least) {
  const { height, width, ink } = grey;
  let [top, left, bottom, right] = [height, width, 0, 0];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (!(ink[at] > least)) continue;
      top = Math.min(top, y);
      left = Math.min(left, x);
      bottom = y + 1;
      right = Math.max(right, x + 1);
    }
  }
  return bottom ? cut(grey, top, left, bottom, right) : null;
}

/** As MNIST's pens would have drawn it; the same where they may have. @param {Grey} grey */
function penned(grey) {
  const strongest = highest(grey);
  const even = { ...grey, ink: grey.ink.map((each) => each / strongest) };
  const wide = strokeOf(even) / Math.max(grey.height, grey.width);
  if (THINNEST <= wide && wide <= THICKEST) return grey;
  const aim = wide < THINNEST ? THIN : THICK;
  const steps = rounded(((FINE / 2) * (aim - wide)) / (1 - aim)); // the digit grows with its strokes
  const fine = fitted(even, FINE);
  const room = Math.max(0, steps) + 1;
  let changed = cut(fine, -room, -room, fine.height + room, fine.width + room);
  const further = steps > 0 ? Math.max : Math.min;
  for (let step = 0; step < Math.abs(steps); step++) changed = grown(changed, step % 2 === 0, further);
  return inked(changed, FULL) ?? grey;
}

/** The mean width of strokes, in pixels: twice their area by the length of their outline.
 * @param {Grey} even ink up to 1 */
function strokeOf({ height, width, ink }) {
  const at = (/** @type {number} */ y, /** @type {number} */ x) =>
    y >= 0 && y < height && x >= 0 && x < width ? ink[y * width + x] : 0;
  let [area, outline] = [0, 0];
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x <= width; x++) {
      const here = at(y, x);
      area += here;
      outline += Math.hypot(Math.fround(here - at(y - 1, x)), Math.fround(here - at(y, x - 1)));
    }
  }
  return (2 * area) / outline;
}

/** Each pixel as its neighbours' furthest: of a square, or of a cross. In turn these make octagons,
 * nearly discs. @param {Grey} grey @param {boolean} square @param {(a: number, b: number) => number} further
 * @returns {Grey} */
function grown({ height, width, ink }, square, further) {
  const along = (/** @type {Float32Array} */ from, /** @type {number} */ step) => {
    const found = new Float32Array(from.length);
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        const [place, last] = step === 1 ? [x, width - 1] : [y, height - 1];
        let most = from[i];
        if (place > 0) most = further(most, from[i - step]);
        if (place < last) most = further(most, from[i + step]);
        found[i] = most;
      }
    }
    return found;
  };
  const down = along(ink, width);
  if (square) return { height, width, ink: along(down, 1) };
  const right = along(ink, 1);
  return { height, width, ink: down.map((each, i) => further(each, right[i])) };
}
