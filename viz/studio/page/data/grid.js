// @ts-check
// Examples side by side in rows, and which part of them is seen: numbers alone, no page.

/**
 * A window onto the grid. x, y: what is in its middle, in cells; zoom: pixels of a cell; width,
 * height: in pixels.
 * @typedef {{x: number, y: number, zoom: number, width: number, height: number}} Camera
 * @typedef {{columns: number, count: number}} Grid
 */

export const NEAREST = 400; // pixels of a cell, at most
const LEAST = 0.5; // and of a whole set, at least
const READABLE = 40; // and of a cell, where a person begins to look

/** As many columns as make the grid as wide, for its height, as the window is.
 * @param {number} count @param {number} width @param {number} height @returns {Grid} */
export function gridOf(count, width, height) {
  const columns = Math.ceil(Math.sqrt((count * Math.max(1, width)) / Math.max(1, height)));
  return { columns: Math.max(1, columns), count };
}

/** @param {Grid} grid */
export const rowsOf = ({ columns, count }) => Math.max(1, Math.ceil(count / columns));

/** The pixels of a cell with which all of them are seen.
 * @param {Grid} grid @param {number} width @param {number} height */
const fitting = (grid, width, height) =>
  Math.max(LEAST, Math.min(NEAREST, width / grid.columns, height / rowsOf(grid)));

/** The camera that sees all. @param {Grid} grid @param {number} width @param {number} height
 * @returns {Camera} */
export function all(grid, width, height) {
  const zoom = fitting(grid, width, height);
  return { x: grid.columns / 2, y: rowsOf(grid) / 2, zoom, width, height };
}

/** The camera that sees the first ones, large enough to be read. @param {Grid} grid
 * @param {number} width @param {number} height @returns {Camera} */
export function opening(grid, width, height) {
  const whole = all(grid, width, height);
  if (whole.zoom >= READABLE) return whole;
  const half = READABLE * 2;
  return { ...whole, x: Math.min(whole.x, width / half), y: Math.min(whole.y, height / half), zoom: READABLE };
}

/** Of each row in sight the first slot that is seen, and the one after the last: the greater part of each.
 * @param {Camera} camera @param {Grid} grid */
function runsInSight({ x, y, zoom, width, height }, grid) {
  const { columns, count } = grid;
  const seen = (/** @type {number} */ at, /** @type {number} */ pixels, /** @type {number} */ cells) => [
    Math.max(0, Math.round(at - pixels / 2 / zoom)),
    Math.min(cells, Math.round(at + pixels / 2 / zoom)),
  ];
  const [left, right] = seen(x, width, columns);
  const [top, bottom] = seen(y, height, rowsOf(grid));
  /** @type {[number, number][]} */ const runs = [];
  for (let row = top; row < bottom; row++) {
    const end = Math.min(count, row * columns + right);
    if (row * columns + left < end) runs.push([row * columns + left, end]);
  }
  return runs;
}

/** How many slots are in sight. @param {Camera} camera @param {Grid} grid */
export const inSight = (camera, grid) => runsInSight(camera, grid).reduce((sum, [from, to]) => sum + to - from, 0);

/** The slots in sight. @param {Camera} camera @param {Grid} grid */
export const slotsInSight = (camera, grid) =>
  runsInSight(camera, grid).flatMap(([from, to]) => Array.from({ length: to - from }, (_, i) => from + i));

/** The layers that have what is in sight. @param {Camera} camera @param {Grid} grid
 * @param {Uint32Array} order which example is in which slot @param {number} row squares in a row of a layer */
export function layersSeen(camera, grid, order, row) {
  /** @type {Set<number>} */ const found = new Set();
  for (const [from, to] of runsInSight(camera, grid)) {
    for (let slot = from; slot < to; slot++) found.add(Math.floor(order[slot] / row ** 2));
  }
  return [...found];
}

/** The nearest camera that has some of the grid in its middle, and is neither too near nor too far.
 * @param {Camera} camera @param {Grid} grid @returns {Camera} */
