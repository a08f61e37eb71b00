// @ts-check
// Drawings: what the brush paints, undo, the text in a link, and examples of any shape.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../../../viz/page/random.js";
import { canPrepare, prepare } from "../../../../viz/studio/page/draw/prepare.js";
import { inkOf } from "../../../../viz/studio/page/draw/picture.js";
import { blank, Drawing, FULL, paint, paintAll, read, written } from "../../../../viz/studio/page/draw/strokes.js";

const SIDE = 280;
const random = new Random(3);
const whole = (/** @type {number} */ below) => Math.floor(random.uniform(0, below));

/** @param {[number, number][]} places @param {Partial<import("../../../../viz/studio/page/draw/strokes.js").Stroke>} [more] */
const stroke = (places, more) => ({
  erases: false, wide: 24, points: places.map(([x, y]) => ({ x, y, press: FULL })), ...more,
});

/** @param {import("../../../../viz/studio/page/draw/strokes.js").Stroke[]} strokes */
function painted(strokes) {
  const sheet = blank(SIDE, SIDE);
  paintAll(strokes, sheet);
  return sheet.ink;
}

test("a drawing comes back from the text of a link, stroke by stroke", () => {
  for (let i = 0; i < 200; i++) {
    const strokes = Array.from({ length: whole(4) }, () => ({
      erases: whole(2) === 1,
      wide: 1 + whole(80),
      points: Array.from({ length: 1 + whole(30) }, () => ({
        x: whole(900) - 150, y: whole(900) - 150, press: i % 2 ? FULL : whole(FULL + 1),
      })),
    }));
    const text = written(strokes);
    assert.ok(text !== null && /^[\w-]*$/.test(text));
    assert.deepEqual(read(text, blank(SIDE, SIDE)), strokes);
  }
});

test("what is no drawing is refused, and what is too long for a link is none", () => {
  for (const text of ["!", "A", "gB", "_____", "gGBAAA", "gGA", "gGZAA"]) {
    assert.throws(() => read(text, blank(SIDE, SIDE)), /damaged/, text);
  }
  const long = stroke(Array.from({ length: 3000 }, (_, i) => [i % 500, (7 * i) % 500]));
  assert.equal(written([long]), null);
});

test("a fast stroke has no gaps, and it is the same in one piece or point by point", () => {
  const places = /** @type {[number, number][]} */ ([[40, 60], [500, 300], [80, 500]]);
  const ink = painted([stroke(places)]);
  for (let t = 0; t <= 1; t += 0.01) {
    const [x, y] = [20 + 230 * t, 30 + 120 * t];
    assert.ok(ink[Math.floor(y) * SIDE + Math.floor(x)] > 200, `${x} ${y}`);
  }
  const sheet = blank(SIDE, SIDE);
  const growing = stroke(places.slice(0, 1));
  paint(sheet, growing);
  for (const [x, y] of places.slice(1)) {
    growing.points.push({ x, y, press: FULL });
    paint(sheet, growing, growing.points.length - 1);
  }
  assert.deepEqual(sheet.ink, ink);
});

test("a point alone is a dot, and the eraser takes it away", () => {
  const dot = stroke([[280, 280]]);
  const ink = painted([dot]);
  assert.ok(ink.includes(255) && ink.filter((each) => each > 127).length > 400);
  assert.ok(painted([dot, stroke([[280, 280]], { erases: true, wide: 40 })]).every((each) => each === 0));
});

test("undo and redo lead back and forth, also over what was cleared", () => {
  const drawing = new Drawing();
  const [a, b] = [stroke([[1, 1]]), stroke([[2, 2]])];
  drawing.become([a]);
  drawing.become([a, b]);
  drawing.become([]);
  drawing.undo();
  assert.deepEqual(drawing.marks, [a, b]);
  drawing.undo();
  drawing.redo();
  assert.deepEqual(drawing.marks, [a, b]);
  drawing.redo();
  drawing.redo();
  assert.deepEqual(drawing.marks, []);
  drawing.undo();
  drawing.become([b]);
  drawing.redo();
  assert.deepEqual(drawing.marks, [b], "what was undone is gone once something else is drawn");
  drawing.undo();
  const before = JSON.stringify(drawing.marks);
  for (const isWorthIt of [false, true]) {
    drawing.become([a]);
    drawing.withdraw(isWorthIt);
    assert.equal(JSON.stringify(drawing.marks), before);
    drawing.redo();
    assert.deepEqual(drawing.marks, isWorthIt ? [a] : [b], "what was not meant ends no redo");
    drawing.undo();
  }
});

test("an example has the shape and the scale of its dataset, whatever these are", () => {
  const sheet = blank(256, 256);
  paint(sheet, stroke([[200, 100], [260, 400]]));
  for (const [side, scale] of [[8, 16], [28, 255], [33, 255]]) {
    const example = prepare({ ...sheet, ink: Float32Array.from(sheet.ink) }, [side, side], scale);
    assert.equal(example?.length, side * side);
    assert.equal(Math.max(...(example ?? [])), scale);
  }
  const asked = [[8, 8], [28, 28, 1], [28, 30], [32, 32, 3], [64], [8, 8, 1, 1]].map(canPrepare);
  assert.deepEqual(asked, [true, true, false, false, false, false]);
});

test("what differs from the border of a picture is its ink, dark or light, and what is faint is not", () => {
  const [width, height] = [20, 10];
  for (const [paper, ink, alpha] of [[240, 20, 255], [10, 200, 255], [0, 0, 0]]) {
    const data = Array.from({ length: 4 * width * height }, (_, i) => i % 4 === 3 ? alpha : paper);
    const set = (/** @type {number} */ at, /** @type {number} */ grey) => data.splice(4 * at, 4, grey, grey, grey, 255);
    set(5 * width + 7, ink);
    set(5 * width + 8, ink);
    set(3 * width + 3, alpha ? paper + (ink - paper) / 5 : 240);
    const found = inkOf({ width, height, data });
    assert.deepEqual([...found.entries()].filter(([, each]) => each), [[107, 255], [108, 255]]);
  }
  assert.throws(() => inkOf({ width, height, data: new Uint8Array(4 * width * height).fill(200) }), /one grey/);
});
