// @ts-check
// Files of tensors that are damaged, cut off or ambiguous are refused in words.
// (test_javascript.py holds what is read and written against Python's `safetensors`.)

import assert from "node:assert/strict";
import { test } from "node:test";
import { readSafetensors, writeSafetensors } from "../../../viz/page/safetensors.js";

/** @typedef {import("../../../viz/page/tensors.js").Tensor} Tensor */

/** A file with this header. @param {string} header @param {number} [bytes] of numbers */
function file(header, bytes = 0) {
  const text = new TextEncoder().encode(header);
  const made = new Uint8Array(8 + text.length + bytes);
  new DataView(made.buffer).setBigUint64(0, BigInt(text.length), true);
  made.set(text, 8);
  return made;
}

/** A tensor in a header. @param {string} [dtype] @param {string} [shape] @param {string} [range] */
const member = (dtype = '"F32"', shape = "[2]", range = "[0,8]") =>
  `{"dtype":${dtype},"shape":${shape},"data_offsets":${range}}`;

const GOOD = file(`{"a":${member()}}`, 8);

/** @type {[string, Uint8Array<ArrayBuffer>][]} */
const WRONG = [
  ["7 bytes are no file: it is cut off", GOOD.slice(0, 7)],
  ["a header of 54 bytes, in a file of 60: it is cut off", GOOD.slice(0, 60)],
  ["a header of 18446744073709552000 bytes", new Uint8Array(40).fill(255)],
  ["4 bytes of numbers, expected 8: it is damaged or cut off", GOOD.slice(0, -4)],
  ["9 bytes of numbers, expected 8", file(`{"a":${member()}}`, 9)],
  ["the header is no JSON", file("{")],
  ["the header is no JSON", file("")],
  ["the header is no JSON", file('{"a\xff":1}'.replace("\xff", "\ud800"), 8).with(11, 0xff)],
  ["the header is no object", file("[]")],
  ["the header is no object", file("null")],
  ["a name stands twice in the header", file(`{"a":${member()},"a":${member()}}`, 8)],
  ["a name stands twice in the header", file(`{"a":${member()},"\\u0061":${member()}}`, 8)],
  ["a name stands twice in the header", file('{"__metadata__":{"x":"1","x":"2"}}')],
  ["a name stands twice in the header", file(`{"a":${member('"F32","dtype":"I32"')}}`, 8)],
  ["__metadata__ is no object", file('{"__metadata__":["x"]}')],
  ["1 is no text in Unicode", file('{"__metadata__":{"x":1}}')],
  ["is no text in Unicode", file('{"__metadata__":{"x":"\\ud800"}}')],
  ["is no text in Unicode", file(`{"\\udfff":${member()}}`, 8)],
  ['"a": not a tensor\'s members', file('{"a":3}')],
  ['"a": not a tensor\'s members', file('{"a":{"dtype":"F32","shape":[2]}}', 8)],
  ['"a": not a tensor\'s members', file(`{"a":${member("1", "[]", '[0,1],"more":1')}}`, 1)],
  ['"__proto__": not a tensor\'s members', file('{"__proto__":{}}')],
  ['"a": dtype "BF16", expected one of BOOL, U8', file(`{"a":${member('"BF16"')}}`, 4)],
  ['"a": dtype ["F32"]', file(`{"a":${member('["F32"]')}}`, 8)],
  ["the header holds more than texts and whole", file(`{"a":${member('"F32"', "[-2]")}}`, 8)],
  ["the header holds more than texts and whole", file(`{"a":${member('"F32"', "[2e0]")}}`, 8)],
  ["the header holds more than texts and whole", file(`{"a":${member('"F32"', "[2.0]")}}`, 8)],
  ["the header holds more than texts and whole", file('{"__metadata__":null}')],
  ['"a": its shape is no list of lengths', file(`{"a":${member('"F32"', "2")}}`, 8)],
  [
    '"a": its shape is no list of lengths',
    file(`{"a":${member('"F32"', `[${"9".repeat(400)}]`)}}`, 8),
  ],
  ['"a": data_offsets are not two counts', file(`{"a":${member('"F32"', "[2]", "[0,8,8]")}}`, 8)],
  ['"a": data_offsets are not two counts', file(`{"a":${member('"F32"', "[2]", '[0,"8"]')}}`, 8)],
  ['"a": 8 bytes, of a shape that takes 12', file(`{"a":${member('"F32"', "[3]")}}`, 8)],
  ['"a": -8 bytes', file(`{"a":${member('"F32"', "[2]", "[8,0]")}}`, 8)],
  ['"a" overlaps another, or leaves a gap', file(`{"a":${member('"F32"', "[2]", "[4,12]")}}`, 12)],
  ['"b" overlaps another', file(`{"a":${member()},"b":${member()}}`, 8)],
];

