// @ts-check
// Runs what `autograd.compiler.wasm` made: a module of WebAssembly, with arrays by name, its
// entries, and its states in and out. Which array lies where, its manifest says.

import { checkedManifest, need, PAGE_BYTES } from "./manifest.js";
import { isCount, typeOf } from "./tensors.js";
import { View } from "./view.js";

/** @typedef {import("./manifest.js").Manifest} Manifest */
/** @typedef {import("./tensors.js").Tensor} Tensor */
/** @typedef {(...range: number[]) => number} Run a loop takes two numbers, other entries none */

const SLICE = 20; // milliseconds of a loop at once, so that a slow one still ends within 30
const HEAD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0];
const ZERO = [65, 0, 253, 15]; // i32.const 0, i8x16.splat
// Functions that give a v128: zero, and f32x4.relaxed_madd of three zeros.
const SAMPLES = {
  v128: Uint8Array.of(...HEAD, 10, 8, 1, 6, 0, ...ZERO, 11),
  relaxed: Uint8Array.of(...HEAD, 10, 19, 1, 17, 0, ...ZERO, ...ZERO, ...ZERO, 253, 133, 2, 11),
};

/** The variant of a module that runs here and is the fastest. @returns {"v128" | "relaxed"} */
export function variant() {
  if (WebAssembly.validate(SAMPLES.relaxed)) return "relaxed";
  if (WebAssembly.validate(SAMPLES.v128)) return "v128";
  throw new Error("this browser's WebAssembly has no vectors (SIMD): use one of 2023 or later");
}

/**
 * A module and its manifest, ready to run; its states are zero until they are written.
 * Throws an Error where one is damaged, the two do not fit each other, or it cannot run here.
 * @param {BufferSource} bytes @param {unknown} manifest from JSON
 */
export async function load(bytes, manifest) {
  const checked = checkedManifest(manifest);
  const runs = WebAssembly.validate(SAMPLES[checked.simd]);
  if (!runs) throw new Error(`this browser runs no ${checked.simd} module: load ${variant()}'s`);
  const module = await explained(WebAssembly.compile(bytes), "module: damaged or cut off");
  checkImports(module);
  const { memory, exports } = await explained(linked(module, checked), "module: it does not start");
  return new Module(checked, memory, checkedExports(exports, checked));
}

/** @template T @param {Promise<T>} promise @param {string} what it means that it failed */
async function explained(promise, what) {
  try {
    return await promise;
  } catch (cause) {
    throw new Error(`${what} (${cause}); load it again, and its manifest`, { cause });
  }
}

/** @param {WebAssembly.Module} module @param {Manifest} manifest */
async function linked(module, { memory_bytes }) {
  const memory = new WebAssembly.Memory({ initial: memory_bytes / PAGE_BYTES });
  const imports = /** @type {unknown} */ ({ env: { memory }, Math });
  const instance = await WebAssembly.instantiate(
    module,
    /** @type {WebAssembly.Imports} */ (imports),
  );
  return { memory, exports: instance.exports };
}

/** @param {WebAssembly.Module} module */
function checkImports(module) {
  const imports = WebAssembly.Module.imports(module);
  for (const { module: from, name, kind } of imports) {
    const memory = from === "env" && name === "memory" && kind === "memory";
    const math = from === "Math" && kind === "function" && Object.hasOwn(Math, name);
    need(memory || math, `module: it wants the ${kind} ${from}.${name}, which no page gives`);
  }
  need(imports.some(({ kind }) => kind === "memory"), "module: it does not import its memory");
}

/** @param {WebAssembly.Exports} exports @param {Manifest} manifest @returns {Map<string, Run>} */
function checkedExports(exports, { entries, arrays }) {
  const runs = /** @type {Map<string, Run>} */ (new Map(Object.entries(exports)));
  for (const [name, { args }] of Object.entries(entries)) {
    const run = runs.get(name);
    need(typeof run === "function", `module: it has no entry ${JSON.stringify(name)}`);
    need(run.length === 0 || run.length === 2, `module: ${name} takes neither 0 nor 2 arguments`);
    const order = arrays.find((each) => each.entry === name && each.name === args.at(-1));
    need(run.length === 0 || order?.shape.length, `manifest: the loop ${name} has no order`);
  }
  const more = [...runs.keys()].find((name) => !Object.hasOwn(entries, name));
  need(more === undefined, `manifest: it lacks the module's entry ${JSON.stringify(more)}`);
  return runs;
}

