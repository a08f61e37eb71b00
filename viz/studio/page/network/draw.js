// @ts-check
// Draws the network on a canvas: the image, each layer a column, the classes with their
// probabilities, and the wires of the neuron that is looked at.

import { percent, written } from "../../../page/ticks.js";
import { coloursOf } from "../data/paint.js";
import { largest } from "./formula.js";
import { pixelOf } from "./camera.js";
import { GAP, rectangleOf } from "./layout.js";

/** @typedef {import("../data/atlas.js").Colours} Pixels */
/** @typedef {import("../train/inspect.js").Neuron} Neuron */
/** @typedef {import("../train/inspect.js").Wires} Wires */
/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {import("./layout.js").Rectangle} Rectangle */

/**
 * entries: of the image, as the network reads them, 0 to 1. values: of each layer what its colour is
 * of, activations or deltas. pinned: the neuron that is looked at stays so. activations: of all
 * layers, the image first. answer: the class that the image is taken for. label: its own, null where
 * that is not known.
 * @typedef {{
 *   layout: Layout, camera: Camera, entries: Float32Array, values: Float32Array[],
 *   activations: Float32Array[], probabilities: Float32Array, answer: number, label: number | null,
 *   classes: string[], heads: string[], back: boolean,
 *   focus: Neuron | null, pinned: boolean, wires: Wires | null,
 * }} Scene
 */

const EDGES = 40; // of the neuron that is looked at, in each direction
const LEGIBLE = 22; // pixels of a neuron that has its numbers written beside it
const NARROW = 115; // pixels between columns that have room for few words

