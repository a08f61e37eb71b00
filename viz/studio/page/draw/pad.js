// @ts-check
// The canvas that is drawn on, with mouse, pen or a finger, or from cell to cell by keys: what they
// do is told as strokes that begin, grow and end.

import { FULL, UNIT } from "./strokes.js";

/** @typedef {import("./strokes.js").Point} Point */
/** @typedef {{begin: (point: Point, erases: boolean) => void, grow: (points: Point[]) => void, end: () => void}} Tell */

const APART = 3; // pixels of the sheet between two points: nearer ones make links longer, and no better line
const RUBBER = 5; // the button of a pen's other end
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Mouse, pen and fingers. A second finger never draws: it ends the stroke of the first.
 * @param {HTMLCanvasElement} canvas @param {Tell} tell */
export function followPointers(canvas, tell) {
  const down = new Set();
  /** @type {number | null} */ let drawing = null; // the pointer that draws
  /** @type {Point} */ let last;

  /** @param {PointerEvent} event @returns {Point} */
  const place = ({ clientX, clientY, pointerType, pressure }) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return {
      x: Math.round((UNIT * canvas.width * (clientX - left)) / width),
      y: Math.round((UNIT * canvas.height * (clientY - top)) / height),
      press: pointerType === "pen" ? Math.round(FULL * pressure) : FULL,
    };
  };
  const end = () => {
    if (drawing !== null) tell.end();
    drawing = null;
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 && event.button !== RUBBER) return;
    end();
    canvas.setPointerCapture(event.pointerId); // so that a release outside is heard too
    if (!down.size) {
      drawing = event.pointerId;
      last = place(event);
      tell.begin(last, event.button === RUBBER);
    }
    down.add(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== drawing) return;
    const between = event.getCoalescedEvents?.() ?? [];
    const points = (between.length ? between : [event]).map(place).filter((point) => {
      const isFar = Math.hypot(point.x - last.x, point.y - last.y) >= APART * UNIT;
      if (isFar) last = point;
      return isFar;
    });
    if (points.length) tell.grow(points);
  });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
    canvas.addEventListener(kind, (event) => {
      if (!(event instanceof PointerEvent)) return;
      down.delete(event.pointerId);
      if (event.pointerId === drawing) end();
    });
  }
}

/** Keys: arrows lead from cell to cell, and space puts the pen down there, or lifts it. */
export class Cells {
  /** @param {HTMLCanvasElement} canvas @param {number} count of them in a row, and in a column
   * @param {Tell} tell @param {(row: number, column: number, isDown: boolean) => void} moved */
  constructor(canvas, count, tell, moved) {
    this.canvas = canvas;
    this.count = count;
    this.tell = tell;
    this.moved = moved;
    this.row = this.column = count >> 1;
    this.isDown = false;
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && this.#moved());
    canvas.addEventListener("blur", () => this.lift());
    canvas.addEventListener("pointerdown", () => this.lift());
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const by = ARROWS[event.key];
    if (event.key === " " && !event.repeat) this.#press();
    else if (by) this.#move(by);
    else if (event.key !== " ") return;
    event.preventDefault();
  }

  #press() {
    if (this.isDown) this.lift();
    else {
      this.isDown = true;
      this.tell.begin(this.#point(), false);
    }
    this.#moved();
  }

  lift() {
    if (!this.isDown) return;
    this.isDown = false;
    this.tell.end();
  }

  /** @param {[number, number]} by */
  #move([right, down]) {
    const kept = (/** @type {number} */ place) => Math.min(this.count - 1, Math.max(0, place));
    const [row, column] = [kept(this.row + down), kept(this.column + right)];
    const isSame = row === this.row && column === this.column;
    [this.row, this.column] = [row, column];
    if (this.isDown && !isSame) this.tell.grow([this.#point()]);
    this.#moved();
  }

  /** The middle of the cell. @returns {Point} */
  #point() {
    const [x, y] = [this.column, this.row].map((place) =>
      Math.round((UNIT * this.canvas.width * (place + 0.5)) / this.count)
    );
    return { x, y, press: FULL };
  }

  #moved() {
    this.moved(this.row, this.column, this.isDown);
  }
}
