// @ts-check
// The worker that draws the examples: it has the canvas, and draws what the page told it last. The
// page itself never waits for the graphics, which at times take a tenth of a second to answer.

import { Atlas } from "./atlas.js";

/** @typedef {import("./reader.js").Layer} Layer */

/**
 * What is seen. width, height: of the canvas, in the screen's pixels, of which CSS's have `ratio`.
 * order: which example is in which slot, where that is another than before. layers: those that are
 * taken first.
 * @typedef {{
 *   width: number, height: number, ratio: number, camera: import("./grid.js").Camera,
 *   grid: import("./grid.js").Grid, chosen: number, colours: import("./atlas.js").Colours,
 *   order: Uint32Array | null, layers: number[],
 * }} Look
 * @typedef {{kind: "begin", canvas: OffscreenCanvas, total: number, row: number}
 *   | {kind: "look", look: Look} | {kind: "layer", layer: Layer}} Order
 * @typedef {{kind: "drawn", done: number} | {kind: "undrawable", message: string}
 *   | {kind: "lost"} | {kind: "restored"}} Said `done`: how many examples the pictures are here of
 */

const SLOW = 22; // milliseconds that a frame is waited for: more than one of the screen's
const REST = 150; // milliseconds after which it no longer moves

const post = (/** @type {Said} */ said) =>
  /** @type {{postMessage: (said: Said) => void}} */ (/** @type {unknown} */ (self)).postMessage(said);

/** @type {Atlas | null} */ let atlas = null;
/** @type {Look | null} */ let seen = null;
/** @type {Layer[]} */ let waiting = []; // to be taken
let frame = 0;
let drawn = -Infinity; // when it was last
let asked = 0; // when a frame was,
let wait = 0; // and the milliseconds until it comes, while the picture moves
let isSlow = false; // then it moves with fewer pixels
/** @type {ReturnType<typeof setTimeout> | undefined} */ let resting;

self.onmessage = ({ data }) => {
  const order = /** @type {Order} */ (data);
  if (order.kind === "begin") begin(order);
  if (order.kind === "layer") waiting.push(order.layer);
  if (order.kind === "look") seen = { ...order.look, order: order.look.order ?? seen?.order ?? null };
  soon();
};

/** Draw in the next frame. */
function soon() {
  if (frame) return;
  asked = performance.now();
  frame = requestAnimationFrame(draw);
}

/** @param {Extract<Order, {kind: "begin"}>} order */
function begin({ canvas, total, row }) {
  const make = () => {
    try {
      atlas = new Atlas(canvas, total, row);
    } catch (error) {
      post({ kind: "undrawable", message: error instanceof Error ? error.message : String(error) });
    }
  };
  canvas.addEventListener("webglcontextlost", (event) => {
    event.preventDefault(); // so that it comes back
    atlas = null;
    waiting = [];
    post({ kind: "lost" });
  });
  canvas.addEventListener("webglcontextrestored", () => {
    make();
    post({ kind: "restored" });
  });
  make();
}

/** Take one layer, so that each frame is short, of those in sight where there are some, and draw. */
function draw() {
  frame = 0;
  if (!atlas || !seen) return;
  const { layers } = seen;
  const at = waiting.findIndex(({ layer }) => layers.includes(layer));
  const [layer] = waiting.splice(Math.max(0, at), 1);
  if (layer) atlas.setLayer(layer.layer, layer.levels, layer.count);
  if (seen.order) atlas.setOrder(seen.order);
  seen.order = null;
  atlas.draw(isMoving() && isSlow ? coarse(seen) : seen);
  if (waiting.length) soon();
  post({ kind: "drawn", done: atlas.here });
}

/** Whether the picture changes from frame to frame. Where a frame is slow to come, that is
 * remembered; at rest it is drawn once more. */
function isMoving() {
  const now = performance.now();
  const moves = now - drawn < REST && !waiting.length;
  drawn = now;
  if (moves) wait += (now - asked - wait) / 4;
  isSlow ||= wait > SLOW;
  clearTimeout(resting);
  if (moves && isSlow) resting = setTimeout(soon, REST);
  return moves;
}

/** With a quarter of the pixels. @param {Look} look @returns {Look} */
const coarse = (look) => ({
  ...look, width: Math.ceil(look.width / 2), height: Math.ceil(look.height / 2), ratio: look.ratio / 2,
});
