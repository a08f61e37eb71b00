// @ts-check
// Examples as squares of grey in layers of a texture, with smaller copies of each layer for when
// they are seen from afar: numbers alone, no page.

export const SIDE = 32; // pixels of a square: a power of two, so that the smaller copies do not mix

/**
 * How many squares a layer has in a row, so that all layers together are not too many.
 * @param {number} count of examples @param {number} most layers
 */
export const rowOf = (count, most = 256) => (count <= most * 1024 ? 32 : 64);

/** The bytes of all layers with their smaller copies. @param {number} count of examples */
export const texelsOf = (count) => {
  const row = rowOf(count);
  return Math.ceil(count / row ** 2) * (row * SIDE) ** 2 * 4 / 3;
};

/** How an example lies in its square. @param {number[]} shape (h, w), (h, w, colours) or (n) */
export function placeOf(shape) {
  const [height, width] = shape.length > 1 ? shape : folded(shape[0]);
  const colours = shape.length > 2 ? shape[2] : 1;
  const shrink = Math.max(1, Math.ceil(Math.max(height, width) / SIDE));
  const rows = Math.ceil(height / shrink);
  const columns = Math.ceil(width / shrink);
  return {
    height, width, colours, shrink,
    top: (SIDE - rows) >> 1,
    left: (SIDE - columns) >> 1,
  };
}

/** The columns of a table, as nearly a square as can be. @param {number} length */
function folded(length) {
  const width = Math.ceil(Math.sqrt(length));
  return [Math.ceil(length / width), width];
}

/** Fills layers with examples, one after the other. */
export class Layers {
  /** @param {number[]} shape @param {number} row squares in a row of a layer
   * @param {number} scale what white is */
  constructor(shape, row, scale) {
    this.place = placeOf(shape);
    this.size = shape.reduce((size, length) => size * length, 1);
    this.row = row;
    this.scale = scale;
    this.pixels = new Uint8Array((row * SIDE) ** 2);
  }

  /** Draw an example into a square of the layer. @param {number} square
   * @param {Uint8Array | Float32Array} entries from `start` on @param {number} start
   * @returns {number} the mean of its entries, from 0 to 1 */
  draw(square, entries, start) {
    const { height, width, colours, shrink, top, left } = this.place;
    const side = this.row * SIDE;
    const corner = (Math.floor(square / this.row) * SIDE + top) * side + (square % this.row) * SIDE + left;
    const factor = 255 / this.scale / colours;
    const end = start + this.size;
    let sum = 0;
    for (let y = 0, at = start; y < height; y++) {
      const line = corner + Math.floor(y / shrink) * side;
      for (let x = 0; x < width && at < end; x++) {
        let value = 0;
        for (let c = 0; c < colours; c++) value += entries[at++];
        const grey = Math.min(255, Math.max(0, Math.abs(value) * factor));
        sum += grey;
        const to = line + Math.floor(x / shrink);
        this.pixels[to] = shrink === 1 ? grey : Math.max(this.pixels[to], grey);
      }
    }
    return sum / (255 * height * width);
  }

  /** The layer and its smaller copies, each half as wide; the next one begins empty.
   * @returns {Uint8Array<ArrayBuffer>[]} */
  finish() {
    const levels = [this.pixels];
    for (let side = this.row * SIDE; side > this.row; side /= 2) {
      levels.push(halved(levels[levels.length - 1], side));
    }
    this.pixels = new Uint8Array(this.pixels.length);
    return levels;
  }
}

/** Each pixel the mean of four. @param {Uint8Array} from @param {number} side of it */
function halved(from, side) {
  const half = side / 2;
  const to = new Uint8Array(half * half);
  for (let y = 0, at = 0; y < half; y++) {
    for (let x = 0, i = 2 * y * side; x < half; x++, i += 2) {
      to[at++] = (from[i] + from[i + 1] + from[i + side] + from[i + side + 1] + 2) >> 2;
    }
  }
  return to;
}
