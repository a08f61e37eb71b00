// @ts-check
// Paints drawings and prepares them, by a list of them: writes all sheets, one after the other, and
// of each a byte that says whether there is a digit, and the example.

import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { prepare } from "../../../../viz/studio/page/draw/prepare.js";
import { blank, paintAll } from "../../../../viz/studio/page/draw/strokes.js";

const folder = argv[2];
const { shape, scale, drawings } = JSON.parse(readFileSync(`${folder}/drawings.json`, "utf8"));
const [sheets, examples] = [/** @type {Uint8Array[]} */ ([]), /** @type {Uint8Array[]} */ ([])];
for (const { side, strokes } of drawings) {
  const sheet = blank(side, side);
  paintAll(strokes, sheet);
  sheets.push(sheet.ink);
  const example = prepare({ ...sheet, ink: Float32Array.from(sheet.ink) }, shape, scale);
  examples.push(Uint8Array.of(Number(example !== null)), example ?? new Uint8Array(shape[0] * shape[1]));
}
writeFileSync(`${folder}/sheets`, joined(sheets));
writeFileSync(`${folder}/examples`, joined(examples));

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}
