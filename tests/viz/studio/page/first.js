// @ts-check
// Writes what trainings begin with, each as a file, by a list of cases: the layouts of a module's
// states, and settings.

import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { writeSafetensors } from "../../../../viz/page/safetensors.js";
import { firstStates } from "../../../../viz/studio/page/train/first.js";

const folder = argv[2];
const cases = JSON.parse(readFileSync(`${folder}/cases.json`, "utf8"));
for (const [i, { layouts, activation, seed }] of cases.entries()) {
  const states = firstStates(layouts, { activation, seed });
  writeFileSync(`${folder}/${i}.safetensors`, writeSafetensors(states, new Map()));
}
