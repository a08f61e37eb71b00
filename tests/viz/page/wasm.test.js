// @ts-check
// The loader of modules: what a module does on a page is what its entries say, and what cannot be
// done is said in words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load, variant } from "../../../viz/page/wasm.js";
import { BYTES, manifest, said } from "./module.js";

/** @typedef {import("../../../viz/page/tensors.js").Tensor} Tensor */
/** @typedef {import("../../../viz/page/tensors.js").Numbers} Numbers */

const loaded = () => load(BYTES, manifest());
const STEPS = 2000;

/** A module whose whole arrays are written: rows 0 and 1, then 2 and 3, and so on. */
async function trained() {
  const module = await loaded();
  module.array("images", "loop").write(Array.from({ length: 12 }, (_, i) => i));
  module.array("labels", "loop").write([0, 1, 2, 0]);
  module.array("order", "loop").write(Array.from({ length: 2 * STEPS }, (_, i) => i % 4));
  return module;
}

/** @param {AsyncIterable<number>} steps */
async function all(steps) {
  const seen = [];
  for await (const step of steps) seen.push(step);
  return seen;
}

// --- what a module does --------------------------------------------------------------------------

test("a step writes what it says, wherever the entries lie", async () => {
  const module = await loaded();
  module.array("x", "step").write([1, 2, 3, 4, 5, 6]);
  module.array("y", "step").write([0, 2]);
  module.array("model.w").write([10, 20, 30, 40, 50, 60]);
  module.run("step");
  assert.deepEqual(module.array("model.w").read(), Float32Array.of(11, 22, 33, 44, 55, 66));
  module.run("step");
  assert.deepEqual(module.array("loss", "step").read(), Float32Array.of(20));
  module.run("forward");
  assert.deepEqual(module.array("out", "forward").read(), Float64Array.of(Math.exp(2)));
});

test("a row and a column are those of the whole, wherever the entries lie", async () => {
  const module = await loaded();
  for (const [name, entry] of /** @type {const} */ ([["model.w", null], ["images", "loop"]])) {
    const view = module.array(name, entry);
    const [rows, columns] = view.layout.shape;
    view.write(Array.from({ length: rows * columns }, (_, i) => i + 1));
    const whole = [...view.read()];
    for (let i = 0; i < rows; i++) assert.deepEqual([...view.line(0, i)], whole.slice(i * columns, (i + 1) * columns));
    for (let k = 0; k < columns; k++) {
      assert.deepEqual([...view.line(1, k)], whole.filter((_, at) => at % columns === k));
    }
  }
});

test("what is read is a copy: it stays as it was", async () => {
  const module = await loaded();
  module.array("x", "step").write([1, 1, 1, 1, 1, 1]);
  const before = ["model.w", "optimizer.count"].map((name) => module.array(name).read());
  module.run("step");
  assert.deepEqual(before, [new Float32Array(6), new Float64Array(1)]);
});

test("the module itself refuses a label that got past the loader", async () => {
  const module = await loaded();
  const view = module.array("y", "step");
  new Int32Array(view.memory.buffer, view.layout.offset, 2).set([0, 3]);
  assert.throws(() => module.run("step"), /step: an index, .* no state was written/);
  assert.deepEqual(module.array("optimizer.count").read(), Float64Array.of(0));
});

