// @ts-check
// Whatever is wrong with a module or its manifest is said in words, before anything is written.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../../../viz/page/wasm.js";
import { BYTES, given, manifest, pathTo, said } from "./module.js";

/** @typedef {import("./module.js").Path} Path */
/** @typedef {import("./module.js").Members} Members */

const X = pathTo("x", "step");
const Y = pathTo("y", "step");
const W = pathTo("model.w");
const ORDER = pathTo("order", "loop");
const EMPTY = { args: [], results: [], flops: 0 }; // an entry

/** @type {[string, Path, unknown][]} what is said of a manifest with one change */
const WRONG = [
  ["expected version 1, found 2", ["version"], 2],
  ["expected version 1, found undefined", ["version"], undefined],
  ["engine is no text", ["engine"], 1],
  ["simd is neither v128 nor relaxed", ["simd"], "avx"],
  ["memory_bytes is no multiple of 65536", ["memory_bytes"], 65537],
  ["memory_bytes is no multiple of 65536", ["memory_bytes"], 0],
  ["memory_bytes is no multiple of 65536", ["memory_bytes"], 2 ** 40],
  ['model.w" ends beyond the memory of 131072 bytes', [...W, "offset"], 131072 - 20],
  ["ends beyond the memory", [...W, "strides"], [2 ** 50, 2 ** 52]],
  ["arrays is no list", ["arrays"], {}],
  ["arrays[0] is no object", X, null],
  ["arrays[0] has no name", [...X, "name"], ""],
  ["arrays[0]: kind is none of input, state, result, constant, scratch", [...X, "kind"], "inputs"],
  ["entry is no input's", [...X, "entry"], null],
  ["entry is no input's", [...X, "entry"], 1],
  ["entry is no state's", [...W, "entry"], "step"],
  ['input "x" of "train": there is no such entry', [...X, "entry"], "train"],
  ["dtype is none of bool, uint8", [...X, "dtype"], "float16"],
  ["dtype is none of bool, uint8", [...X, "dtype"], "toString"],
  ["shape is no list of lengths", [...X, "shape"], [2, -3]],
  ["shape is no list of lengths", [...X, "shape"], [2, 1.5]],
  ["strides is no list of entries", [...X, "strides"], "31"],
  ["strides is no list of entries", [...X, "strides"], [3, -1]],
  ["shape and strides differ in length", [...X, "strides"], [1]],
  ["strides put two entries in one place", [...X, "strides"], [2, 1]],
  ["strides put two entries in one place", [...X, "strides"], [0, 1]],
  ["offset is no multiple of float32's 4 bytes", [...X, "offset"], 2],
  ["offset is no multiple of float32's 4 bytes", [...X, "offset"], -4],
  ["offset is no multiple of float64's 8 bytes", [...pathTo("optimizer.count"), "offset"], 196],
  ["below is no limit of int32 inputs", [...Y, "below"], 0],
  ["below is no limit of int32 inputs", [...Y, "below"], 2 ** 31 + 1],
  ["below is no limit of float32 inputs", [...X, "below"], 3],
  ["below is no limit of float32 states", [...W, "below"], 3],
  ['input "x" of "step" stands there twice', [...Y, "name"], "x"],
  ['input "y" of "step" overlaps input "x" of "step"', [...Y, "offset"], 20],
  ['overlaps state "model.w"', [...pathTo("loss", "step"), "offset"], 132],
  ["overlaps", [...W, "offset"], 580],
  ["entries is no object", ["entries"], []],
  ['entries["step"] is no object', ["entries", "step"], 3],
  ['entries["step"]: flops is no count', ["entries", "step", "flops"], "7"],
  ["expected the names of its inputs, x, y", ["entries", "step", "args"], ["x"]],
  ["expected the names of its inputs, x, y", ["entries", "step", "args"], ["x", "y", "y"]],
  ["expected the names of its inputs, x, y", ["entries", "step", "args"], [{ toString: 1 }]],
  ["expected the names of its results, loss", ["entries", "step", "results"], "loss"],
  ['module: it has no entry "more"', ["entries", "more"], EMPTY],
  ['module: it has no entry "__proto__"', ["entries", "__proto__"], EMPTY],
  ['it lacks the module\'s entry "fail"', ["entries", "fail"], undefined],
];

const text = (/** @type {string} */ name) => [name.length, ...new TextEncoder().encode(name)];
const HEAD = [0, 97, 115, 109, 1, 0, 0, 0];
const MEMORY = [...text("env"), ...text("memory"), 2, 0, 1];
const ALONE = [2, 15, 1, ...MEMORY]; // the section of imports
const STEP = [7, 8, 1, ...text("step")]; // of exports, which goes on with what it is

/** A module that imports a function, too. @param {string} from @param {string} name */
function wanting(from, name) {
  const imports = [2, ...MEMORY, ...text(from), ...text(name), 0, 0];
  return Uint8Array.of(...HEAD, 1, 4, 1, 96, 0, 0, 2, imports.length, ...imports);
}

