// @ts-check
// A drawing as a list of strokes: painted with a soft brush, undone and redone, and written as a
// short text, so that a link holds it.

/** `x`, `y`: in halves of a pixel; `press`: how wide the brush is there, up to FULL.
 * @typedef {{x: number, y: number, press: number}} Point */
/** wide: of the brush, in pixels. @typedef {{erases: boolean, wide: number, points: Point[]}} Stroke */
/** A picture's ink, on the whole sheet; what a server made of it, one example of each digit, and how.
 * @typedef {{ink: Uint8Array, examples: Uint8Array[], how: string}} Picture */
/** @typedef {Stroke | Picture} Mark */
/** Ink from 0 to 255. @typedef {{height: number, width: number, ink: Uint8Array}} Sheet */

export const UNIT = 2; // parts of a pixel
export const FULL = 15; // how strongly a mouse or a finger presses
const WIDEST = 80; // pixels
const THINNEST = 0.3; // of a brush: its width where nothing presses
const SOFT = 0.3; // of the brush's radius: how wide its edge is
const INK = 255;
const LONGEST = 2000; // characters of a drawing in a link: more do not pass everywhere
const MOST_UNDONE = 500;
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** @param {number} height @param {number} width @returns {Sheet} */
export const blank = (height, width) => ({ height, width, ink: new Uint8Array(height * width) });

/** Paint a stroke, from one of its points on: a line from each to the next, so that a fast one has no
 * gaps; a dot of one alone.
 * @param {Sheet} sheet @param {Stroke} stroke @param {number} [from] */
export function paint(sheet, stroke, from = 0) {
  const { points } = stroke;
  for (let i = Math.max(1, from); i < points.length; i++) line(sheet, stroke, points[i - 1], points[i]);
  if (points.length === 1) line(sheet, stroke, points[0], points[0]);
}

/** @param {Sheet} sheet @param {Stroke} stroke @param {Point} a @param {Point} b */
function line({ height, width, ink }, { erases, wide }, a, b) {
  const radius = (/** @type {number} */ press) => (wide / 2) * (THINNEST + (1 - THINNEST) * (press / FULL));
  const [first, last] = [radius(a.press), radius(b.press)];
  const [x0, y0, x1, y1] = [a.x, a.y, b.x, b.y].map((each) => each / UNIT);
  const [right, down] = [x1 - x0, y1 - y0];
  const square = right * right + down * down;
  const reach = Math.max(first, last) * (1 + SOFT / 2) + 1;
  const end = { y: Math.min(height, Math.max(y0, y1) + reach), x: Math.min(width, Math.max(x0, x1) + reach) };
  for (let y = Math.max(0, Math.floor(Math.min(y0, y1) - reach)); y < end.y; y++) {
    for (let x = Math.max(0, Math.floor(Math.min(x0, x1) - reach)); x < end.x; x++) {
      const [dx, dy] = [x + 0.5 - x0, y + 0.5 - y0];
      const along = square ? Math.min(1, Math.max(0, (dx * right + dy * down) / square)) : 0;
      const own = first + along * (last - first);
      const edge = Math.max(1, SOFT * own);
      const apart = Math.hypot(dx - along * right, dy - along * down);
      const level = Math.round(INK * Math.min(1, Math.max(0, (own - apart) / edge + 0.5)));
      const at = y * width + x;
      ink[at] = erases ? Math.min(ink[at], INK - level) : Math.max(ink[at], level);
    }
  }
}

/** All of it on clean paper. @param {Mark[]} marks @param {Sheet} sheet */
export function paintAll(marks, sheet) {
  sheet.ink.fill(0);
  for (const mark of marks) {
    if ("ink" in mark) sheet.ink.set(mark.ink);
    else paint(sheet, mark);
  }
}

