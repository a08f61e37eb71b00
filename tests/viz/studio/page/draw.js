// @ts-check
// Paints drawings and prepares them, by a list of them: writes all sheets, one after the other, and
// of each a byte that says whether there is a digit, and the example. Then, of a network, how its
// logits rise with each entry of an image: by the page's gradient, and by differences;
// and how small a change it takes for another class.

import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { Random } from "../../../../viz/page/random.js";
import { load } from "../../../../viz/page/wasm.js";
import { flipOf } from "../../../../viz/studio/page/draw/flip.js";
import { prepare } from "../../../../viz/studio/page/draw/prepare.js";
import { Pushes } from "../../../../viz/studio/page/draw/pushes.js";
import { blank, paintAll } from "../../../../viz/studio/page/draw/strokes.js";
import { Examples } from "../../../../viz/studio/page/train/examples.js";
import { firstStates } from "../../../../viz/studio/page/train/first.js";
import { passOf, slopeOf } from "../../../../viz/studio/page/train/inspect.js";

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

const { sha256: _, ...manifest } = JSON.parse(readFileSync(`${folder}/manifest.json`, "utf8"));
const module = await load(readFileSync(`${folder}/module.wasm`), manifest);
module.restore(firstStates(module.states.map(({ layout }) => layout), { activation: "tanh", seed: 3 }));
const { shape: [, ...size] } = module.array("images", "forward").layout;
const [random, step] = [new Random(1), 8];
const image = Uint8Array.from({ length: size.reduce((a, b) => a * b) }, () => random.uniform(step, 255 - step));
const logitsOf = (/** @type {number} */ i, /** @type {number} */ by) =>
  passOf(module, image.with(i, image[i] + by), null, false).outputs.at(-1) ?? [];
const differences = Array.from(image, (_, i) => {
  const [high, low] = [logitsOf(i, step), logitsOf(i, -step)];
  return Array.from(high, (each, label) => ((each - low[label]) * 255) / (2 * step));
});
const slopes = differences[0].map((_, label) => [...slopeOf(module, image, label)]);

/** How far the image is from where another class begins, on the way to another image; Infinity where
 * none does. @param {Uint8Array} other */
function distanceTo(other) {
  const takenFor = (/** @type {Uint8Array} */ each) => {
    const { probabilities } = passOf(module, each, null, false);
    return probabilities.indexOf(Math.max(...probabilities));
  };
  const taken = takenFor(image);
  for (let share = 0; share <= 1; share += 1 / 256) {
    const between = image.map((each, i) => Math.round(each + share * (other[i] - each)));
    if (takenFor(between) !== taken) return Math.hypot(...between.map((each, i) => each - image[i])) / 255;
  }
  return Infinity;
}
const tries = Array.from({ length: 10 }, () => distanceTo(image.map(() => random.uniform(0, 256))));
const before = passOf(module, image, null, false).probabilities;
const flip = flipOf(module, image, 255);
const after = flip && passOf(module, flip.image, null, false).probabilities;
const taken = [before, after ?? new Float32Array()].map((each) => each.indexOf(Math.max(...each)));

// A step on one example in the last layer alone, and how it moves a logit of the image.
const other = new Examples(image.map(() => random.uniform(0, 256)), Uint16Array.of(2), image.length);
const rate = 1e-3;
const pushes = [0, 1, 2].map((label) => new Pushes(module, other, image, label, 255).pushOf(0) * rate);
const { outputs: [given], probabilities } = passOf(module, other.image(0), null, false);
const logits = () => [...(passOf(module, image, null, false).outputs.at(-1) ?? [])];
const unmoved = logits();
for (const [name, inputs] of /** @type {[string, ArrayLike<number>][]} */ ([["model.2.weight", given], ["model.2.bias", [1]]])) {
  const view = module.array(name);
  const numbers = /** @type {Float32Array} */ (view.read());
  view.write(numbers.map((each, i) => {
    const label = Math.trunc(i / inputs.length);
    return each + rate * (Number(label === 2) - probabilities[label]) * inputs[i % inputs.length];
  }));
}
const moves = logits().map((each, label) => each - unmoved[label]);
const found = { slopes, differences, taken, distance: flip?.distance, tries, pushes, moves };
writeFileSync(`${folder}/said.json`, JSON.stringify(found));

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}
