// @ts-check
// Mouse, pen and fingers on a canvas, as what they mean: moved, zoomed, hovered, clicked.

/**
 * Places are in pixels from the canvas's corner at the top left. `hover` gets nulls when the pointer
 * leaves, `click` the kind of the pointer.
 * @typedef {{
 *   move: (right: number, down: number) => void,
 *   zoom: (factor: number, left: number, top: number) => void,
 *   hover: (left: number | null, top: number | null) => void,
 *   click: (left: number, top: number, by: string) => void,
 * }} Meanings
 */

const SLOP = 5; // pixels that a click may wander
const WHEEL = 0.0015; // how much a pixel of the wheel zooms
const LINE = 16; // pixels of a line of the wheel

/** @param {HTMLElement} canvas @param {Meanings} meanings @param {(event: PointerEvent | WheelEvent) => boolean}
 * [isMeant] so: a pointer that goes down, and a wheel; others are for somebody else */
export function follow(canvas, meanings, isMeant = ({ button }) => button === 0) {
  const pointers = new Map();
  let wandered = 0;

  const place = (/** @type {MouseEvent} */ event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return { left: event.clientX - left, top: event.clientY - top };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (!isMeant(event)) return;
    canvas.setPointerCapture(event.pointerId);
    if (!pointers.size) wandered = 0;
    pointers.set(event.pointerId, place(event));
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = place(event);
    const was = pointers.get(event.pointerId);
    if (!was) return meanings.hover(now.left, now.top);
    const before = spread(pointers);
    pointers.set(event.pointerId, now);
    const after = spread(pointers);
    wandered += Math.hypot(now.left - was.left, now.top - was.top);
    if (wandered <= SLOP) return;
    meanings.hover(null, null);
    meanings.move(after.left - before.left, after.top - before.top);
    if (before.apart && after.apart) {
      meanings.zoom(after.apart / before.apart, after.left, after.top);
    }
  });

  const end = (/** @type {PointerEvent} */ event) => {
    const was = pointers.get(event.pointerId);
    if (!pointers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && !pointers.size && wandered <= SLOP) {
      meanings.click(was.left, was.top, event.pointerType);
    }
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => meanings.hover(null, null));

  canvas.addEventListener("wheel", (event) => {
    if (!isMeant(event)) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode ? LINE : 1);
    const { left, top } = place(event);
    meanings.zoom(Math.exp(-WHEEL * pixels), left, top);
  }, { passive: false });
}

/** The middle of the pointers, and how far two of them are apart.
 * @param {Map<number, {left: number, top: number}>} pointers */
function spread(pointers) {
  const places = [...pointers.values()];
  const sum = (/** @type {"left" | "top"} */ side) =>
    places.reduce((total, place) => total + place[side], 0) / places.length;
  const [one, two] = places;
  const apart = two ? Math.hypot(one.left - two.left, one.top - two.top) : 0;
  return { left: sum("left"), top: sum("top"), apart };
}