test("a module that stops is said, with what stopped it", async () => {
  const module = await loaded();
  assert.throws(() => module.run("fail"), /^Error: fail: the module failed \(RuntimeError/);
  assert.throws(() => module.run("loop"), /^Error: the module has no entry loop/);
  assert.throws(() => module.run("toString"), /^Error: the module has no entry toString/);
  assert.throws(
    () => module.array("x"),
    /no array x of all entries, only: model.w, optimizer.count/,
  );
  assert.throws(() => module.array("w", "step"), /no array w of step, only: x, y, loss/);
});

// --- loops ---------------------------------------------------------------------------------------

test("a loop does all steps, in slices between which the page has its turn", async () => {
  const module = await trained();
  let turns = 0;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => port2.postMessage(++turns);
  port2.postMessage(0);
  const seen = await all(module.loop("loop", 0, STEPS));
  port1.close();
  assert.equal(seen.at(-1), STEPS);
  assert.ok(seen.length > 2 && seen.every((step, i) => i === 0 || step > seen[i - 1]));
  assert.ok(turns >= seen.length - 1);
  const expected = Float32Array.from({ length: STEPS }, (_, i) => 10 * (i + 1));
  assert.deepEqual(module.array("loss", "loop").read(), expected);
  const sums = [0, 1, 2, 3, 4, 5].map((entry) => (STEPS / 2) * (2 * entry + 6));
  assert.deepEqual(module.array("model.w").read(), Float32Array.from(sums));
});

test("a loop begins where it is told, and other entries run between its slices", async () => {
  const module = await trained();
  for await (const _ of module.loop("loop", 3, 5)) module.run("forward");
  const losses = [...module.array("loss", "loop").read()].slice(0, 10);
  assert.deepEqual(losses, [0, 0, 0, 10, 20, 30, 40, 50, 0, 0]);
  assert.deepEqual(module.array("out", "forward").read(), Float64Array.of(Math.exp(5)));
  assert.deepEqual(await all(module.loop("loop", STEPS, 0)), []);
});

test("a signal or a break ends a loop after its slice", async () => {
  const module = await trained();
  const stop = new AbortController();
  const seen = [];
  for await (const step of module.loop("loop", 0, STEPS, stop.signal)) {
    seen.push(step);
    if (seen.length === 3) stop.abort();
  }
  assert.equal(seen.length, 3);
  assert.deepEqual(module.array("optimizer.count").read(), Float64Array.of(seen[2]));
  assert.deepEqual(await all(module.loop("loop", 0, STEPS, stop.signal)), []);
  for await (const step of module.loop("loop", 0, STEPS)) if (step) break;
  assert.deepEqual(module.array("optimizer.count").read(), Float64Array.of(seen[2] + 1));
});

test("a loop stops before a step whose index is out of range", async () => {
  const module = await trained();
  const view = module.array("order", "loop");
  new Int32Array(view.memory.buffer, view.layout.offset)[2 * 37 + 1] = 4;
  const expected = /^Error: loop: step 37 has an index out of range/;
  await assert.rejects(() => all(module.loop("loop", 30, 20)), expected);
  assert.deepEqual(module.array("optimizer.count").read(), Float64Array.of(7));
});

test("steps that the order does not have are refused", async () => {
  const module = await trained();
  for (
    const [first, count] of [[0, STEPS + 1], [-1, 2], [0.5, 1], [0, NaN], [0, -1], [2 ** 31, 1]]
  ) {
    await assert.rejects(() => all(module.loop("loop", first, count)), /not in the order's 2000/);
  }
  await assert.rejects(() => all(module.loop("step", 0, 1)), /the module has no loop step/);
  assert.deepEqual(module.array("optimizer.count").read(), Float64Array.of(0));
});

// --- what may be written -------------------------------------------------------------------------

test("what an array cannot hold is refused, and nothing is written", async () => {
  const module = await loaded();
  const [x, y] = [module.array("x", "step"), module.array("y", "step")];
  y.write([1, 2]);
  const int = 'input "y" of "step": entry 1 is';
  /** @type {[Numbers, string][]} */
  const wrong = [
    [[1, 3], `${int} 3, wanted an integer in 0 .. 2`],
    [Int32Array.of(0, -1), `${int} -1`],
    [BigInt64Array.of(0n, 2n ** 40n), `${int} 1099511627776`],
    [[0, NaN], `${int} NaN`],
    [[0, 0.5], `${int} 0.5`],
    [[0, Infinity], `${int} Infinity`],
    [[0], 'input "y" of "step": expected a list of 2 numbers, int32 [2], found 1'],
    [[0, 0, 0], "found 3"],
    [/** @type {Numbers} */ (/** @type {unknown} */ (0.5)), "found 0.5"],
    [/** @type {number[]} */ (/** @type {unknown} */ ([0, "1"])), `${int} 1, wanted an integer`],
    [/** @type {number[]} */ (Array(2)), "entry 0 is undefined"],
  ];
  for (const [values, message] of wrong) {
    assert.throws(() => y.write(values), (error) => said(error).includes(message), message);
  }
  assert.deepEqual(y.read(), Int32Array.of(1, 2));
  assert.throws(
    () => x.write([1n, 2n, 3n, 4n, 5n, 6n]),
    /entry 0 is 1, wanted a number \(float32\)/,
  );
  x.write([NaN, Infinity, -0, 0.1, 1e300, 5]);
  const kept = Float32Array.of(NaN, Infinity, -0, 0.1, Infinity, 5);
  assert.deepEqual(x.read(), kept);
  for (const [name, entry] of [["ten", null], ["spare", null], ["loss", "step"]]) {
    const view = module.array(String(name), entry);
    assert.throws(() => view.write(view.read()), /it is the module's to write, not a page's/);
  }
});

// --- states in and out ---------------------------------------------------------------------------

test("states that are taken and put back go on as if nothing had been between", async () => {
  const module = await trained();
  await all(module.loop("loop", 0, 10));
  const states = module.snapshot();
  assert.deepEqual([...states.keys()], ["model.w", "optimizer.count"]);
  await all(module.loop("loop", 10, 10));
  const after = module.snapshot();
  module.restore(states);
  assert.deepEqual(module.snapshot(), states);
  await all(module.loop("loop", 10, 10));
  assert.deepEqual(module.snapshot(), after);
  const other = await trained();
  other.restore(after);
  assert.deepEqual(other.snapshot(), after);
});

test("states that do not fit are refused by name, and none is written", async () => {
  const module = await loaded();
  const states = module.snapshot();
  /** @type {Tensor} */ const count = { dtype: "float64", shape: [], data: Float64Array.of(7) };
  const w = /** @type {Tensor} */ (states.get("model.w"));
  /** @param {object} change @param {[string, Tensor][]} more */
  const other = (change, ...more) =>
    new Map([["optimizer.count", count], ["model.w", { ...w, ...change }], ...more]);
  /** @type {[string, Map<string, Tensor>][]} */
  const wrong = [
    ["model.w: expected float32 [2, 3], found none", new Map([["optimizer.count", count]])],
    ["bias: expected no such state, found float64 []", other({}, ["bias", count])],
    ["expected float32 [2, 3], found float32 [3, 2]", other({ shape: [3, 2] })],
    ["expected float32 [2, 3], found float64 [2, 3]", other({ dtype: "float64" })],
    ["expected a list of 6 numbers, float32 [2, 3], found 5", other({ data: new Float32Array(5) })],
  ];
  for (const [message, tensors] of wrong) {
    assert.throws(() => module.restore(tensors), (error) => said(error).includes(message), message);
    assert.deepEqual(module.snapshot(), states);
  }
});

// --- the fastest variant -------------------------------------------------------------------------

test("the variant that runs here is chosen, and one that does not is refused", async () => {
  assert.equal(variant(), "relaxed");
  const module = await load(BYTES, manifest([["simd"], "relaxed"]));
  module.run("step");
  const { validate } = WebAssembly;
  try {
    WebAssembly.validate = (bytes) => bytes.byteLength < 32 && validate(bytes);
    assert.equal(variant(), "v128");
    const refused = load(BYTES, manifest([["simd"], "relaxed"]));
    await assert.rejects(refused, /this browser runs no relaxed module: load v128's/);
    WebAssembly.validate = () => false;
    assert.throws(variant, /this browser's WebAssembly has no vectors/);
  } finally {
    WebAssembly.validate = validate;
  }
});
