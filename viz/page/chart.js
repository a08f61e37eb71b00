// @ts-check
// A chart of lines on a canvas: linear or logarithmic axes, what stands under the pointer in words,
// a part of it nearer, and all of it as a table for those who do not see it. 5,000 points are drawn
// in a few milliseconds.

import { element, write } from "./dom.js";
import { listen } from "./gestures.js";
import { measuredAt, pointNear, rowsOf } from "./points.js";
import { fromZero, numberAt, placeOn, scaleOf, ticks, within, written } from "./ticks.js";

/** @typedef {import("./ticks.js").Scale} Scale */

/**
 * colour: of CSS. faint: drawn thinly, as what is beside the matter; strong: thickly. x is in order.
 * @typedef {{
 *   name: string, colour: string, x: ArrayLike<number>, y: ArrayLike<number>, faint?: boolean, strong?: boolean,
 * }} Line
 * @typedef {{x: string, unit?: string}} Names of what is measured along x, and of what stands behind a y
 */

const ROOM = { left: 50, right: 12, top: 8, bottom: 38 }; // pixels around the lines, at least
const APART = { x: 90, y: 44 }; // pixels between two ticks
const DOT = 3.5; // pixels from the middle of a point to its edge
const REACH = 8; // pixels from a point where it is still looked at
const ROWS = 30; // of the table at most
const NAMED = 4; // lines that have room for their names; of more, those that are not faint
const SECOND = 1000; // milliseconds between two tables: they take longer than a frame has

