// @ts-check
// What a module of `autograd.compiler.wasm` holds, and where: its manifest, checked wholly before
// the page writes a byte.

import { DTYPES, isCount, isCounts, isObject, isText } from "./tensors.js";

/**
 * @typedef {import("./tensors.js").Dtype} Dtype
 * @typedef {"input" | "state" | "result" | "constant" | "scratch"} Kind
 * @typedef {{
 *   name: string, kind: Kind, entry: string | null, offset: number, shape: number[],
 *   strides: number[], dtype: Dtype, below?: number,
 * }} Layout of an array: `offset` in bytes, `strides` in entries; integers are in 0 .. below - 1
 * @typedef {{args: string[], results: string[], flops: number}} Entry
 * @typedef {{
 *   version: 1, engine: string, simd: "v128" | "relaxed", memory_bytes: number,
 *   arrays: Layout[], entries: Record<string, Entry>,
 * }} Manifest
 */

export const PAGE_BYTES = 65536; // the unit of a module's memory
const MOST_PAGES = 65536;
const KINDS = ["input", "state", "result", "constant", "scratch"];
const OWNED = ["input", "result"]; // always of one entry, and a constant at times
const REUSED = ["result", "scratch"]; // may lie in memory that another of them has done with
const CURE = "take module and manifest from one call of autograd.compiler.wasm";

/** @param {unknown} ok @param {string} what @returns {asserts ok} */
export function need(ok, what) {
  if (!ok) throw new Error(`${what}; ${CURE}`);
}

/** An array in a message. @param {Layout} layout */
export const nameOf = ({ kind, name, entry }) =>
  `${kind} ${JSON.stringify(name)}${entry === null ? "" : ` of ${JSON.stringify(entry)}`}`;

/** The bytes from an array's first entry to its last. @param {Layout} layout */
export function bytesOf({ shape, strides, dtype }) {
  if (shape.includes(0)) return 0;
  const last = shape.reduce((sum, length, axis) => sum + (length - 1) * strides[axis], 0);
  return (last + 1) * DTYPES[dtype].Data.BYTES_PER_ELEMENT;
}

/**
 * A manifest, from JSON. Throws an Error that says what is wrong with it.
 * @param {unknown} given @returns {Manifest}
 */
export function checkedManifest(given) {
  need(isObject(given), "manifest: expected an object");
  const { version, engine, simd, memory_bytes, arrays, entries } = given;
  need(version === 1, `manifest: expected version 1, found ${JSON.stringify(version)}`);
  need(isText(engine), "manifest: engine is no text");
  need(simd === "v128" || simd === "relaxed", "manifest: simd is neither v128 nor relaxed");
  const pages = isCount(memory_bytes) ? memory_bytes / PAGE_BYTES : 0;
  const whole = Number.isInteger(pages) && pages > 0 && pages <= MOST_PAGES;
  need(whole, `manifest: memory_bytes is no multiple of ${PAGE_BYTES} up to 4 GiB`);
  need(isObject(entries), "manifest: entries is no object");
  need(Array.isArray(arrays), "manifest: arrays is no list");
  arrays.forEach((array, i) => checkArray(array, `manifest: arrays[${i}]`));
  for (const layout of /** @type {Layout[]} */ (arrays)) {
    const known = layout.entry === null || Object.hasOwn(entries, layout.entry);
    need(known, `manifest: ${nameOf(layout)}: there is no such entry`);
  }
  checkTogether(arrays, Number(memory_bytes));
  for (const [name, entry] of Object.entries(entries)) checkEntry(name, entry, arrays);
  return /** @type {Manifest} */ (given);
}

/** @param {unknown} array @param {string} where @returns {asserts array is Layout} */
function checkArray(array, where) {
  need(isObject(array), `${where} is no object`);
  const { name, kind, entry, offset, shape, strides, dtype, below } = array;
  need(isText(name) && name, `${where} has no name`);
  need(isText(kind) && KINDS.includes(kind), `${where}: kind is none of ${KINDS.join(", ")}`);
  const owned = isText(entry) && [...OWNED, "constant"].includes(kind);
  const shared = entry === null && !OWNED.includes(kind);
  need(owned || shared, `${where}: entry is no ${kind}'s`);
  const known = isText(dtype) && Object.hasOwn(DTYPES, dtype);
  need(known, `${where}: dtype is none of ${Object.keys(DTYPES).join(", ")}`);
  need(isCounts(shape), `${where}: shape is no list of lengths`);
  need(isCounts(strides), `${where}: strides is no list of entries`);
  need(shape.length === strides.length, `${where}: shape and strides differ in length`);
  const { Data, range } = DTYPES[/** @type {Dtype} */ (dtype)];
  const aligned = isCount(offset) && offset % Data.BYTES_PER_ELEMENT === 0;
  need(aligned, `${where}: offset is no multiple of ${dtype}'s ${Data.BYTES_PER_ELEMENT} bytes`);
  need(isApart(shape, strides), `${where}: strides put two entries in one place`);
  const limited = kind === "input" && range && isCount(below) && 0 < below && below <= range.most + 1n;
  need(below === undefined || limited, `${where}: below is no limit of ${dtype} ${kind}s`);
}

/** Whether no two entries share memory. @param {number[]} shape @param {number[]} strides */
function isApart(shape, strides) {
  if (shape.includes(0)) return true; // its strides may be 0
  const axes = shape.map((length, axis) => ({ length, stride: strides[axis] }));
  let span = 0; // from the first entry to the last, along the axes so far
  for (const { length, stride } of axes.sort((a, b) => a.stride - b.stride)) {
    if (length > 1 && stride <= span) return false;
    if (length > 1) span += (length - 1) * stride;
  }
  return true;
}

/** That each array has a name and a place of its own.
 * @param {Layout[]} arrays @param {number} memory */
function checkTogether(arrays, memory) {
  const names = new Set();
  for (const layout of arrays) {
    const key = JSON.stringify([layout.name, layout.entry]);
    need(!names.has(key), `manifest: ${nameOf(layout)} stands there twice`);
    names.add(key);
    const inside = endOf(layout) <= memory;
    need(inside, `manifest: ${nameOf(layout)} ends beyond the memory of ${memory} bytes`);
  }
  const placed = arrays.filter(bytesOf);
  for (const [i, one] of placed.entries()) {
    for (const other of placed.slice(0, i)) {
      const meet = one.offset < endOf(other) && other.offset < endOf(one);
      const reused = REUSED.includes(one.kind) && REUSED.includes(other.kind);
      need(!meet || reused, `manifest: ${nameOf(one)} overlaps ${nameOf(other)}`);
    }
  }
}

/** @param {Layout} layout */
const endOf = (layout) => layout.offset + bytesOf(layout);

/** @param {string} name @param {unknown} entry @param {Layout[]} arrays */
function checkEntry(name, entry, arrays) {
  const where = `manifest: entries[${JSON.stringify(name)}]`;
  need(isObject(entry), `${where} is no object`);
  const { args, results, flops } = entry;
  need(typeof flops === "number" && flops >= 0, `${where}: flops is no count`);
  for (const [kind, names] of [["input", args], ["result", results]]) {
    const own = arrays.filter((layout) => layout.entry === name && layout.kind === kind);
    const found = own.map((layout) => layout.name).sort().join(", ");
    const listed = Array.isArray(names) && names.every(isText) && [...names].sort().join(", ");
    need(listed === found, `${where}: expected the names of its ${kind}s, ${found}`);
  }
}
