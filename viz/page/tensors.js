// @ts-check
// Tensors on a page: NumPy's dtypes, the typed arrays that hold them, and numbers of anyone's made
// into such an array, checked.

/**
 * @typedef {"bool" | "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32"
 *   | "uint64" | "float32" | "float64"} Dtype
 * @typedef {Int8Array | Int16Array | Int32Array | BigInt64Array | BigUint64Array
 *   | Uint8Array | Uint16Array | Uint32Array | Float32Array | Float64Array} Data
 * @typedef {{dtype: Dtype, shape: number[], data: Data}} Tensor the entries in row-major order
 * @typedef {ArrayLike<number> | ArrayLike<bigint>} Numbers
 * @typedef {{[index: number]: number | bigint, set: (from: Data) => void}} Entries to be written
 * @typedef {{
 *   new (length: number): Data,
 *   new (buffer: ArrayBufferLike, offset: number, length: number): Data,
 *   BYTES_PER_ELEMENT: number,
 * }} DataType
 * @typedef {{least: bigint, most: bigint}} Range of integers
 */

const signed = (/** @type {bigint} */ bits) => ({
  least: -(2n ** (bits - 1n)),
  most: 2n ** (bits - 1n) - 1n,
});
const unsigned = (/** @type {bigint} */ bits) => ({ least: 0n, most: 2n ** bits - 1n });

/**
 * By NumPy's names: safetensors' name, the typed array, and of integers the range. In the order in
 * which safetensors sorts them, from the last to the first.
 * @type {Record<Dtype, {code: string, Data: DataType, range?: Range}>}
 */
export const DTYPES = {
  bool: { code: "BOOL", Data: Uint8Array, range: unsigned(1n) },
  uint8: { code: "U8", Data: Uint8Array, range: unsigned(8n) },
  int8: { code: "I8", Data: Int8Array, range: signed(8n) },
  int16: { code: "I16", Data: Int16Array, range: signed(16n) },
  uint16: { code: "U16", Data: Uint16Array, range: unsigned(16n) },
  int32: { code: "I32", Data: Int32Array, range: signed(32n) },
  uint32: { code: "U32", Data: Uint32Array, range: unsigned(32n) },
  float32: { code: "F32", Data: Float32Array },
  float64: { code: "F64", Data: Float64Array },
  int64: { code: "I64", Data: BigInt64Array, range: signed(64n) },
  uint64: { code: "U64", Data: BigUint64Array, range: unsigned(64n) },
};

/** Of JSON: an object, and no list. @param {unknown} it @returns {it is Record<string, unknown>} */
export const isObject = (it) => typeof it === "object" && it !== null && !Array.isArray(it);

/** A number that counts something. @param {unknown} it @returns {it is number} */
export const isCount = (it) => typeof it === "number" && Number.isSafeInteger(it) && it >= 0;

/** @param {unknown} it @returns {it is string} */
export const isText = (it) => typeof it === "string";

/** A shape, or strides. @param {unknown} it @returns {it is number[]} */
export const isCounts = (it) => Array.isArray(it) && it.every(isCount);

/** How many entries a shape has. @param {number[]} shape */
export const sizeOf = (shape) => shape.reduce((size, length) => size * length, 1);

/** In a message. @param {{dtype: Dtype, shape: number[]}} tensor */
export const typeOf = ({ dtype, shape }) => `${dtype} [${shape.join(", ")}]`;

/**
 * Numbers as the typed array of a dtype. Throws an Error, which begins with `what`, where one is
 * not a number, or none that the dtype has, or not in 0 .. below - 1. Floats are rounded.
 * @param {Dtype} dtype @param {Numbers} values @param {string} what
 * @param {number} [below] @returns {Data}
 */
export function converted(dtype, values, what, below) {
  const { Data, range } = DTYPES[dtype];
  const suits = values instanceof Data;
  if (suits && below === undefined && dtype !== "bool") return /** @type {Data} */ (values);
  const limits = below === undefined ? range : { least: 0n, most: BigInt(below) - 1n };
  const big = Data === BigInt64Array || Data === BigUint64Array;
  const made = new Data(values.length);
  const to = /** @type {Entries} */ (made);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const wrong = limits ? outside(value, limits) : typeof value !== "number";
    if (wrong) throw new Error(`${what}: entry ${i} is ${value}, wanted ${wanted(dtype, limits)}`);
    to[i] = big ? BigInt(value) : Number(value);
  }
  return made;
}

/** @param {unknown} value @param {Range} limits */
function outside(value, { least, most }) {
  const whole = typeof value === "bigint" || Number.isInteger(value);
  return !whole || /** @type {bigint} */ (value) < least || /** @type {bigint} */ (value) > most;
}

/** @param {Dtype} dtype @param {Range | undefined} limits */
const wanted = (dtype, limits) =>
  limits ? `an integer in ${limits.least} .. ${limits.most} (${dtype})` : `a number (${dtype})`;
