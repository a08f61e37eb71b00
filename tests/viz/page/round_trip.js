// @ts-check
// Reads each file of tensors in a folder as a page does. Beside it goes what a page then writes, or
// why it refused: test_javascript.py holds both against Python's.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { readSafetensors, writeSafetensors } from "../../../viz/page/safetensors.js";

const folder = argv[2];
for (const name of readdirSync(folder).filter((each) => each.endsWith(".safetensors"))) {
  const path = `${folder}/${name}`;
  try {
    const { tensors, metadata } = readSafetensors(new Uint8Array(readFileSync(path)));
    writeFileSync(`${path}.page`, writeSafetensors(tensors, metadata.size ? metadata : undefined));
  } catch (error) {
    writeFileSync(`${path}.refused`, String(error));
  }
}
