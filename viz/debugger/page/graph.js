// @ts-check
// The picture: Graphviz's own SVG behind a window that moves and zooms, with rings around the nodes
// of the current event, and at each node its gradient as it becomes known.

import { first } from "../../page/dom.js";
import { differs, parties } from "./state.js";

/** @typedef {import("./state.js").Event} Event */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Known} Known */
/** @typedef {{x: number, y: number, width: number, height: number}} Box */

const MARGIN = 16; // units around the picture: room for a ring, and for a gradient below a box
const MAX_SCALE = 1.8; // a graph of three nodes need not fill the window
const MAX_LETTERS = 22; // of a gradient
const LEGIBLE = 0.9; // a graph that fits only smaller than this opens near its current node

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag @param {Record<string, unknown>} attributes
 */
function drawn(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}

/** The smallest box around some. @param {Box[]} boxes @returns {Box} */
function around(boxes) {
  const x = Math.min(...boxes.map((box) => box.x));
  const y = Math.min(...boxes.map((box) => box.y));
  const right = Math.max(...boxes.map((box) => box.x + box.width));
  const bottom = Math.max(...boxes.map((box) => box.y + box.height));
  return { x, y, width: right - x, height: bottom - y };
}

/** The middle of a window of a certain size, near to a wanted one, that shows as little as possible
 * beside a picture. @param {number} wanted @param {number} size @param {number} from @param {number} extent */
function within(wanted, size, from, extent) {
  if (extent <= size) return from + extent / 2;
  return Math.min(Math.max(wanted, from + size / 2), from + extent - size / 2);
}

/** A gradient in few letters: the norm of a large array, the entries of a small one. @param {string | null | undefined} text */
function line(text) {
  const norm = text?.match(/norm \S+$/)?.[0];
  const short = norm ?? text?.replace(/^\w+ \([\d, ]*\)[,:] /, "") ?? "";
  return short && `grad ${short.length > MAX_LETTERS ? `${short.slice(0, MAX_LETTERS)}\u2026` : short}`;
}

/** The element for a node's gradient: the line that Graphviz has drawn for it, if there is one with
 * space for so many letters, or else a new one below the box.
 * @param {SVGGElement} group @param {Box} box @param {number} letters */
function labelOf(group, box, letters) {
  const found = group.querySelectorAll("text[text-anchor=start]");
  const lines = /** @type {SVGTextElement[]} */ ([...found]);
  const at = lines.findIndex((each) => /^grad\s/.test(each.textContent));
  if (at >= 0) {
    const room = Math.max(...lines.map((each) => each.textContent.length)) + 1;
    for (const more of lines.slice(at + 1)) more.remove(); // an array's other rows
    if (room >= letters) return lines[at];
    lines[at].remove();
  }
  const place = { x: box.x + box.width / 2, y: box.y + box.height + 12 };
  return drawn("text", { class: "below", "text-anchor": "middle", ...place });
}

export class Graph {
  /** @param {HTMLElement} canvas @param {(id: string) => void} select called when a node is clicked */
  constructor(canvas, select) {
    this.canvas = canvas;
    this.svg = drawn("svg", {}); // empty until there is a trace to show
    /** @type {Box} */ this.whole = { x: 0, y: 0, width: 1, height: 1 };
    /** @type {Map<string, {group: SVGGElement, box: Box, label: SVGTextElement}>} */
    this.nodes = new Map();
    /** @type {Map<string, SVGGElement>} */ this.edges = new Map();
    this.labels = drawn("g", {}); // gradients below boxes, drawn last
    /** @type {SVGRectElement[]} */ this.rings = [];
    this.camera = { x: 0, y: 0, scale: 1 };
    this.fitted = true; // whether the window shows the whole, until someone moves it
    /** @type {(string | null)[]} */ this.pointed = []; // the nodes of the current event
    /** @type {import("./state.js").Trace | null} */ this.unmeasured = null;
    /** @type {[State, Event | undefined, Known] | null} */ this.rendered = null;
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.listen(select);
  }