test("what is damaged, cut off or ambiguous is refused in words", () => {
  assert.equal(readSafetensors(GOOD).tensors.size, 1);
  for (const [message, bytes] of WRONG) {
    assert.throws(() => readSafetensors(bytes), (error) => said(error).includes(message), message);
  }
});

/** An Error as JavaScript makes none itself. @param {unknown} error */
function said(error) {
  assert.ok(error instanceof Error && error.constructor === Error, String(error));
  assert.match(error.message, /^safetensors: /);
  return error.message;
}

test("a file cut off anywhere is refused", () => {
  const long = file(
    `{"__metadata__":{"x":"y"},"a":${member()},"b":${member('"U8"', "[2,1]", "[8,10]")}}`,
    10,
  );
  assert.deepEqual([...readSafetensors(long).tensors.keys()], ["a", "b"]);
  for (let length = 0; length < long.length; length++) {
    assert.throws(() => readSafetensors(long.slice(0, length)), (error) => said(error).length > 0);
  }
});

test("tensors are where they lie in a larger buffer, and are copies", () => {
  const wide = new Uint8Array(GOOD.length + 7);
  wide.set(GOOD, 3);
  wide.set([0, 0, 128, 63], 3 + GOOD.length - 4);
  const read = readSafetensors(wide.subarray(3, 3 + GOOD.length));
  wide.fill(0);
  assert.deepEqual(read.tensors.get("a")?.data, Float32Array.of(0, 1));
});

test("names that mean something to JavaScript are names like others", () => {
  const names = ["__proto__", "constructor", "toString", "1", "0", "", "\u2028", '\\"\n', "é🙂"];
  const tensors = new Map(names.map((name, i) => [
    name,
    /** @type {Tensor} */ ({
      dtype: "int64",
      shape: [],
      data: BigInt64Array.of(BigInt(i) - 4n),
    }),
  ]));
  const metadata = new Map(names.map((name) => [name, name]));
  const read = readSafetensors(writeSafetensors(tensors, metadata));
  assert.deepEqual(new Set(read.tensors), new Set(tensors));
  assert.deepEqual(new Set(read.metadata), new Set(metadata));
  assert.equal(Object.hasOwn(Object.prototype, "dtype"), false);
});

test("what cannot be a file is not written", () => {
  const data = new Float32Array(2);
  /** @type {(name: string, change?: object, metadata?: [string, string][]) => void} */
  const write = (name, change, metadata) =>
    void writeSafetensors(
      new Map([[name, { dtype: "float32", shape: [2], data, ...change }]]),
      new Map(metadata),
    );
  write("a");
  assert.throws(() => write("__metadata__"), /__metadata__ is no name for a tensor/);
  assert.throws(() => write("\ud800"), /is no text in Unicode/);
  assert.throws(() => write("a", {}, [["b", "\udfff"]]), /is no text in Unicode/);
  assert.throws(() => write("a", { shape: [3] }), /"a": its data is no float32 \[3\]/);
  assert.throws(() => write("a", { dtype: "int32" }), /"a": its data is no int32 \[2\]/);
});
