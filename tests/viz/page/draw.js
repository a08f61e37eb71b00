// @ts-check
// Draws by each seed of a list so many numbers of each kind, one after the other, as Python did.

import { writeFileSync } from "node:fs";
import { argv } from "node:process";
import { Random } from "../../../viz/page/random.js";

const [path, seeds, count] = argv.slice(2);
const drawn = JSON.parse(seeds).flatMap((/** @type {number} */ seed) => {
  const random = new Random(seed);
  const many = (/** @type {() => number} */ draw) => Float32Array.from({ length: Number(count) }, draw);
  return [many(() => random.normal()), many(() => random.uniform(-0.3, 0.3))];
});
writeFileSync(path, new Uint8Array(await new Blob(drawn).arrayBuffer()));