  /** Show a trace's picture. @param {import("./state.js").Trace} trace */
  show(trace) {
    this.canvas.innerHTML = trace.svg; // Graphviz wrote it, and escapes every label
    this.svg = first(this.canvas, "svg", SVGSVGElement);
    const { x, y, width, height } = this.svg.viewBox.baseVal;
    this.whole = { x, y, width, height };
    this.canvas.style.setProperty("--tall", `${height + 2 * MARGIN}px`);
    this.svg.removeAttribute("width"); // the style sheet's are the window's
    this.svg.removeAttribute("height");
    this.rings = [];
    this.edges = this.groups("edge");
    this.nodes = new Map();
    this.unmeasured = trace;
    this.rendered = null;
    this.measure();
  }

  /** Find where the nodes are. In a frame that is not displayed nothing has a size: once it has one,
   * `resize` comes here again. */
  measure() {
    const trace = this.unmeasured;
    const drawing = first(this.svg, "g.graph", SVGGElement);
    if (!trace || !this.canvas.clientWidth || !drawing.getBBox().width) return;
    this.unmeasured = null;
    const { nodes, events } = trace;
    /** @type {Record<string, number>} */ const longest = {};
    for (const { node, after } of events) {
      longest[node] = Math.max(longest[node] ?? 0, line(after).length);
    }
    this.labels = drawn("g", {});
    const groups = this.groups("node");
    for (const { id } of nodes) {
      const group = groups.get(id);
      if (!group) continue;
      const box = group.getBBox();
      const label = labelOf(group, box, longest[id] ?? 0);
      label.dataset.gradient = id;
      if (!label.parentNode) this.labels.append(label);
      this.nodes.set(id, { group, box, label });
    }
    drawing.append(this.labels);
    this.fit();
    if (this.camera.scale < LEGIBLE) this.zoom(1 / this.camera.scale);
    if (this.rendered) this.render(...this.rendered);
  }

  resize() {
    this.measure();
    if (this.fitted) this.fit();
    else this.reveal();
  }

  /** @param {string} kind @returns {Map<string, SVGGElement>} */
  groups(kind) {
    const found = /** @type {SVGGElement[]} */ ([...this.svg.querySelectorAll(`g.${kind}`)]);
    return new Map(found.map((group) => [group.id, group]));
  }

  /** @param {State} state @param {Event | undefined} event @param {Known} known */
  render(state, event, known) {
    this.rendered = [state, event, known];
    for (const [id, { group, label }] of this.nodes) {
      group.classList.toggle("pending", state.view === "forward" && !known.computed.has(id));
      label.textContent = line(known.gradients.get(id)?.text);
    }
    for (const ring of this.rings) ring.remove();
    for (const edge of this.edges.values()) edge.classList.remove("active", "wrong");
    this.rings = [];
    this.canvas.dataset.view = state.view;
    this.ring(state.watch, "watched", 9);
    this.ring(state.node, "selected", 6);
    if (event) this.point(event);
  }

  /** Mark the node that sends, the edge, and the node that receives. @param {Event} event */
  point(event) {
    const [sender, receiver] = parties(event);
    const wrong = differs(event) ? ["wrong"] : [];
    this.ring(sender, ["sender", ...wrong].join(" "), 3);
    this.ring(receiver, ["receiver", ...wrong].join(" "), 3);
    for (const [id, edge] of this.edges) {
      const read = event.kind === "compute" && id.split("-")[1] === event.node;
      const sent = id === `${receiver}-${sender}-${event.position}`;
      if (read || sent) edge.classList.add("active", ...wrong);
    }
    this.pointed = [sender, receiver];
    if (!this.fitted) this.reveal();
  }

  /** @param {string | null} id @param {string} kind @param {number} gap */
  ring(id, kind, gap) {
    const node = this.nodes.get(id ?? "");
    if (!node) return;
    const { x, y, width, height } = node.box;
    const size = { x: x - gap, y: y - gap, width: width + 2 * gap, height: height + 2 * gap };
    const ring = drawn("rect", { class: `ring ${kind}`, rx: 5 + gap, ...size });
    this.labels.before(ring); // not into the node's group, which may be faint
    this.rings.push(ring);
  }

  // The window: `camera` is the point of the picture in its middle, and its pixels per unit.