export class Module {
  /** `load` makes them.
   * @param {Manifest} manifest @param {WebAssembly.Memory} memory @param {Map<string, Run>} runs */
  constructor(manifest, memory, runs) {
    this.manifest = manifest;
    this.runs = runs;
    const views = manifest.arrays.map((layout) => new View(layout, memory));
    /** @type {Map<string, View>} */
    this.views = new Map(views.map((view) => [keyOf(view.layout.name, view.layout.entry), view]));
    this.states = views.filter((view) => view.layout.kind === "state");
  }

  /** An array: an input or result of an entry, or (entry null) a state, to `read` or `write`.
   * @param {string} name @param {string | null} [entry] */
  array(name, entry = null) {
    const view = this.views.get(keyOf(name, entry));
    if (view) return view;
    const known = this.manifest.arrays.filter((each) => each.entry === entry);
    const names = known.map((each) => each.name).join(", ");
    throw new Error(`there is no array ${name} of ${entry ?? "all entries"}, only: ${names}`);
  }

  /** Run an entry once. Throws an Error, and changes no state, where an index is out of range.
   * @param {string} entry */
  run(entry) {
    if (this.#run(entry, 0)() !== 1) {
      throw new Error(`${entry}: an index, such as a label, is out of range; no state was written`);
    }
  }

  /**
   * Run the steps first .. first + count - 1 of a loop in slices of at most 30 ms, between which
   * the page may draw, and run other entries. Gives after each slice how many steps are done; ends
   * there when the signal is aborted. Throws an Error at a step that has an index out of range.
   * @param {string} entry @param {number} first @param {number} count
   * @param {AbortSignal} [signal]
   */
  async *loop(entry, first, count, signal) {
    const run = this.#run(entry, 2);
    const order = String(this.manifest.entries[entry].args.at(-1));
    const [steps] = this.array(order, entry).layout.shape;
    if (!isCount(first) || !isCount(count) || first + count > steps) {
      throw new Error(`${entry}: ${count} steps from ${first} on are not in the order's ${steps}`);
    }
    let done = 0;
    let slice = 1;
    while (done < count && !signal?.aborted) {
      const wanted = Math.min(slice, count - done);
      const start = performance.now();
      const made = run(first + done, wanted);
      const each = (performance.now() - start) / wanted;
      done += made;
      yield done;
      if (made < wanted) {
        throw new Error(`${entry}: step ${first + done} has an index out of range`);
      }
      slice = Math.max(1, Math.min(2 * slice, Math.trunc(SLICE / each)));
      await turn();
    }
  }

  /** A copy of all states, by name. @returns {Map<string, Tensor>} */
  snapshot() {
    return new Map(this.states.map((view) => [view.layout.name, view.tensor()]));
  }

  /**
   * Write all states. Throws an Error, and writes none, where one is missing, unknown, or of
   * another dtype or shape.
   * @param {Map<string, Tensor>} tensors
   */
  restore(tensors) {
    const found = new Map([...tensors].map(([name, tensor]) => [name, typeOf(tensor)]));
    const wanted = new Map(this.states.map(({ layout }) => [layout.name, typeOf(layout)]));
    for (const name of [...wanted.keys(), ...found.keys()]) {
      const [state, tensor] = [wanted.get(name) ?? "no such state", found.get(name) ?? "none"];
      if (state !== tensor) throw new Error(`restore: ${name}: expected ${state}, found ${tensor}`);
    }
    for (const [name, { data }] of tensors) this.array(name).checked(data);
    for (const [name, { data }] of tensors) this.array(name).write(data);
  }

  /** @param {string} entry @param {number} count of arguments: a loop's are 2, another's 0 */
  #run(entry, count) {
    const run = this.runs.get(entry);
    if (run?.length !== count) {
      throw new Error(`the module has no ${count ? "loop" : "entry"} ${entry}`);
    }
    return (/** @type {number[]} */ ...range) => {
      try {
        return run(...range);
      } catch (cause) {
        throw new Error(`${entry}: the module failed (${cause}); load it again`, { cause });
      }
    };
  }
}

/** @param {string} name @param {string | null} entry */
const keyOf = (name, entry) => JSON.stringify([name, entry]);

/** The browser's turn. A message ends it, because timeouts wait 4 ms once they nest. */
function turn() {
  return new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(port1.close());
    port2.postMessage(null);
  });
}
