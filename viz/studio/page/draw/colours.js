// @ts-check
// Numbers as pixels of a canvas, in the page's colours, light or dark.

const dark = matchMedia("(prefers-color-scheme: dark)");
/** @type {Map<string, (share: number) => number>} */ const mixes = new Map();

/** Greys from 0, the page's paper, to `scale`, its ink. @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} greys none: paper @param {number} scale */
export function showGreys(canvas, greys, scale) {
  const mix = mixOf(canvas, "--ink");
  const colours = Uint32Array.from({ length: scale + 1 }, (_, level) => mix(level / scale));
  fill(canvas, (i) => colours[greys[i] ?? 0]);
}

/** What speaks for something in one colour, what speaks against it in another; 0 is paper.
 * @param {HTMLCanvasElement} canvas @param {ArrayLike<number>} numbers none: paper */
export function showSigned(canvas, numbers) {
  let most = 0;
  for (let i = 0; i < numbers.length; i++) most = Math.max(most, Math.abs(numbers[i]));
  const [pro, contra] = [mixOf(canvas, "--mark"), mixOf(canvas, "--against")];
  fill(canvas, (i) => {
    const share = most ? (numbers[i] ?? 0) / most : 0;
    return share < 0 ? contra(-share) : pro(share);
  });
}

/** @param {HTMLCanvasElement} canvas @param {(i: number) => number} colour of each pixel */
function fill(canvas, colour) {
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = colour(i);
  context.putImageData(image, 0, 0);
}

/** From paper, at 0, to a colour, at 1: a pixel's four bytes as a number. Each is read once: to ask for a
 * style while the page changes makes the browser lay it out at once.
 * @param {HTMLCanvasElement} canvas @param {string} name of the colour's property */
function mixOf(canvas, name) {
  const key = `${name} ${dark.matches}`;
  const known = mixes.get(key);
  if (known) return known;
  const style = getComputedStyle(canvas);
  const read = (/** @type {string} */ property) => style.getPropertyValue(property).trim().split(" ").map(Number);
  const [paper, full] = [read("--paper"), read(name)];
  const mix = (/** @type {number} */ share) => {
    const [red, green, blue] = paper.map((from, c) => Math.round(from + (full[c] - from) * share));
    return (255 << 24) | (blue << 16) | (green << 8) | red;
  };
  mixes.set(key, mix);
  return mix;
}