/** @type {[string, Uint8Array<ArrayBuffer>][]} whole modules that are not this manifest's */
const OTHERS = [
  ["module: it does not import its memory", Uint8Array.of(...HEAD)],
  ['module: it has no entry "step"', Uint8Array.of(...HEAD, ...ALONE)],
  ['module: it has no entry "step"', Uint8Array.of(...HEAD, ...ALONE, ...STEP, 2, 0)], // a memory
  ["module: it wants the function page.alert, which no page gives", wanting("page", "alert")],
  ["module: it wants the function Math.erf, which no page gives", wanting("Math", "erf")],
  [
    "module: step takes neither 0 nor 2 arguments",
    Uint8Array.of(
      ...[...HEAD, 1, 5, 1, 96, 1, 127, 0, ...ALONE, 3, 2, 1, 0, ...STEP, 0, 0],
      ...[10, 4, 1, 2, 0, 11],
    ),
  ],
];

test("a manifest with one thing wrong is refused by name, before anything is written", async () => {
  for (const [message, path, value] of WRONG) {
    const refused = load(BYTES, manifest([path, value]));
    await assert.rejects(refused, (error) => said(error).includes(message), message);
  }
  for (const other of [null, undefined, [], "", 1]) {
    await assert.rejects(load(BYTES, other), /^Error: manifest: expected an object; take module/);
  }
});

test("an empty array, and one that nothing limits, are no mistakes", async () => {
  const empty = manifest([[...X, "shape"], [3, 0]], [[...X, "strides"], [0, 1]]);
  assert.equal((await load(BYTES, empty)).array("x", "step").read().length, 0);
  const changes = manifest([[...X, "shape"], [0, 3]], [[...Y, "below"], undefined]);
  const module = await load(BYTES, changes);
  module.array("x", "step").write([]);
  assert.deepEqual(module.array("x", "step").read(), new Float32Array(0));
  module.array("y", "step").write([-5, 2 ** 31 - 1]);
  assert.throws(() => module.array("y", "step").write([0, 2 ** 31]), /-2147483648 .. 2147483647/);
});

test("the greatest integer of a dtype may be the last below a limit", async () => {
  const module = await load(BYTES, manifest([[...Y, "below"], 2 ** 31]));
  module.array("y", "step").write([0, 2 ** 31 - 1]);
  assert.throws(() => module.array("y", "step").write([0, -1]), /in 0 .. 2147483647/);
});

test("a module that is not the manifest's is refused", async () => {
  const small = manifest([["memory_bytes"], 65536], [[...pathTo("loss", "loop"), "offset"], 32768]);
  await assert.rejects(load(BYTES, small), /^Error: module: it does not start \(LinkError/);
  const scalar = manifest([[...ORDER, "shape"], []], [[...ORDER, "strides"], []]);
  await assert.rejects(load(BYTES, scalar), /^Error: manifest: the loop loop has no order/);
  for (const [message, bytes] of OTHERS) {
    const refused = load(bytes, manifest());
    await assert.rejects(refused, (error) => said(error).includes(message), message);
  }
});

test("a module that is cut off or damaged is refused, or is another whole module", async () => {
  const refused = (/** @type {unknown} */ error) =>
    assert.match(said(error), /^(module|manifest): /);
  for (let length = 0; length < BYTES.length; length++) {
    const module = await load(BYTES.slice(0, length), manifest()).catch(refused);
    module?.run("step"); // without the names of its functions, which come last, it is whole
  }
  for (let i = 0; i < BYTES.length; i++) {
    const damaged = BYTES.slice();
    damaged[i] ^= 1 << (i % 8);
    await load(damaged, manifest()).catch(refused);
  }
});

// --- manifests of anything -----------------------------------------------------------------------

/** @type {unknown[]} */
const JUNK = [
  ...[null, true, "", "x", "step", "toString", [], {}, { toString: 1 }, [null], [[]], [1, 2]],
  ...[0, 1, -1, 0.5, 3, 4, 65536, 131072, 2 ** 31, 2 ** 32, 2 ** 53, 1e300, undefined],
];

/** Numbers in 0 .. below - 1 that are the same in each run. @param {number} seed */
function drawn(seed) {
  return (/** @type {number} */ below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.trunc((seed / 2 ** 32) * below);
  };
}

/** The path to some member.
 * @param {unknown} json @param {(below: number) => number} draw @returns {Path} */
function somewhere(json, draw) {
  if (typeof json !== "object" || json === null || !Object.keys(json).length) return [];
  const keys = Object.keys(json);
  const key = keys[draw(keys.length)];
  return [key, ...(draw(4) ? somewhere(/** @type {Members} */ (json)[key], draw) : [])];
}

test("a manifest of anything is refused in words, or all that it names can be used", async () => {
  const draw = drawn(12);
  let accepted = 0;
  for (let i = 0; i < 3000; i++) {
    const path = somewhere(given, draw);
    const made = manifest([path, JUNK[draw(JUNK.length)]]);
    const module = await load(BYTES, made).catch((error) => {
      assert.match(said(error), /^(module|manifest): .*; (take|load)/s);
    });
    if (!module) continue;
    accepted++;
    for (const view of module.views.values()) {
      const { kind } = view.layout;
      if (kind === "input" || kind === "state") view.write(view.read());
    }
    module.restore(module.snapshot());
  }
  assert.ok(accepted > 20, String(accepted));
});
