// @ts-check
// An array in a module's memory: read and written in row-major order, however its entries lie.

import { bytesOf, nameOf } from "./manifest.js";
import { converted, DTYPES, sizeOf, typeOf } from "./tensors.js";

/** @typedef {import("./manifest.js").Layout} Layout */
/** @typedef {import("./tensors.js").Data} Data */
/** @typedef {import("./tensors.js").Entries} Entries */
/** @typedef {import("./tensors.js").Numbers} Numbers */
/** @typedef {import("./tensors.js").Tensor} Tensor */

const WRITTEN = ["input", "state"];

export class View {
  /** @param {Layout} layout @param {WebAssembly.Memory} memory */
  constructor(layout, memory) {
    this.layout = layout;
    this.memory = memory;
    this.places = isRowMajor(layout) ? null : placesOf(layout);
  }

  /** A copy of all entries. @returns {Data} */
  read() {
    const { places } = this;
    const from = this.#memory();
    if (!places) return from.slice();
    const data = new DTYPES[this.layout.dtype].Data(places.length);
    const to = /** @type {Entries} */ (data);
    for (let i = 0; i < places.length; i++) to[i] = from[places[i]];
    return data;
  }

  /** A copy of one row of a matrix (axis 0), or of one column (axis 1). @param {0 | 1} axis
   * @param {number} index */
  line(axis, index) {
    const { shape, strides } = this.layout;
    const from = this.#memory();
    const to = new (/** @type {{new (length: number): Data}} */ (DTYPES[this.layout.dtype].Data))(shape[1 - axis]);
    const [first, step] = [index * strides[axis], strides[1 - axis]];
    for (let i = 0; i < to.length; i++) to[i] = from[first + i * step];
    return to;
  }

  /**
   * Write all entries. Throws an Error, and writes nothing, where they are too few or too many, or
   * one is none that the array may hold.
   * @param {Numbers} values
   */
  write(values) {
    const { places } = this;
    const data = this.checked(values);
    const to = /** @type {Entries} */ (this.#memory());
    if (!places) return to.set(data);
    for (let i = 0; i < places.length; i++) to[places[i]] = data[i];
  }

  /** What `write` would write. @param {Numbers} values */
  checked(values) {
    const { kind, dtype, shape, below } = this.layout;
    const what = nameOf(this.layout);
    if (!WRITTEN.includes(kind)) {
      throw new Error(`${what}: it is the module's to write, not a page's`);
    }
    if (values.length === sizeOf(shape)) return converted(dtype, values, what, below);
    const wanted = `a list of ${sizeOf(shape)} numbers, ${typeOf(this.layout)}`;
    throw new Error(`${what}: expected ${wanted}, found ${values.length ?? values}`);
  }

  /** A copy, with its dtype and shape. @returns {Tensor} */
  tensor() {
    const { dtype, shape } = this.layout;
    return { dtype, shape: [...shape], data: this.read() };
  }

  /** The memory from the first entry to the last: looked up each time, because memory may grow. */
  #memory() {
    const { dtype, offset } = this.layout;
    const { Data } = DTYPES[dtype];
    return new Data(this.memory.buffer, offset, bytesOf(this.layout) / Data.BYTES_PER_ELEMENT);
  }
}

/** @param {Layout} layout */
function isRowMajor({ shape, strides }) {
  const dense = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  return shape.includes(0) || shape.every((length, i) => length === 1 || strides[i] === dense[i]);
}

/** Where each entry lies, in row-major order. @param {Layout} layout */
function placesOf({ shape, strides }) {
  let places = Uint32Array.of(0);
  shape.forEach((length, axis) => {
    const outer = places;
    places = new Uint32Array(outer.length * length);
    for (let i = 0; i < places.length; i++) {
      places[i] = outer[Math.trunc(i / length)] + (i % length) * strides[axis];
    }
  });
  return places;
}
