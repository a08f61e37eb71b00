// @ts-check
// Draws any number of examples with one call of WebGL2: they lie as squares in the layers of one
// texture, their order in a texture of integers, and the shader asks for each pixel which of them
// it belongs to.

import { SIDE } from "./layers.js";

/** @typedef {[number, number, number]} Colour red, green and blue, 0 to 1 */
/** @typedef {{paper: Colour, ink: Colour, empty: Colour, mark: Colour}} Colours */

const ORDER_ROW = 1024; // places in a row of the texture of the order
const GAP = 24; // pixels of a cell from which on there is a line between two
const FRAME = 3; // of CSS's pixels: within the chosen cell, or where that has little room around it

const VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  gl_Position = vec4(corner * 4.0 - 1.0, 0, 1);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;
precision highp usampler2D;
uniform sampler2DArray squares;
uniform usampler2D order;
uniform ivec2 corner; // the cell in the corner at the top left
uniform vec2 origin;  // where in it the corner is: apart, so that a float has pixels of any cell
uniform vec2 size;    // of the canvas, in pixels
uniform float zoom;   // pixels of a cell
uniform ivec2 grid;   // columns, count
uniform int row;      // squares in a row of a layer
uniform vec3 paper, ink, empty, mark;
uniform int chosen;   // slot, -1 for none
uniform float line;   // pixels of the frame around it
out vec4 colour;

bool isFrame(ivec2 cell, vec2 inside) {
  ivec2 own = ivec2(chosen % grid.x, chosen / grid.x);
  vec2 from = (vec2(cell - own) + inside) * zoom;
  vec2 beyond = max(-from, from - zoom); // the cell: negative within it
  float far = max(beyond.x, beyond.y) - (zoom > 8.0 * line ? 0.0 : line);
  return far < 0.0 && far >= -line;
}

float inkAt(int id, vec2 inside) {
  int squaresOfLayer = row * row;
  int square = id % squaresOfLayer;
  ivec2 cell = ivec2(square % row, square / row);
  int layer = id / squaresOfLayer;
  if (zoom >= ${SIDE}.0) {
    ivec2 pixel = cell * ${SIDE} + ivec2(inside * ${SIDE}.0);
    return texelFetch(squares, ivec3(pixel, layer), 0).r;
  }
  float level = log2(${SIDE}.0 / zoom);
  float edge = min(0.5, 0.5 * exp2(level) / ${SIDE}.0);  // so that no neighbour is mixed in
  vec2 at = (vec2(cell) + clamp(inside, edge, 1.0 - edge)) / float(row);
  return textureLod(squares, vec3(at, float(layer)), level).r;
}

void main() {
  vec2 pixel = vec2(gl_FragCoord.x, size.y - gl_FragCoord.y);
  // Beside the middles of pixels, which else are on either side of a cell's edge by chance.
  vec2 at = origin + (pixel + 0.01) / zoom;
  vec2 inside = fract(at);
  ivec2 cell = corner + ivec2(floor(at));
  int slot = cell.y * grid.x + cell.x;
  if (chosen >= 0 && isFrame(cell, inside)) { colour = vec4(mark, 1); return; }
  colour = vec4(empty, 1);
  if (cell.x < 0 || cell.y < 0 || cell.x >= grid.x || slot >= grid.y) return;
  if (zoom > ${GAP}.0 && min(inside.x, inside.y) * zoom < 1.0) return;  // a pixel of each cell
  int id = int(texelFetch(order, ivec2(slot % ${ORDER_ROW}, slot / ${ORDER_ROW}), 0).r);
  colour = vec4(mix(paper, ink, inkAt(id, inside)), 1); // of no ink where it is not here yet
}`;

export class Atlas {
  /** Throws an Error where there is no WebGL2, or no room for so many examples.
   * @param {OffscreenCanvas} canvas @param {number} total examples
   * @param {number} row squares in a row of a layer */
  constructor(canvas, total, row) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false });
    if (!gl) throw new Error("this browser has no WebGL2, which draws the examples");
    this.gl = gl;
    this.row = row;
    this.here = 0; // examples
    this.count = 0;
    const layers = Math.ceil(total / row ** 2);
    const most = gl.getParameter(gl.MAX_ARRAY_TEXTURE_LAYERS);
    if (layers > most) throw new Error(`this browser draws at most ${most * row ** 2} examples`);
    this.program = linked(gl);
    gl.useProgram(this.program);
    this.#makeSquares(layers);
    this.#makeOrder();
    gl.uniform1i(this.#place("squares"), 0);
    gl.uniform1i(this.#place("order"), 1);
  }

  /** @param {number} layers */
  #makeSquares(layers) {
    const { gl, row } = this;
    const levels = Math.log2(SIDE) + 1;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, gl.createTexture());
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, levels, gl.R8, row * SIDE, row * SIDE, layers);
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_NEAREST);
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  }

  #makeOrder() {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    // Integers have no filter; with the usual one every place is the first example.
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    this.setOrder(new Uint32Array(0));
  }

  /** Take a layer. @param {number} layer @param {Uint8Array[]} levels it and its smaller copies
   * @param {number} count examples of it */
  setLayer(layer, levels, count) {
    const { gl, row } = this;
    gl.activeTexture(gl.TEXTURE0);
    levels.forEach((pixels, level) => {
      const side = (row * SIDE) >> level;
      gl.texSubImage3D(
        gl.TEXTURE_2D_ARRAY, level, 0, 0, layer, side, side, 1, gl.RED, gl.UNSIGNED_BYTE, pixels,
      );
    });
    this.here += count;
  }

  /** Which example is in which slot. @param {Uint32Array} order */
  setOrder(order) {
    const { gl } = this;
    const rows = Math.max(1, Math.ceil(order.length / ORDER_ROW));
    const padded = new Uint32Array(rows * ORDER_ROW);
    padded.set(order);
    gl.activeTexture(gl.TEXTURE1);
    gl.texImage2D(
      gl.TEXTURE_2D, 0, gl.R32UI, ORDER_ROW, rows, 0, gl.RED_INTEGER, gl.UNSIGNED_INT, padded,
    );
    this.count = order.length;
  }

  /** Draw what is seen. @param {import("./painter.js").Look} look */
  draw({ width, height, ratio, camera, grid, chosen, colours }) {
    const { gl } = this;
    const { canvas } = gl;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const zoom = camera.zoom * ratio;
    gl.viewport(0, 0, width, height);
    const [x, y] = [camera.x - width / 2 / zoom, camera.y - height / 2 / zoom];
    gl.uniform2i(this.#place("corner"), Math.floor(x), Math.floor(y));
    gl.uniform2f(this.#place("origin"), x - Math.floor(x), y - Math.floor(y));
    gl.uniform2f(this.#place("size"), width, height);
    gl.uniform1f(this.#place("zoom"), zoom);
    gl.uniform2i(this.#place("grid"), grid.columns, this.count);
    gl.uniform1i(this.#place("row"), this.row);
    gl.uniform1i(this.#place("chosen"), chosen);
    gl.uniform1f(this.#place("line"), FRAME * ratio);
    for (const [name, colour] of Object.entries(colours)) gl.uniform3f(this.#place(name), ...colour);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** @param {string} name */
  #place(name) {
    return this.gl.getUniformLocation(this.program, name);
  }
}

/** @param {WebGL2RenderingContext} gl */
function linked(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of /** @type {[number, string][]} */ ([
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ])) {
    const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`WebGL2 takes no shader: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}
