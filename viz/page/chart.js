// @ts-check
// A chart of lines on a canvas: linear or logarithmic axes, what stands under the pointer in words,
// a part of it nearer, and all of it as a table for those who do not see it. 5,000 points are drawn
// in a few milliseconds.

import { element, write } from "./dom.js";
import { above, fromZero, numberAt, placeOn, scaleOf, ticks, written } from "./ticks.js";

/** @typedef {import("./ticks.js").Scale} Scale */

/**
 * colour: of CSS. faint: drawn thinly, as what is beside the matter; strong: thickly. x is in order.
 * @typedef {{
 *   name: string, colour: string, x: ArrayLike<number>, y: ArrayLike<number>, faint?: boolean, strong?: boolean,
 * }} Line
 * @typedef {{x: string, y: string}} Names of what the axes measure
 */

const ROOM = { left: 50, right: 12, top: 8, bottom: 38 }; // pixels around the lines
const APART = { x: 90, y: 44 }; // pixels between two ticks
const DOT = 3.5; // pixels from the middle of a point to its edge
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
    /** @type {number | null} */ this.dragged = null; // the x where a drag began
    /** @type {Map<string, string>} */ this.colours = new Map();
    this.floor = -Infinity; // of y: what lies below is not shown
    this.frame = 0;
    this.tabled = -Infinity; // when the table was written
    /** @type {ReturnType<typeof setTimeout> | 0} */ this.timer = 0;
    this.scales = { x: scaleOf([], false), y: scaleOf([], false) };
    this.box = { left: 0, top: 0, width: 1, height: 1 }; // where the lines are, in pixels
    this.canvas = element("canvas", { tabindex: 0, role: "img", "aria-label": title });
    this.tip = element("div", { class: "chart-tip", hidden: "" });
    this.table = element("table", {}, element("caption", {}, title));
    this.legend = element("p", { class: "chart-legend", "aria-hidden": "true" });
    this.none = element("p", { class: "chart-none" }, `no ${names.x}s yet`);
    host.classList.add("chart");
    // Within a box: a table is never smaller than its rows, and would have the page scroll.
    const spoken = element("div", { class: "spoken" }, this.table);
    host.replaceChildren(this.canvas, this.legend, this.none, this.tip, spoken);
    this.#listen();
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
    this.range = null;
    this.at = null;
    this.dragged = null;
    this.floor = -Infinity;
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

  /** Leave out what lies below; the highest number is then the top, with no room above it, which a
   * share has not. @param {number} floor */
  setFloor(floor) {
    this.floor = floor;
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
    this.box = {
      left: ROOM.left, top: ROOM.top,
      width: Math.max(1, width - ROOM.left - ROOM.right),
      height: Math.max(1, height - ROOM.top - ROOM.bottom),
    };
    this.#drawAxes(context);
    context.save();
    context.beginPath();
    const { left, top, width: wide, height: high } = this.box;
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
    const { lines, log, range } = this;
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
    return { x, y: this.floor === -Infinity ? scaleOf(seen(), log.y) : above(this.floor, seen(), log.y) };
  }

  /** @param {number} x @param {number} y @returns {[number, number]} in pixels */
  #pixel(x, y) {
    const { scales, box } = this;
    return [
      box.left + placeOn(scales.x, x) * box.width,
      box.top + (1 - placeOn(scales.y, y)) * box.height,
    ];
  }

  /** @param {CanvasRenderingContext2D} context */
  #drawAxes(context) {
    const { scales, box, names } = this;
    context.font = `12px ${getComputedStyle(this.canvas).fontFamily}`;
    context.lineWidth = 1;
    const line = this.#colour("--line");
    context.fillStyle = this.#colour("--quiet");
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const tick of ticks(scales.y, box.height / APART.y)) {
      const [, y] = this.#pixel(scales.x.low, tick);
      stroke(context, line, [[box.left, y], [box.left + box.width, y]]);
      context.fillText(written(tick), box.left - 6, y);
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const tick of ticks(scales.x, box.width / APART.x)) {
      const [x] = this.#pixel(tick, scales.y.low);
      stroke(context, line, [[x, box.top], [x, box.top + box.height]]);
      context.fillText(written(tick), x, box.top + box.height + 5);
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
    const { box, at, lines, tip } = this;
    const found = at === null ? [] : lines.flatMap((line) => {
      const i = pointAt(line.x, at);
      return i < 0 ? [] : [{ line, x: line.x[i], y: line.y[i] }];
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
    const text = found.map(({ line, y }) => `${line.name} ${written(y, 4)}`);
    write(tip, [`${this.names.x} ${written(found[0].x)}`, ...text].join("\n"));
    // At the side that has more room, so that it covers nothing of what is looked at.
    const before = left > box.left + box.width / 2;
    tip.style.left = `${before ? Math.max(0, left - tip.offsetWidth - 10) : left + 10}px`;
    tip.style.top = `${box.top + 4}px`;
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
    const longest = longestOf(lines);
    const every = Math.max(1, Math.ceil(longest.length / ROWS));
    const rows = [];
    for (let i = longest.length - 1; i >= 0; i -= every) rows.unshift(longest[i]);
    const head = element("tr", {}, ...[names.x, ...lines.map(({ name }) => name)].map((name) =>
      element("th", { scope: "col" }, name)
    ));
    const body = rows.map((x) =>
      element("tr", {}, element("th", { scope: "row" }, written(x)), ...lines.map((line) => {
        const i = pointAt(line.x, x);
        return element("td", {}, i < 0 ? "" : written(line.y[i], 4));
      }))
    );
    const [caption] = table.children;
    table.replaceChildren(caption, head, ...body);
  }

  // --- what a person does ---

  #listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.dragged = this.#xAt(event);
    });
    canvas.addEventListener("pointermove", (event) => this.#show(this.#xAt(event)));
    canvas.addEventListener("pointerleave", () => this.#show(null));
    canvas.addEventListener("pointerup", (event) => {
      const to = this.#xAt(event);
      const { dragged, box, scales } = this;
      this.dragged = null;
      if (dragged === null) return;
      const wide = Math.abs(placeOn(scales.x, to) - placeOn(scales.x, dragged)) * box.width;
      if (wide > 10) this.#zoom([Math.min(dragged, to), Math.max(dragged, to)]);
    });
    canvas.addEventListener("pointercancel", () => this.dragged = null);
    canvas.addEventListener("dblclick", () => this.#zoom(null));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colours.clear();
      this.redraw();
    });
  }

  /** @param {PointerEvent} event */
  #xAt(event) {
    const { box, scales } = this;
    const { left } = this.canvas.getBoundingClientRect();
    const place = (event.clientX - left - box.left) / box.width;
    return numberAt(scales.x, Math.min(1, Math.max(0, place)));
  }

  /** @param {number | null} x */
  #show(x) {
    this.look(x);
    this.hover?.(x);
  }

  /** @param {[number, number] | null} range */
  #zoom(range) {
    this.range = range;
    this.redraw();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const longest = longestOf(this.lines);
    const last = longest.length - 1;
    const now = this.at === null ? last : nearest(longest, this.at);
    const big = event.shiftKey ? 10 : 1;
    /** @type {Record<string, number>} */
    const to = { ArrowLeft: now - big, ArrowRight: now + big, Home: 0, End: last };
    if (event.key in to && last >= 0) {
      this.#show(longest[Math.min(last, Math.max(0, to[event.key]))]);
    } else if (event.key === "+" && this.at !== null) {
      const { low, high } = this.scales.x;
      const quarter = (high - low) / 4;
      this.#zoom([this.at - quarter, this.at + quarter]);
    } else if (event.key === "-" || event.key === "0" || event.key === "Escape") {
      this.#zoom(null);
      if (event.key === "Escape") this.#show(null);
    } else return;
    event.preventDefault();
  }
}

/** The x of the line that has the most. @param {Line[]} lines @returns {ArrayLike<number>} */
const longestOf = (lines) =>
  lines.map(({ x }) => x).reduce((most, x) => x.length > most.length ? x : most, []);

/** The place in a list, in order, of what is nearest to x; -1 in an empty one.
 * @param {ArrayLike<number>} list @param {number} x */
export function nearest(list, x) {
  let low = 0;
  let high = list.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low > 0 && x - list[low - 1] < list[low] - x ? low - 1 : list.length ? low : -1;
}

/** The same, but -1 where the list is over: further out than two of its points are apart there.
 * @param {ArrayLike<number>} list @param {number} x */
function pointAt(list, x) {
  const last = list.length - 1;
  const isOver = last > 0 && (x < 2 * list[0] - list[1] || x > 2 * list[last] - list[last - 1]);
  return isOver ? -1 : nearest(list, x);
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