/** What was drawn, and before that, and, where it was undone, after that. */
export class Drawing {
  constructor() {
    /** @type {Mark[]} */ this.marks = [];
    /** @type {Mark[][]} */ this.past = [];
    /** @type {Mark[][]} */ this.future = [];
    /** @type {Mark[][]} */ this.left = []; // the future that the newest marks ended
  }

  /** Others in place of these, which is undone too. @param {Mark[]} marks */
  become(marks) {
    this.past.push(this.marks);
    if (this.past.length > MOST_UNDONE) this.past.shift();
    [this.left, this.future] = [this.future, []];
    this.marks = marks;
  }

  /** The newest marks were not meant. @param {boolean} isWorthIt whether redo has them yet */
  withdraw(isWorthIt) {
    this.undo();
    this.future = [...this.left, ...(isWorthIt ? this.future : [])];
  }

  undo() {
    const before = this.past.pop();
    if (!before) return;
    this.future.push(this.marks);
    this.marks = before;
  }

  redo() {
    const after = this.future.pop();
    if (!after) return;
    this.past.push(this.marks);
    this.marks = after;
  }
}

/** As a text for a link; null where it is too long for one, or has a picture. @param {Mark[]} marks */
export function written(marks) {
  let text = "";
  let [x, y] = [0, 0];
  for (const mark of marks) {
    if ("ink" in mark) return null;
    const { erases, wide, points } = mark;
    const presses = points.some(({ press }) => press !== FULL);
    text += digitsOf(wide * 4 + Number(erases) * 2 + Number(presses)) + digitsOf(points.length);
    for (const point of points) {
      text += digitsOf(signed(point.x - x)) + digitsOf(signed(point.y - y));
      if (presses) text += digitsOf(point.press);
      [x, y] = [point.x, point.y];
    }
    if (text.length > LONGEST) return null;
  }
  return text;
}

/** The strokes of such a text, on a sheet. Throws an Error where it is none.
 * @param {string} text @param {Sheet} sheet @returns {Stroke[]} */
export function read(text, { height, width }) {
  const numbers = numbersIn(text);
  let at = 0;
  const next = (/** @type {number} */ least, /** @type {number} */ most) => {
    const number = numbers[at++];
    if (number >= least && number <= most) return number;
    throw new Error("the drawing in the address is damaged: it is left out");
  };
  /** @type {Stroke[]} */ const strokes = [];
  let [x, y] = [0, 0];
  while (at < numbers.length) {
    const head = next(4, 4 * WIDEST + 3);
    const points = Array.from({ length: next(1, numbers.length) }, () => {
      const far = 4 * UNIT * Math.max(height, width);
      x += unsigned(next(0, far));
      y += unsigned(next(0, far));
      const press = head % 2 ? next(0, FULL) : FULL;
      return { x, y, press };
    });
    strokes.push({ erases: Boolean(head & 2), wide: head >> 2, points });
  }
  return strokes;
}

// A whole number in digits of 64: five bits each, from the lowest on, and one that says that more
// follow. Of signed ones the lowest bit is the sign.

/** @param {number} number */
function digitsOf(number) {
  let text = "";
  for (; number >= 32; number = Math.floor(number / 32)) text += DIGITS[32 + (number % 32)];
  return text + DIGITS[number];
}

/** @param {string} text */
function numbersIn(text) {
  const numbers = [];
  let [number, unit] = [0, 1];
  for (const letter of text.slice(0, LONGEST)) {
    const digit = DIGITS.indexOf(letter);
    number += digit < 0 ? NaN : (digit % 32) * unit;
    unit *= 32;
    if (digit >= 32) continue;
    numbers.push(number);
    [number, unit] = [0, 1];
  }
  return unit === 1 ? numbers : [...numbers, NaN];
}

/** @param {number} number */
const signed = (number) => (number < 0 ? -2 * number - 1 : 2 * number);
/** @param {number} number */
const unsigned = (number) => (number % 2 ? -(number + 1) / 2 : number / 2);
