// @ts-check
// Files of tensors, as Python's `safetensors` reads and writes them: a header in JSON, of each
// tensor its dtype, shape and place, then the numbers, little-endian as in every browser's memory.
// https://github.com/huggingface/safetensors#format

import { DTYPES, isCounts, isObject, isText, sizeOf, typeOf } from "./tensors.js";

/** @typedef {import("./tensors.js").Dtype} Dtype */
/** @typedef {import("./tensors.js").Tensor} Tensor */
/** @typedef {{name: string, dtype: Dtype, shape: number[], start: number, end: number}} Place */

const METADATA = "__metadata__";
const LONGEST = 100_000_000; // bytes of a header, in Python too
const ORDER = /** @type {Dtype[]} */ (Object.keys(DTYPES));
const BY_CODE = new Map(ORDER.map((dtype) => [DTYPES[dtype].code, dtype]));
// Every string of JSON, and whether it names a member.
const STRINGS = /"(?:[^"\\]|\\.)*"(\s*:)?/g;

/** @param {unknown} ok @param {string} what @returns {asserts ok} */
function expect(ok, what) {
  if (!ok) throw new Error(`safetensors: ${what}`);
}

/**
 * The tensors of a file, each in memory of its own, and what the file says beside them.
 * Throws an Error where it is damaged, cut off or ambiguous.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {{tensors: Map<string, Tensor>, metadata: Map<string, string>}}
 */
export function readSafetensors(bytes) {
  const { buffer, byteOffset, byteLength } = bytes;
  expect(byteLength >= 8, `${byteLength} bytes are no file: it is cut off`);
  const length = Number(new DataView(buffer, byteOffset).getBigUint64(0, true));
  const fits = length <= LONGEST && length <= byteLength - 8;
  expect(fits, `a header of ${length} bytes, in a file of ${byteLength}: it is cut off`);
  const { [METADATA]: metadata = {}, ...rest } = headerOf(bytes.subarray(8, 8 + length));
  expect(isObject(metadata), `${METADATA} is no object`);
  const places = Object.entries(rest).map(placeOf).sort((a, b) =>
    a.start - b.start || a.end - b.end
  );
  const first = byteOffset + 8 + length;
  checkPlaces(places, byteLength - 8 - length);
  /** @type {Map<string, Tensor>} */ const tensors = new Map();
  for (const { name, dtype, shape, start, end } of places) {
    const own = buffer.slice(first + start, first + end); // aligned, as a typed array has to be
    tensors.set(name, { dtype, shape, data: new DTYPES[dtype].Data(own, 0, sizeOf(shape)) });
  }
  const texts = /** @type {Map<string, string>} */ (new Map(Object.entries(metadata)));
  checkTexts(tensors, texts);
  return { tensors, metadata: texts };
}

/** @param {Uint8Array<ArrayBuffer>} bytes @returns {Record<string, unknown>} */
function headerOf(bytes) {
  const [text, header] = parsed(bytes);
  expect(isObject(header), "the header is no object");
  const others = text.replace(STRINGS, "");
  expect(!/[^\s\d[\]{},]/.test(others), "the header holds more than texts and whole numbers");
  // Of two members of one name JSON.parse gives the last: there are fewer than the text names.
  const named = [...text.matchAll(STRINGS)].filter(([, colon]) => colon).length;
  const members = [header, ...Object.values(header)].filter(isObject);
  const found = members.reduce((sum, each) => sum + Object.keys(each).length, 0);
  expect(named === found, "a name stands twice in the header, or deeper in it than any should");
  return header;
}

/** @param {Uint8Array<ArrayBuffer>} bytes @returns {[string, unknown]} */
function parsed(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return [text, JSON.parse(text)];
  } catch (cause) {
    throw new Error(`safetensors: the header is no JSON (${cause})`, { cause });
  }
}