export function kept(camera, grid) {
  const least = fitting(grid, camera.width, camera.height) / 2;
  return {
    ...camera,
    x: Math.min(Math.max(camera.x, 0), grid.columns),
    y: Math.min(Math.max(camera.y, 0), rowsOf(grid)),
    zoom: Math.min(Math.max(camera.zoom, least), NEAREST),
  };
}

/** Nearer or further, while what is at a pixel stays there; from far away the grid comes to the middle.
 * @param {Camera} camera @param {Grid} grid @param {number} factor @param {number} left
 * @param {number} top @returns {Camera} */
export function zoomed(camera, grid, factor, left, top) {
  const to = kept({ ...camera, zoom: camera.zoom * factor }, grid).zoom;
  const [x, y] = placeAt(camera, left, top);
  const there = kept({
    ...camera,
    x: x - (left - camera.width / 2) / to,
    y: y - (top - camera.height / 2) / to,
    zoom: to,
  }, grid);
  if (factor >= 1) return there;
  return {
    ...there,
    x: gathered(there.x, grid.columns, camera.width / to),
    y: gathered(there.y, rowsOf(grid), camera.height / to),
  };
}

/** A place in the middle of a window of so many cells, moved so far that the window is full where the
 * grid just fills it, and has any place in its middle where there is twice as much or more.
 * @param {number} at @param {number} cells of the grid @param {number} window */
function gathered(at, cells, window) {
  if (cells <= window) return cells / 2;
  const edge = Math.max(0, 2 - cells / window) * window / 2;
  return Math.min(Math.max(at, edge), cells - edge);
}

/** Moved by so many pixels. @param {Camera} camera @param {Grid} grid @param {number} right
 * @param {number} down @returns {Camera} */
export const moved = (camera, grid, right, down) =>
  kept({ ...camera, x: camera.x - right / camera.zoom, y: camera.y - down / camera.zoom }, grid);

/** What is at a pixel, in cells. @param {Camera} camera @param {number} left @param {number} top
 * @returns {[number, number]} */
const placeAt = ({ x, y, zoom, width, height }, left, top) => [
  x + (left - width / 2) / zoom,
  y + (top - height / 2) / zoom,
];

/** The slot of the grid at a pixel, -1 where there is none.
 * @param {Camera} camera @param {Grid} grid @param {number} left @param {number} top */
export function slotAt(camera, grid, left, top) {
  const [x, y] = placeAt(camera, left, top);
  if (x < 0 || y < 0 || x >= grid.columns) return -1;
  const slot = Math.floor(y) * grid.columns + Math.floor(x);
  return slot < grid.count ? slot : -1;
}

/** The rectangle of a slot, in pixels. @param {Camera} camera @param {Grid} grid
 * @param {number} slot */
export function rectangleOf({ x, y, zoom, width, height }, { columns }, slot) {
  const left = ((slot % columns) - x) * zoom + width / 2;
  const top = (Math.floor(slot / columns) - y) * zoom + height / 2;
  return { left, top, size: zoom };
}

/** The camera moved so far that a slot is wholly seen, and near enough to be made out.
 * @param {Camera} camera @param {Grid} grid @param {number} slot @param {number} least pixels
 * @returns {Camera} */
export function showing(camera, grid, slot, least) {
  const zoom = Math.max(camera.zoom, Math.min(least, NEAREST));
  const column = slot % grid.columns;
  const row = Math.floor(slot / grid.columns);
  const half = (/** @type {number} */ size) => Math.max(0, size / 2 / zoom - 0.5);
  const near = (/** @type {number} */ at, /** @type {number} */ cell, /** @type {number} */ room) =>
    Math.min(Math.max(at, cell + 0.5 - room), cell + 0.5 + room);
  return kept({
    ...camera,
    zoom,
    x: near(camera.x, column, half(camera.width)),
    y: near(camera.y, row, half(camera.height)),
  }, grid);
}

/** The camera with a slot in its middle, near enough to be made out.
 * @param {Camera} camera @param {Grid} grid @param {number} slot @param {number} least pixels
 * @returns {Camera} */
export const centred = (camera, grid, slot, least) =>
  kept({
    ...camera,
    zoom: Math.max(camera.zoom, least),
    x: (slot % grid.columns) + 0.5,
    y: Math.floor(slot / grid.columns) + 0.5,
  }, grid);
