// @ts-check
// Where the image and the neurons of each layer lie, which of a wide layer are shown, and what is at
// a pixel: numbers alone, no page.

import { placeOf } from "../data/layers.js";

/** @typedef {import("../train/inspect.js").Neuron} Neuron */

/**
 * left, top: of the column; a neuron has the place (left, top + its row x pitch), and is so wide and
 * high. neurons: the numbers of those that are shown, in order. all: how many there are.
 * @typedef {{
 *   left: number, top: number, pitch: number, width: number, height: number,
 *   neurons: number[], all: number,
 * }} Column
 * @typedef {{left: number, top: number, width: number, height: number}} Rectangle
 */

/**
 * image: entries of a row are side by side, the colours of a pixel too. columns: of the layers, from
 * layer 1 on; the last one has the classes. box: around all.
 * @typedef {{
 *   image: Rectangle & {columns: number, rows: number, count: number}, columns: Column[], box: Rectangle,
 * }} Layout
 */

export const SHOWN = 32; // neurons of a layer at most
const IMAGE = 280; // units, its longer side
const NODE = { size: 13, pitch: 17 };
const CLASS = { width: 190, height: 26, pitch: 32 }; // has its name beside it
export const GAP = 100; // between columns
const MARGIN = { x: 14, y: 34 }; // for what is written above and below

/** The numbers of the neurons that are shown of a layer: those that give most, and one that has to be
 * among them. @param {ArrayLike<number>} values @param {number} [must]
 * @returns {number[]} in order */
export function strongest(values, must = -1) {
  const size = (/** @type {number} */ i) => i === must ? Infinity : Math.abs(values[i]) || 0;
  const order = Array.from(values, (_, i) => i).sort((a, b) => size(b) - size(a) || a - b);
  return order.slice(0, SHOWN).sort((a, b) => a - b);
}

/** @param {number[]} shape of the image @param {number[]} widths of all layers from the first on
 * @param {number[][]} shown neurons of each @returns {Layout} */
export function layoutOf(shape, widths, shown) {
  const { height: rows, width: across, colours } = placeOf(shape);
  const unit = IMAGE / Math.max(rows, across);
  const image = {
    left: 0, top: -rows * unit / 2, width: across * unit, height: rows * unit,
    columns: across * colours, rows, count: shape.reduce((product, length) => product * length, 1),
  };
  let left = image.width + GAP;
  const made = widths.map((all, i) => {
    const isLast = i === widths.length - 1;
    const { width, height, pitch } = isLast ? CLASS : { width: NODE.size, height: NODE.size, pitch: NODE.pitch };
    const neurons = shown[i];
    const column = { left, top: -(neurons.length - 1) * pitch / 2 - height / 2, pitch, width, height, neurons, all };
    left += width + GAP;
    return column;
  });
  const half = Math.max(...[image, ...made].map(({ top }) => -top)) + MARGIN.y;
  const right = left - GAP + MARGIN.x;
  return {
    image, columns: made,
    box: { left: -MARGIN.x, top: -half, width: right + MARGIN.x, height: 2 * half },
  };
}

/** The place of a neuron, or of an entry of the image; null where it is not shown.
 * @param {Layout} layout @param {Neuron} neuron @returns {Rectangle | null} */
export function rectangleOf({ image, columns }, { layer, neuron }) {
  if (layer === 0) {
    const [width, height] = [image.width / image.columns, image.height / image.rows];
    const [row, column] = [Math.floor(neuron / image.columns), neuron % image.columns];
    if (neuron < 0 || neuron >= image.count) return null;
    return { left: image.left + column * width, top: image.top + row * height, width, height };
  }
  const column = columns[layer - 1];
  const row = column ? column.neurons.indexOf(neuron) : -1;
  if (row < 0) return null;
  return { left: column.left, top: column.top + row * column.pitch, width: column.width, height: column.height };
}

/** What is at a place: a neuron, or an entry of the image. @param {Layout} layout @param {number} x
 * @param {number} y @returns {Neuron | null} */
export function neuronAt({ image, columns }, x, y) {
  if (x < image.left) return null;
  if (x < image.left + image.width) {
    const column = Math.floor((x - image.left) / image.width * image.columns);
    const row = Math.floor((y - image.top) / image.height * image.rows);
    const neuron = row * image.columns + column;
    return row < 0 || column >= image.columns || neuron >= image.count ? null : { layer: 0, neuron };
  }
  const i = columns.findIndex(({ left, width }) => x >= left && x < left + width);
  if (i < 0) return null;
  const { top, pitch, height, neurons } = columns[i];
  const row = Math.floor((y - top) / pitch);
  if (row < 0 || row >= neurons.length || y - top - row * pitch >= height) return null;
  return { layer: i + 1, neuron: neurons[row] };
}

/** The same for a finger, whose reach is so far: the nearest neuron, where it hits nothing.
 * @param {Layout} layout @param {number} x @param {number} y @param {number} reach */
export function nearestAt(layout, x, y, reach) {
  let found = neuronAt(layout, x, y);
  if (found) return found;
  for (const [i, { left, top, pitch, width, height, neurons }] of layout.columns.entries()) {
    for (const [row, neuron] of neurons.entries()) {
      const [right, down] = [x - left - width / 2, y - top - row * pitch - height / 2];
      const apart = Math.hypot(Math.max(0, Math.abs(right) - width / 2), Math.max(0, Math.abs(down) - height / 2));
      if (apart < reach) [reach, found] = [apart, { layer: i + 1, neuron }];
    }
  }
  return found;
}

/** The neuron one further, for an arrow key: up and down within a column, left and right to what lies
 * beside it; the same where there is none. @param {Layout} layout @param {Neuron} from
 * @param {number} right @param {number} down @returns {Neuron} */
export function beside(layout, from, right, down) {
  const { image, columns } = layout;
  const place = rectangleOf(layout, from);
  if (!place) return from;
  if (from.layer === 0) {
    const [row, column] = [Math.floor(from.neuron / image.columns) + down, from.neuron % image.columns + right];
    const neuron = row * image.columns + column;
    const isIn = row >= 0 && column >= 0 && column < image.columns && neuron < image.count;
    if (isIn) return { layer: 0, neuron };
    return column >= image.columns ? nearest(columns[0], 1, place) : from;
  }
  const { neurons } = columns[from.layer - 1];
  const next = neurons[neurons.indexOf(from.neuron) + down];
  if (down) return next === undefined ? from : { layer: from.layer, neuron: next };
  const layer = from.layer + right;
  if (layer > 0) return columns[layer - 1] ? nearest(columns[layer - 1], layer, place) : from;
  const row = Math.floor((place.top + place.height / 2 - image.top) / image.height * image.rows);
  const last = Math.min(Math.max(row, 0), image.rows - 1) * image.columns + image.columns - 1;
  return { layer: 0, neuron: Math.min(last, image.count - 1) };
}

/** @param {Column} column @param {number} layer @param {Rectangle} place @returns {Neuron} */
function nearest({ top, pitch, neurons }, layer, place) {
  const row = Math.round((place.top + place.height / 2 - top) / pitch - 0.5);
  return { layer, neuron: neurons[Math.min(Math.max(row, 0), neurons.length - 1)] };
}