/** @param {[string, unknown]} entry @returns {Place} */
function placeOf([name, entry]) {
  const what = JSON.stringify(name);
  const members = isObject(entry) ? Object.keys(entry).sort().join(" ") : "";
  expect(
    isObject(entry) && members === "data_offsets dtype shape",
    `${what}: not a tensor's members`,
  );
  const { dtype: code, shape, data_offsets: range } = entry;
  const dtype = isText(code) ? BY_CODE.get(code) : undefined;
  expect(
    dtype,
    `${what}: dtype ${JSON.stringify(code)}, expected one of ${[...BY_CODE.keys()].join(", ")}`,
  );
  expect(isCounts(shape), `${what}: its shape is no list of lengths`);
  expect(isCounts(range) && range.length === 2, `${what}: data_offsets are not two counts`);
  const [start, end] = range;
  const bytes = sizeOf(shape) * DTYPES[dtype].Data.BYTES_PER_ELEMENT;
  expect(end - start === bytes, `${what}: ${end - start} bytes, of a shape that takes ${bytes}`);
  return { name, dtype, shape, start, end };
}

/** That the tensors lie one after the other and fill the file. @param {Place[]} places
 * @param {number} bytes */
function checkPlaces(places, bytes) {
  let reached = 0;
  for (const { name, start, end } of places) {
    expect(
      start === reached,
      `${JSON.stringify(name)} overlaps another, or leaves a gap before it`,
    );
    reached = end;
  }
  expect(
    reached === bytes,
    `${bytes} bytes of numbers, expected ${reached}: it is damaged or cut off`,
  );
}

/** @param {Map<string, Tensor>} tensors @param {Map<string, string>} metadata */
function checkTexts(tensors, metadata) {
  for (const text of [...tensors.keys(), ...[...metadata].flat()]) {
    expect(isText(text) && text.isWellFormed(), `${JSON.stringify(text)} is no text in Unicode`);
  }
}

/**
 * A file of tensors: the bytes that Python writes, up to the order of the metadata.
 * Throws an Error where a text is no Unicode, or a tensor's parts do not fit each other.
 * @param {Map<string, Tensor>} tensors @param {Map<string, string>} [metadata]
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function writeSafetensors(tensors, metadata) {
  checkTexts(tensors, metadata ?? new Map());
  const sorted = [...tensors].sort(inOrder);
  const members = metadata ? [member(METADATA, Object.fromEntries(metadata))] : [];
  let end = 0;
  for (const [name, tensor] of sorted) {
    checkTensor(name, tensor);
    const { dtype, shape, data } = tensor;
    const start = end;
    end += data.byteLength;
    members.push(member(name, { dtype: DTYPES[dtype].code, shape, data_offsets: [start, end] }));
  }
  const header = new TextEncoder().encode(`{${members.join(",")}}`);
  const length = 8 * Math.ceil(header.length / 8); // so that the numbers are aligned
  const bytes = new Uint8Array(8 + length + end).fill(0x20, 8, 8 + length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(header, 8);
  let at = 8 + length;
  for (const [, { data }] of sorted) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

/** By dtype, the widest first, so that every one is aligned; then by name.
 * @param {[string, Tensor]} one @param {[string, Tensor]} other */
function inOrder([a, { dtype: one }], [b, { dtype: other }]) {
  return ORDER.indexOf(other) - ORDER.indexOf(one) || (a < b ? -1 : 1);
}

/** A member of an object in JSON. (JavaScript's own objects put names such as "1" first.)
 * @param {string} name @param {object} value */
const member = (name, value) => `${JSON.stringify(name)}:${JSON.stringify(value)}`;

/** @param {string} name @param {Tensor} tensor */
function checkTensor(name, tensor) {
  const { dtype, shape, data } = tensor;
  expect(name !== METADATA, `${name} is no name for a tensor`);
  const fits = data instanceof DTYPES[dtype].Data && data.length === sizeOf(shape);
  expect(fits, `${JSON.stringify(name)}: its data is no ${typeOf(tensor)}`);
}