  /** Show the whole. */
  fit() {
    const { clientWidth, clientHeight } = this.canvas;
    const { x, y, width, height } = this.whole;
    const scale = Math.min(
      clientWidth / (width + 2 * MARGIN),
      clientHeight / (height + 2 * MARGIN),
      MAX_SCALE,
    );
    this.camera = { x: x + width / 2, y: y + height / 2, scale };
    this.fitted = true;
    this.aim();
  }

  aim() {
    const { x, y, scale } = this.camera;
    const { clientWidth, clientHeight } = this.canvas;
    if (!(scale > 0)) return; // no room to show it in
    const [width, height] = [clientWidth / scale, clientHeight / scale];
    this.svg.setAttribute("viewBox", [x - width / 2, y - height / 2, width, height].join(" "));
  }

  /** Zoom; the point of the window at this distance from its middle stays where it is.
   * @param {number} factor @param {number} [dx] @param {number} [dy] */
  zoom(factor, dx = 0, dy = 0) {
    const { x, y, scale } = this.camera;
    const wanted = Math.min(Math.max(scale * factor, 0.02), 8);
    const move = 1 / scale - 1 / wanted;
    this.camera = { x: x + dx * move, y: y + dy * move, scale: wanted };
    this.fitted = false;
    this.aim();
  }

  /** Move by so many of the window's pixels. @param {number} dx @param {number} dy */
  pan(dx, dy) {
    this.camera.x += dx / this.camera.scale;
    this.camera.y += dy / this.camera.scale;
    this.fitted = false;
    this.aim();
  }

  /** Move the window to the nodes of the current event, unless it shows them all. */
  reveal() {
    const boxes = this.pointed.flatMap((id) => this.nodes.get(id ?? "")?.box ?? []);
    if (!boxes.length) return;
    const shift = first(this.svg, "g.graph", SVGGElement).transform.baseVal.consolidate();
    const { e, f } = shift?.matrix ?? { e: 0, f: 0 };
    const { x, y, scale } = this.camera;
    const { clientWidth, clientHeight } = this.canvas;
    const [width, height] = [clientWidth / scale, clientHeight / scale];
    const joint = around(boxes);
    const goal = joint.width < width && joint.height < height ? joint : boxes[boxes.length - 1];
    const [across, down] = [goal.x + e + goal.width / 2, goal.y + f + goal.height / 2];
    const inside =
      Math.abs(across - x) + goal.width / 2 < width / 2 &&
      Math.abs(down - y) + goal.height / 2 < height / 2;
    if (!inside) {
      const { x, y, width: wide, height: tall } = this.whole;
      this.camera = {
        x: within(across, width, x - MARGIN, wide + 2 * MARGIN),
        y: within(down, height, y - MARGIN, tall + 2 * MARGIN),
        scale,
      };
    }
    this.aim();
  }

  /** Wheel, drag and click. @param {(id: string) => void} select */
  listen(select) {
    const canvas = this.canvas;
    /** @type {{x: number, y: number} | null} */ let held = null;
    let dragged = false;
    canvas.addEventListener("wheel", (/** @type {WheelEvent} */ event) => {
      event.preventDefault();
      const { left, top, width, height } = canvas.getBoundingClientRect();
      const [dx, dy] = [event.clientX - left - width / 2, event.clientY - top - height / 2];
      const turned = event.deltaMode ? event.deltaY * 30 : event.deltaY; // lines, or pixels
      this.zoom(Math.exp(-turned / 500), dx, dy);
    });
    canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      held = event.button === 0 ? { x: event.clientX, y: event.clientY } : null;
      dragged = false;
    });
    canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      if (!held) return;
      const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
      if (!dragged && Math.hypot(dx, dy) < 4) return; // a click with an unsteady hand
      if (!dragged) canvas.setPointerCapture(event.pointerId);
      dragged = true;
      held = { x: event.clientX, y: event.clientY };
      this.pan(-dx, -dy);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => (held = null));
    }
    canvas.addEventListener("click", (/** @type {MouseEvent} */ event) => {
      const group = /** @type {Element} */ (event.target).closest("g.node");
      if (group && !dragged) select(group.id);
    });
  }
}
