// @ts-check
// The canvas that is drawn on, with mouse, pen or a finger, or from cell to cell by keys: what they
// do is told as strokes that begin, grow and end. And the paper that it is, seen nearer and moved.

import { follow } from "../data/pointers.js";
import { FULL, UNIT } from "./strokes.js";

/** @typedef {import("./strokes.js").Point} Point */
/** withdraw: the stroke was not meant.
 * @typedef {{
 *   begin: (point: Point, erases: boolean) => void, grow: (points: Point[]) => void, end: () => void,
 *   withdraw: () => void,
 * }} Tell */

const APART = 3; // pixels of the sheet between two points: nearer ones make links longer, and no better line
const MIDDLE = 1; // the button of a mouse,
const RUBBER = 5; // and that of a pen's other end
// How many times as large as its pad the paper is: at most, and where it is as large as that. Two fingers that
// move alike do so in turn: the second one undoes what the first did to their distance, also at that end.
const [NEAREST, WHOLE, FAR] = [4, 1.05, 0.9];
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Mouse, pen and fingers. Two fingers never draw: the stroke of the first is withdrawn then, and both,
 * or the one that is left of them, move the paper; so does the middle button. A pen draws whatever a hand
 * that rests beside it does.
 * @param {HTMLCanvasElement} canvas @param {Tell} tell @param {Paper} paper */
export function followPointers(canvas, tell, paper) {
  const { pad } = paper; // it stays where it is, while the paper in it moves
  const fingers = new Set();
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

  pad.addEventListener("pointerdown", (event) => {
    const { button, pointerId, pointerType, target } = event;
    if (target !== canvas) return; // a scroll bar
    const isFinger = pointerType === "touch";
    if (button !== 0 && button !== RUBBER || (isFinger && drawing !== null && !fingers.has(drawing))) return;
    if (drawing !== null) tell.withdraw();
    drawing = null;
    pad.setPointerCapture(pointerId); // so that a release outside is heard too
    if (isFinger) fingers.add(pointerId);
    if (isFinger && fingers.size > 1) return;
    drawing = pointerId;
    last = place(event);
    tell.begin(last, button === RUBBER);
  });
  pad.addEventListener("pointermove", (event) => {
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
    pad.addEventListener(kind, (event) => {
      if (!(event instanceof PointerEvent)) return;
      fingers.delete(event.pointerId);
      if (event.pointerId !== drawing) return;
      drawing = null;
      tell.end();
    });
  }
  const ifNotDrawn = (/** @type {() => void} */ act) => drawing === null && act();
  follow(pad, {
    move: (right, down) => ifNotDrawn(() => paper.move(right, down)),
    zoom: (factor, left, top) => ifNotDrawn(() => paper.zoom(factor, left, top)),
    hover: () => {},
    click: () => {},
  }, (event) => {
    if (event instanceof WheelEvent) return event.ctrlKey; // without, it scrolls: the paper, else the page
    return event.target === canvas && (event.pointerType === "touch" || event.button === MIDDLE);
  });
  pad.addEventListener("mousedown", (event) => {
    if (event.button === MIDDLE) event.preventDefault(); // some browsers scroll by it themselves
  });
}

/** The pad and the paper in it, as large as that or larger: then a part of it is seen. */
export class Paper {
  /** @param {HTMLElement} pad @param {HTMLElement} paper */
  constructor(pad, paper) {
    this.pad = pad;
    this.paper = paper;
    this.times = 1; // as large as the pad, about
  }

  /** Nearer or further, while what is at a pixel of the pad stays there; without one, in its middle.
   * @param {number} factor @param {number} [left] @param {number} [top] */
  zoom(factor, left, top) {
    const { pad, paper } = this;
    const [x, y] = [left ?? pad.clientWidth / 2, top ?? pad.clientHeight / 2];
    const [before, from] = [paper.offsetWidth, { x: pad.scrollLeft + x, y: pad.scrollTop + y }];
    this.times = Math.min(NEAREST, Math.max(FAR, this.times * factor));
    paper.style.setProperty("--times", String(this.times < WHOLE ? 1 : this.times));
    const grown = paper.offsetWidth / before;
    pad.scrollTo(from.x * grown - x, from.y * grown - y);
  }

  /** By so many pixels, as far as there is more of it. @param {number} right @param {number} down */
  move(right, down) {
    this.pad.scrollBy(-right, -down);
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
