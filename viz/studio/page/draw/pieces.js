// @ts-check
// Which pieces of ink make the digit, and which are dirt, as models/mnist/reading/pieces.py and
// groups.py have it: for clean ink on bare paper, where no stroke reaches the paper's edge.

/** @typedef {import("./grey.js").Grey} Grey */
/** @typedef {{top: number, left: number, bottom: number, right: number}} Box the last two are outside */
/** Connected ink. mass: the sum of it. @typedef {Box & {mass: number}} Piece */
/** labels: of each pixel the number of its piece, -1 on paper. @typedef {{labels: Int32Array, pieces: Piece[]}} Found */

const FIRST = 0.15; // of the strongest ink: what is fainter is paper at a first look,
const THEN = 0.125; // and then
const LOOKS = 3;
// As groups.py has them, and says what they are.
const PART = 0.5;
const NEAR = 0.25;
const SMALL = 0.04;
const FLAT = 5;
const TRACE = 0.03;

/** The digit: the ink without dirt, and the box around its pieces; null where all is too small, or
 * flat. @param {Grey} grey @param {number} paper its shorter side, in pixels
 * @returns {{grey: Grey, box: Box} | null} */
export function digitIn(grey, paper) {
  const ink = grey.ink.slice();
  const cleaned = { ...grey, ink };
  let least = Math.fround(FIRST * most(ink, () => true));
  for (let look = 1;; look++) {
    const { labels, pieces } = piecesOf(cleaned, least);
    const wanted = wantedOf(pieces, paper);
    if (!wanted.size) return null;
    const isDigit = pieces.map((piece) => wanted.has(piece));
    for (let i = 0; i < ink.length; i++) if (labels[i] >= 0 && !isDigit[labels[i]]) ink[i] = 0;
    if (look === LOOKS) return { grey: cleaned, box: around([...wanted]) };
    least = Math.fround(THEN * most(ink, (i) => labels[i] >= 0));
  }
}

/** @param {Float32Array} ink @param {(i: number) => boolean} which */
function most(ink, which) {
  let found = 0;
  for (let i = 0; i < ink.length; i++) if (ink[i] > found && which(i)) found = ink[i];
  return found;
}

/** Those of a digit: the large ones, and what is close to them and more than a trace.
 * @param {Piece[]} pieces @param {number} paper @returns {Set<Piece>} */
function wantedOf(pieces, paper) {
  const upright = pieces.filter((piece) =>
    piece.right - piece.left <= FLAT * (piece.bottom - piece.top) && sizeOf(piece) >= SMALL * paper
  );
  const size = Math.max(...upright.map(sizeOf));
  const heads = upright.filter((piece) => sizeOf(piece) >= PART * size);
  const trace = TRACE * Math.max(...pieces.map(({ mass }) => mass));
  const parts = pieces.filter((piece) =>
    sizeOf(piece) < PART * size && piece.mass >= trace && heads.some((head) => gap(head, piece) <= NEAR * size)
  );
  return new Set([...heads, ...parts]);
}

/** The longer side. @param {Box} box */
const sizeOf = ({ top, left, bottom, right }) => Math.max(bottom - top, right - left);

/** How far one is from another, in pixels. @param {Box} one @param {Box} other */
const gap = (one, other) => Math.hypot(
  Math.max(0, one.top - other.bottom, other.top - one.bottom),
  Math.max(0, one.left - other.right, other.left - one.right),
);

/** @param {Box[]} boxes @returns {Box} */
const around = (boxes) => ({
  top: Math.min(...boxes.map(({ top }) => top)),
  left: Math.min(...boxes.map(({ left }) => left)),
  bottom: Math.max(...boxes.map(({ bottom }) => bottom)),
  right: Math.max(...boxes.map(({ right }) => right)),
});

/** The pieces of the ink that is stronger than `least`; pixels that touch at a corner are connected.
 * @param {Grey} grey @param {number} least @returns {Found} */
function piecesOf({ height, width, ink }, least) {
  const labels = new Int32Array(ink.length).fill(-1);
  const open = new Int32Array(ink.length); // pixels whose neighbours are still to be looked at
  /** @type {Piece[]} */ const pieces = [];
  for (let start = 0; start < ink.length; start++) {
    if (labels[start] >= 0 || !(ink[start] > least)) continue;
    const piece = { top: height, left: width, bottom: 0, right: 0, mass: 0 };
    labels[start] = pieces.length;
    open[0] = start;
    for (let count = 1; count > 0;) {
      const at = open[--count];
      const [y, x] = [Math.trunc(at / width), at % width];
      piece.mass += ink[at];
      piece.top = Math.min(piece.top, y);
      piece.left = Math.min(piece.left, x);
      piece.bottom = Math.max(piece.bottom, y + 1);
      piece.right = Math.max(piece.right, x + 1);
      for (let down = Math.max(0, y - 1); down <= Math.min(height - 1, y + 1); down++) {
        for (let right = Math.max(0, x - 1); right <= Math.min(width - 1, x + 1); right++) {
          const next = down * width + right;
          if (labels[next] >= 0 || !(ink[next] > least)) continue;
          labels[next] = pieces.length;
          open[count++] = next;
        }
      }
    }
    pieces.push(piece);
  }
  return { labels, pieces };
}