export class Chart {
  /**
   * @param {HTMLElement} host which it fills @param {string} title @param {Names} names
   * @param {(x: number | null) => void} [hover] is told which x is looked at
   */
  constructor(host, title, names, hover) {
    this.names = names;
    this.hover = hover;
    this.log = { x: false, y: false };
    /** @type {Line[]} */ this.lines = [];
    /** @type {[number, number] | null} */ this.range = null; // of x, where that is not all
    /** @type {number | null} */ this.at = null; // the x that is looked at
    /** @type {number | null} */ this.mark = null; // the x that what is beside the chart is of
    /** @type {Map<string, string>} */ this.colours = new Map();
    this.limits = { least: -Infinity, most: Infinity }; // of y: what lies beyond has no room
    this.frame = 0;
    this.tabled = -Infinity; // when the table was written
    /** @type {ReturnType<typeof setTimeout> | 0} */ this.timer = 0;
    this.scales = { x: scaleOf([], false), y: scaleOf([], false) };
    this.box = { left: 0, top: 0, width: 1, height: 1 }; // where the lines are, in pixels
    this.canvas = element("canvas", { tabindex: 0, role: "img", "aria-label": title });
    this.tip = element("div", { class: "chart-tip", hidden: "" });
    this.table = element("table", {}, element("caption", {}, title));
    this.legend = element("p", { class: "chart-legend", "aria-hidden": "true" });
    this.all = element("button", { class: "chart-all", type: "button", title: "All of it again (0)", hidden: "" }, "all");
    this.none = element("p", { class: "chart-none" }, `no ${names.x}s yet`);
    host.classList.add("chart");
    // Within a box: a table is never smaller than its rows, and would have the page scroll.
    const spoken = element("div", { class: "spoken" }, this.table);
    host.replaceChildren(this.canvas, this.all, this.legend, this.none, this.tip, spoken);
    listen(this);
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colours.clear();
      this.redraw();
    });
  }

  /** Show other lines. @param {Line[]} lines */
  set(lines) {
    this.lines = lines;
    this.none.hidden = lines.some(({ y }) => Array.prototype.some.call(y, Number.isFinite));
    this.#writeLegend();
    this.#writeTableSoon();
    this.redraw();
  }

  /** Forget the lines, and which part of them was looked at. */
  clear() {
    this.at = null;
    this.limits = { least: -Infinity, most: Infinity };
    this.zoom(null);
    this.set([]);
  }

  /** Which colour is which line. */
  #writeLegend() {
    const few = this.lines.length <= NAMED;
    const named = this.lines.filter(({ faint }) => few || !faint);
    const text = named.map(({ name, colour, strong }) => [name, colour, strong]).join();
    if (this.legend.dataset.lines === text) return;
    this.legend.dataset.lines = text;
    this.legend.replaceChildren(...named.map(({ name, colour, faint, strong }) => {
      const entry = element("span", { class: faint ? "faint" : strong ? "strong" : null }, name);
      entry.style.setProperty("--of", colour.startsWith("--") ? `var(${colour})` : colour);
      return entry;
    }));
  }

  /** Leave no room for what lies beyond, on a linear axis. @param {number} least @param {number} most */
  setLimits(least, most) {
    this.limits = { least, most };
    this.redraw();
  }

  /** Linear or logarithmic axes. @param {{x: boolean, y: boolean}} log */
  setLog(log) {
    this.log = log;
    this.redraw();
  }

  /** Look at an x, as another chart does. @param {number | null} x */
  look(x) {
    this.at = x;
    this.redraw();
  }

  /** Look at an x, and say so. @param {number | null} x */
  show(x) {
    this.look(x);
    this.hover?.(x);
  }

  /** Show a part of x alone, or all of it. @param {[number, number] | null} range */
  zoom(range) {
    this.range = range;
    this.all.hidden = range === null;
    this.redraw();
  }

  /** Mark an x, which what is beside the chart is of. @param {number | null} x */
  setMark(x) {
    if (x === this.mark) return;
    this.mark = x;
    this.redraw();
  }

  /** Redraw before the next frame. */
  redraw() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.#draw();
    });
  }

  // --- drawing ---

  #draw() {
    const { canvas } = this;
    const { clientWidth: width, clientHeight: height } = canvas;
    // Drawn by the CPU: the graphics can take as long as a few frames to make a context.
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context || !width || !height) return;
    const ratio = devicePixelRatio;
    const pixels = { width: Math.round(width * ratio), height: Math.round(height * ratio) };
    const fits = canvas.width === pixels.width && canvas.height === pixels.height;
    if (!fits) Object.assign(canvas, pixels);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.scales = this.#scales();
    context.font = `12px ${getComputedStyle(canvas).fontFamily}`;
    const high = Math.max(1, height - ROOM.top - ROOM.bottom);
    const values = ticks(this.scales.y, high / APART.y);
    const widest = Math.max(0, ...values.map((each) => context.measureText(this.#value(each)).width));
    const left = Math.max(ROOM.left, Math.ceil(widest) + 8);
    this.box = { left, top: ROOM.top, width: Math.max(1, width - left - ROOM.right), height: high };
    this.#drawAxes(context, values, width);
    context.save();
    context.beginPath();
    const { top, width: wide } = this.box;
    context.rect(left - DOT, top - DOT, wide + 2 * DOT, high + 2 * DOT); // a dot may lie on the edge
    context.clip();
    for (const line of this.lines) this.#drawLine(context, line);
    if (this.mark !== null) {
      const [x] = this.#pixel(this.mark, this.scales.y.low);
      context.lineWidth = 2;
      stroke(context, this.#colour("--quiet"), [[x, top], [x, top + high]]);
    }
    context.restore();
    this.#drawLooked(context);
  }

  #scales() {
    const { lines, log, range, limits: { least, most } } = this;
    const xs = lines.flatMap(({ x }) => x.length ? [x[0], x[x.length - 1]] : []);
    const firsts = log.x ? lines.flatMap(({ x }) => Array.from(x).find((each) => each > 0) ?? []) : [];
    const x = range || log.x ? scaleOf(range ?? [...xs, ...firsts], log.x, true) : fromZero(xs);
    const seen = function* () {
      for (const line of lines) {
        for (let i = 0; i < line.x.length; i++) {
          if (line.x[i] >= x.low && line.x[i] <= x.high) yield line.y[i];
        }
      }
    };
    return { x, y: log.y ? scaleOf(seen(), true) : within(seen(), least, most) };
  }

  /** @param {number} x @param {number} y @returns {[number, number]} in pixels */
  #pixel(x, y) {
    const { scales, box } = this;
    return [
      box.left + placeOn(scales.x, x) * box.width,
      box.top + (1 - placeOn(scales.y, y)) * box.height,
    ];
  }

  /** A y in words. @param {number} y @param {number} [digits] */
  #value(y, digits) {
    return written(y, digits) + (this.names.unit ?? "");
  }

  /** @param {CanvasRenderingContext2D} context @param {number[]} values ticks of y
   * @param {number} width of the canvas */
  #drawAxes(context, values, width) {
    const { scales, box, names } = this;
    context.lineWidth = 1;
    const line = this.#colour("--line");
    context.fillStyle = this.#colour("--quiet");
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const tick of values) {
      const [, y] = this.#pixel(scales.x.low, tick);
      stroke(context, line, [[box.left, y], [box.left + box.width, y]]);
      context.fillText(this.#value(tick), box.left - 6, y);
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const tick of ticks(scales.x, box.width / APART.x)) {
      const [x] = this.#pixel(tick, scales.y.low);
      stroke(context, line, [[x, box.top], [x, box.top + box.height]]);
      const text = written(tick);
      const half = context.measureText(text).width / 2;
      context.fillText(text, Math.min(x, width - half), box.top + box.height + 5);
    }
    context.textAlign = "right";
    context.fillText(names.x, box.left + box.width, box.top + box.height + 21);
  }

  /** A colour of CSS, or a variable of the page's, as a canvas takes it. @param {string} name */
  #colour(name) {
    const known = this.colours.get(name);
    if (known) return known;
    this.canvas.style.color = name.startsWith("--") ? `var(${name})` : name;
    const { color } = getComputedStyle(this.canvas);
    this.colours.set(name, color);
    return color;
  }

  /** @param {CanvasRenderingContext2D} context @param {Line} line */
  #drawLine(context, { colour, x, y, faint, strong }) {
    const points = [];
    for (let i = 0; i < x.length; i++) points.push(this.#pixel(x[i], y[i]));
    context.lineWidth = faint ? 1 : strong ? 3.5 : 2;
    context.globalAlpha = faint ? 0.45 : 1;
    const paint = this.#colour(colour);
    stroke(context, paint, points);
    if (points.length < 3) points.forEach(([left, top]) => dot(context, paint, left, top));
    context.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} context */
  #drawLooked(context) {
    const { box, at, lines, tip, names, scales } = this;
    const found = at === null ? [] : lines.flatMap((line) => {
      const reach = numberAt(scales.x, placeOn(scales.x, at) + REACH / box.width) - at;
      const i = pointNear(line.x, at, reach);
      return i < 0 || Number.isNaN(line.y[i]) ? [] : [{ line, x: line.x[i], y: line.y[i] }];
    });
    tip.hidden = !found.length;
    if (!found.length) return;
    const [left] = this.#pixel(found[0].x, 0);
    if (left < box.left - 1 || left > box.left + box.width + 1) {
      tip.hidden = true;
      return;
    }
    const quiet = this.#colour("--quiet");
    context.lineWidth = 1;
    stroke(context, quiet, [[left, box.top], [left, box.top + box.height]]);
    for (const { line, x, y } of found) dot(context, this.#colour(line.colour), ...this.#pixel(x, y));
    const text = found.map(({ line, x, y }) =>
      `${line.name} ${this.#value(y, 4)}${x === found[0].x ? "" : ` at ${written(x)}`}`
    );
    write(tip, [`${names.x} ${written(found[0].x)}`, ...text].join("\n"));
    this.#placeTip(left);
  }

  /** Beside what is looked at, where it covers least of the lines. @param {number} at in pixels */
  #placeTip(at) {
    const { box, canvas, tip, lines } = this;
    const [wide, high] = [tip.offsetWidth, tip.offsetHeight];
    const isRight = at > box.left + box.width / 2;
    const [before, after] = [at - wide - 10, at + 10];
    const sides = isRight ? [before, after] : [after, before]; // that first which has more room
    const fits = sides.filter((left) => left >= 0 && left + wide <= canvas.clientWidth);
    if (!fits.length) fits.push(Math.max(0, sides[0]));
    const points = lines.flatMap(({ x, y }) => Array.from(x, (each, i) => this.#pixel(each, y[i])));
    const covered = (/** @type {number} */ left, /** @type {number} */ top) =>
      points.filter(([x, y]) => x >= left && x <= left + wide && y >= top && y <= top + high).length;
    const [top, bottom] = [box.top + 4, box.top + box.height - high - 4];
    const tops = [top, bottom, (top + bottom) / 2];
    const places = fits.flatMap((x) => tops.map((y) => ({ x, y, covers: covered(x, y) })));
    const { x, y } = places.reduce((best, each) => each.covers < best.covers ? each : best);
    tip.style.left = `${x}px`;
    tip.style.top = `${y}px`;
  }

  #writeTableSoon() {
    this.timer ||= setTimeout(() => {
      this.timer = 0;
      this.tabled = performance.now();
      this.#writeTable();
    }, Math.max(0, this.tabled + SECOND - performance.now()));
  }

  /** What the lines say, in at most ROWS rows. */
  #writeTable() {
    const { lines, names, table } = this;
    const head = element("tr", {}, ...[names.x, ...lines.map(({ name }) => name)].map((name) =>
      element("th", { scope: "col" }, name)
    ));
    const body = rowsOf(lines, ROWS).map((x) =>
      element("tr", {}, element("th", { scope: "row" }, written(x)), ...lines.map((line) => {
        const y = measuredAt(line, x);
        return element("td", {}, y === null ? "" : this.#value(y, 4));
      }))
    );
    const [caption] = table.children;
    table.replaceChildren(caption, head, ...body);
  }
}

/** Join points by lines; there is a gap where one is not finite.
 * @param {CanvasRenderingContext2D} context @param {string} colour @param {number[][]} points */
function stroke(context, colour, points) {
  context.strokeStyle = colour;
  context.lineJoin = "round";
  context.beginPath();
  let joined = false;
  for (const [left, top] of points) {
    const finite = Number.isFinite(left) && Number.isFinite(top);
    if (finite && joined) context.lineTo(left, top);
    else if (finite) context.moveTo(left, top);
    joined = finite;
  }
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {string} colour @param {number} left
 * @param {number} top */
function dot(context, colour, left, top) {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(left, top, DOT, 0, 2 * Math.PI);
  context.fill();
}