export class Drawing {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.picture = document.createElement("canvas"); // of the image, a pixel an entry
    /** @type {Float32Array | null} */ this.pictured = null;
    /** @type {Map<string, string>} */ this.colours = new Map();
    this.pixels = coloursOf(canvas);
    /** @type {Scene | null} */ this.scene = null;
  }

  /** The page has other colours now. */
  recolour() {
    this.colours.clear();
    this.pixels = coloursOf(this.canvas);
    this.pictured = null;
  }

  /** A variable of the page's CSS, as a canvas takes it. @param {string} name */
  colour(name) {
    const known = this.colours.get(name);
    if (known) return known;
    this.canvas.style.color = `var(${name})`;
    const { color } = getComputedStyle(this.canvas);
    this.colours.set(name, color);
    return color;
  }

  /** @param {Scene} scene */
  draw(scene) {
    const { canvas } = this;
    const { width, height } = scene.camera;
    // Drawn by the CPU: the graphics can take as long as a few frames to make a context.
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context || !width || !height) return;
    const ratio = devicePixelRatio;
    const pixels = { width: Math.round(width * ratio), height: Math.round(height * ratio) };
    if (canvas.width !== pixels.width || canvas.height !== pixels.height) Object.assign(canvas, pixels);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.scene = scene;
    this.font = getComputedStyle(canvas).fontFamily;
    this.#image(context, scene);
    this.#wires(context, scene);
    scene.layout.columns.forEach((_, i) => this.#column(context, scene, i));
    this.#focus(context, scene);
  }

  /** Where something lies, in pixels. @param {Camera} camera @param {Rectangle} place */
  #box(camera, { left, top, width, height }) {
    const [x, y] = pixelOf(camera, left, top);
    return { x, y, width: width * camera.zoom, height: height * camera.zoom };
  }

  /** @param {CanvasRenderingContext2D} context @param {Scene} scene */
  #image(context, { layout: { image }, camera, entries, classes, label }) {
    const { x, y, width, height } = this.#box(camera, image);
    if (this.pictured !== entries) this.#paint(entries, image.columns, image.rows);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.picture, x, y, width, height);
    context.lineWidth = 1;
    context.strokeStyle = this.colour("--edge");
    context.strokeRect(x, y, width, height);
    const size = Math.min(13, Math.max(9, 13 * camera.zoom));
    context.font = `${size}px ${this.font}`;
    context.fillStyle = this.colour("--quiet");
    context.textAlign = "center";
    context.textBaseline = "bottom";
    const name = label === null ? "image" : `image of a ${classes[label]}`;
    context.fillText(name, x + width / 2, y - 4);
  }

  /** @param {Float32Array} entries @param {number} columns @param {number} rows */
  #paint(entries, columns, rows) {
    const { picture, pixels: { paper, ink } } = this;
    Object.assign(picture, { width: columns, height: rows });
    const context = picture.getContext("2d", { willReadFrequently: true });
    if (!context) return;
    const data = context.createImageData(columns, rows);
    for (let i = 0; i < entries.length; i++) {
      const share = Math.min(1, Math.abs(entries[i]));
      for (let c = 0; c < 3; c++) data.data[4 * i + c] = Math.round(255 * (paper[c] + (ink[c] - paper[c]) * share));
      data.data[4 * i + 3] = 255;
    }
    context.putImageData(data, 0, 0);
    this.pictured = entries;
  }

  /** What the neuron that is looked at is given, and gives: thicker where it is more.
   * @param {CanvasRenderingContext2D} context @param {Scene} scene */
  #wires(context, { layout, camera, activations, values, back, focus, wires }) {
    if (!focus || !wires || wires.layer !== focus.layer || wires.neuron !== focus.neuron) return;
    const own = rectangleOf(layout, focus);
    if (!own) return;
    const { layer, neuron } = focus;
    /** Those of the wires to a layer that are drawn. @param {Float32Array | null} weights
     * @param {number} of @param {(i: number) => number} given */
    const picked = (weights, of, given) => {
      const isShown = new Set(layout.columns[of - 1]?.neurons);
      return largest(weights ?? [], (i) => of === 0 || isShown.has(i) ? given(i) : 0, EDGES);
    };
    // An entry of the image that is 0 gives nothing: its weights are shown themselves.
    const output = layer === 0 ? 1 : back ? values[layer - 1][neuron] : activations[layer][neuron];
    const into = picked(wires.incoming, layer - 1, (i) => back ? output : activations[layer - 1][i]);
    const from = picked(wires.outgoing, layer + 1, (i) => back ? values[layer][i] : output);
    this.#edges(context, layout, camera, into, layer - 1, own, false);
    this.#edges(context, layout, camera, from, layer + 1, own, true);
  }

  /** @param {CanvasRenderingContext2D} context @param {Layout} layout @param {Camera} camera
   * @param {{at: number, product: number}[]} edges @param {number} layer that they lead to
   * @param {Rectangle} own @param {boolean} isRight */
  #edges(context, layout, camera, edges, layer, own, isRight) {
    const most = Math.abs(edges[0]?.product ?? 1);
    const start = pixelOf(camera, own.left + (isRight ? own.width : 0), own.top + own.height / 2);
    for (const { at, product } of edges.toReversed()) { // the strongest on top
      const place = rectangleOf(layout, { layer, neuron: at });
      if (!place) continue;
      const across = layer === 0 ? place.width / 2 : isRight ? 0 : place.width;
      const end = pixelOf(camera, place.left + across, place.top + place.height / 2);
      const share = Math.abs(product) / most;
      context.globalAlpha = 0.25 + 0.75 * share;
      context.lineWidth = 0.5 + 3 * share;
      context.strokeStyle = this.colour(product < 0 ? "--second" : "--accent");
      context.setLineDash(product < 0 ? [5, 3] : []);
      context.beginPath();
      context.moveTo(...start);
      const bend = (start[0] + end[0]) / 2;
      context.bezierCurveTo(bend, start[1], bend, end[1], ...end);
      context.stroke();
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} context @param {Scene} scene @param {number} i of the column */
  #column(context, scene, i) {
    const { layout, camera, values, heads } = scene;
    const column = layout.columns[i];
    const isLast = i === layout.columns.length - 1;
    const most = values[i].reduce((all, value) => Math.max(all, Math.abs(value) || 0), 0);
    const sizes = column.neurons.map((neuron) => ({
      neuron, ...this.#box(camera, { left: column.left, top: 0, width: column.width, height: column.height }),
    }));
    for (const [row, size] of sizes.entries()) {
      size.y = pixelOf(camera, 0, column.top + row * column.pitch)[1];
      if (size.y > camera.height || size.y + size.height < 0) continue;
      if (isLast) this.#class(context, scene, size, most);
      else this.#neuron(context, values[i][size.neuron], most, size, String(size.neuron));
    }
    const first = pixelOf(camera, column.left, column.top);
    const under = pixelOf(camera, column.left, column.top + (column.neurons.length - 1) * column.pitch + column.height);
    const middle = isLast ? first[0] + 13 * camera.zoom : first[0] + column.width * camera.zoom / 2;
    const size = Math.min(13, Math.max(9, 13 * camera.zoom));
    context.font = `${size}px ${this.font}`;
    context.fillStyle = this.colour("--quiet");
    context.textAlign = isLast ? "left" : "center";
    context.textBaseline = "bottom";
    const isNarrow = camera.zoom * (GAP + column.width) < NARROW && !isLast;
    context.fillText(isNarrow ? String(column.all) : heads[i], isLast ? first[0] : middle, first[1] - 4);
    const more = column.all - column.neurons.length;
    context.textBaseline = "top";
    const text = isNarrow ? `+${more}` : `… and ${more.toLocaleString("en")} more`;
    if (more) context.fillText(text, isLast ? first[0] : middle, under[1] + 4);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} value @param {number} most
   * @param {{x: number, y: number, width: number, height: number}} box @param {string} name */
  #neuron(context, value, most, { x, y, width, height }, name) {
    context.beginPath();
    context.roundRect(x, y, width, height, width / 3);
    context.fillStyle = this.colour("--card");
    context.fill();
    if (!Number.isFinite(value)) {
      context.fillStyle = this.colour("--wrong");
      context.fill();
    } else if (most) {
      context.globalAlpha = Math.abs(value) / most;
      context.fillStyle = this.colour(value < 0 ? "--second" : "--accent");
      context.fill();
      context.globalAlpha = 1;
    }
    context.lineWidth = 1;
    context.strokeStyle = this.colour("--edge");
    context.stroke();
    if (value < 0 && width > 6) { // a sign, not a colour alone
      context.fillStyle = this.colour("--text");
      context.fillRect(x + width * 0.3, y + height / 2 - 0.75, width * 0.4, 1.5);
    }
    if (width < LEGIBLE || !name) return; // of a class it stands beside
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.font = `${Math.min(14, width / 1.8)}px ${this.font}`;
    context.lineWidth = 4;
    context.strokeStyle = this.colour("--card"); // around it, where wires are
    context.fillStyle = this.colour("--text");
    /** @type {const} */ (["strokeText", "fillText"]).forEach((how) =>
      context[how](`${name}: ${written(value, 2)}`, x + width + 6, y + height / 2)
    );
  }

  /** A class: it glows by its probability, and has a bar and a number of it, or backward of its delta.
   * @param {CanvasRenderingContext2D} context @param {Scene} scene
   * @param {{neuron: number, x: number, y: number, width: number, height: number}} box
   * @param {number} most */
  #class(context, { values, probabilities, answer, label, classes, back }, { neuron, x, y, width, height }, most) {
    const value = back ? values[values.length - 1][neuron] : probabilities[neuron] || 0;
    const share = back ? 0 : value;
    const node = { x, y, width: height, height };
    for (let ring = 3; ring > 0 && share > 0.02; ring--) {
      const wide = ring * height * 0.16 * share;
      context.globalAlpha = 0.16 * share;
      context.fillStyle = this.colour("--accent");
      context.beginPath();
      context.roundRect(x - wide, y - wide, height + 2 * wide, height + 2 * wide, height / 3 + wide);
      context.fill();
    }
    context.globalAlpha = 1;
    this.#neuron(context, value, back ? most : 1, node, "");
    if (height < 8) return;
    const size = Math.min(15, height * 0.55);
    const left = x + height * 1.25;
    context.font = `${neuron === label || neuron === answer ? "700 " : ""}${size}px ${this.font}`;
    context.fillStyle = this.colour("--text");
    context.textAlign = "left";
    context.textBaseline = "middle";
    const said = label === null ? "answer" : neuron === label ? "right ✓" : "answer ✗";
    const words = neuron === answer ? said : "actual";
    const name = classes[neuron] + (neuron === answer || neuron === label ? `  ${words}` : "");
    context.fillText(name, left, y + height * 0.36, width - height * 3.4);
    context.textAlign = "right";
    context.font = `${size}px ${this.font}`;
    const text = back ? written(value, 2) : percent(share);
    context.fillText(text, x + width, y + height * 0.36);
    context.fillStyle = this.colour("--line");
    context.fillRect(left, y + height * 0.8, width - height * 1.25, Math.max(1, height * 0.12));
    context.fillStyle = this.colour(value < 0 ? "--second" : "--accent");
    const part = back ? Math.abs(value) / (most || 1) : share;
    context.fillRect(left, y + height * 0.8, (width - height * 1.25) * part, Math.max(1, height * 0.12));
  }

  /** @param {CanvasRenderingContext2D} context @param {Scene} scene */
  #focus(context, { layout, camera, focus, pinned, values, activations, back }) {
    const place = focus && rectangleOf(layout, focus);
    if (!place) return;
    const { x, y, width, height } = this.#box(camera, place);
    context.lineWidth = pinned ? 3 : 2;
    context.strokeStyle = this.colour("--text");
    context.strokeRect(x - 2, y - 2, width + 4, height + 4);
    context.lineWidth = 1;
    context.strokeStyle = this.colour("--card");
    context.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
    if (focus.layer === layout.columns.length || (focus.layer && width >= LEGIBLE)) return; // it is written there
    const value = back && focus.layer ? values[focus.layer - 1][focus.neuron] : activations[focus.layer][focus.neuron];
    const text = `${focus.neuron}: ${written(value)}`;
    context.font = `13px ${this.font}`;
    context.textAlign = "left";
    context.textBaseline = "middle";
    const wide = context.measureText(text).width + 10;
    const left = Math.min(Math.max(0, x + (width - wide) / 2), camera.width - wide);
    const middle = y > 36 ? y - 16 : y + height + 16;
    context.fillStyle = this.colour("--text");
    context.fillRect(left, middle - 11, wide, 22);
    context.fillStyle = this.colour("--card");
    context.fillText(text, left + 5, middle);
  }
}
