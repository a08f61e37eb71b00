// @ts-check
// A window onto the drawing of the network: numbers alone, no page.

/** @typedef {import("./layout.js").Rectangle} Rectangle */

/** What is in the middle of a window of so many pixels, and how many pixels a unit has.
 * @typedef {{x: number, y: number, zoom: number, width: number, height: number}} Camera */

const NEAREST = 12; // zoom at most

/** The camera that sees all. @param {Rectangle} box @param {number} width @param {number} height
 * @returns {Camera} */
export function whole(box, width, height) {
  const zoom = Math.min(width / box.width, height / box.height);
  return { x: box.left + box.width / 2, y: box.top + box.height / 2, zoom, width, height };
}

/** The nearest camera that has some of the box in its middle, and is neither too near nor too far.
 * @param {Camera} camera @param {Rectangle} box @returns {Camera} */
export function kept(camera, box) {
  const least = whole(box, camera.width, camera.height).zoom / 2;
  return {
    ...camera,
    x: Math.min(Math.max(camera.x, box.left), box.left + box.width),
    y: Math.min(Math.max(camera.y, box.top), box.top + box.height),
    zoom: Math.min(Math.max(camera.zoom, least), Math.max(NEAREST, least)),
  };
}

/** What is at a pixel of the window. @param {Camera} camera @param {number} left @param {number} top
 * @returns {[number, number]} */
export const placeAt = ({ x, y, zoom, width, height }, left, top) =>
  [x + (left - width / 2) / zoom, y + (top - height / 2) / zoom];

/** Where a place is in the window. @param {Camera} camera @param {number} x @param {number} y
 * @returns {[number, number]} in pixels */
export const pixelOf = (camera, x, y) =>
  [(x - camera.x) * camera.zoom + camera.width / 2, (y - camera.y) * camera.zoom + camera.height / 2];

/** Nearer or further, while what is at a pixel stays there. @param {Camera} camera
 * @param {Rectangle} box @param {number} factor @param {number} left @param {number} top
 * @returns {Camera} */
export function zoomed(camera, box, factor, left, top) {
  const { zoom } = kept({ ...camera, zoom: camera.zoom * factor }, box);
  const [x, y] = placeAt(camera, left, top);
  const [right, down] = [left - camera.width / 2, top - camera.height / 2];
  return kept({ ...camera, x: x - right / zoom, y: y - down / zoom, zoom }, box);
}

/** Moved by so many pixels. @param {Camera} camera @param {Rectangle} box @param {number} right
 * @param {number} down @returns {Camera} */
export const moved = (camera, box, right, down) =>
  kept({ ...camera, x: camera.x - right / camera.zoom, y: camera.y - down / camera.zoom }, box);

/** Moved so far that a place is wholly seen. @param {Camera} camera @param {Rectangle} place
 * @returns {Camera} */
export function showing(camera, { left, top, width, height }) {
  const { x, y, zoom } = camera;
  return { ...camera, x: near(x, left, width, camera.width / zoom), y: near(y, top, height, camera.height / zoom) };
}

/** The middle of a window that is so wide, moved so far that what begins at a place and has a size is in it.
 * @param {number} middle @param {number} from @param {number} size @param {number} wide */
function near(middle, from, size, wide) {
  const room = Math.max(size / 2, wide / 2 - size);
  return Math.min(Math.max(middle, from + size - room), from + room);
}
