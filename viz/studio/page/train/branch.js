// @ts-check
// A training as it went, in the worker: where it stood from time to time, and what it was set to
// when. From the place before a step on, the same is learned again, to the bit: what a step draws is
// decided by its seed and its number. A fork is another such training, which begins where one stood.

/** @typedef {import("./settings.js").Change} Change */
/** @typedef {import("./settings.js").Live} Live */
/** @typedef {import("./training.js").Place} Place */

const EVERY = 50; // steps between two places, at first
export const ROOM = 64e6; // bytes of all places; above that every other one is left out

export class Branch {
  /** @param {number} number by which it is called @param {Place} place where it begins
   * @param {Live} live what it is set to there @param {Change[]} [past] what was set before, of a fork */
  constructor(number, place, live, past = []) {
    this.number = number;
    this.every = EVERY;
    this.places = [place];
    this.sane = place; // the last one whose loss was sane: where a divergence goes back to,
    /** @type {Set<number>} */ this.wild = new Set(); // the steps of those where it was not,
    this.begun = -Infinity; // and the loss where it began
    this.past = past;
    this.changes = [{ step: place.step, live }];
  }

  /** All that is set, from the beginning on. */
  get way() {
    return [...this.past, ...this.changes];
  }

  /** Bytes of its places. */
  get bytes() {
    return this.places.length * bytesOf(this.places[0]);
  }

  /** Keep a place, where the last one is far enough behind. @param {Place} place
   * @returns whether that was so */
  keep(place) {
    const isFar = place.step - this.places[this.places.length - 1].step >= this.every;
    if (isFar) this.places.push(place);
    return isFar;
  }

  /** Told the loss of the network at a place: that is sane where it is not above what it was where
   * this began, or what guessing has. @param {Place} place @param {number} loss of its next batch
   * @param {number} guess */
  judge(place, loss, guess) {
    if (place.step === this.places[0].step) this.begun = loss;
    const isSane = loss <= Math.max(this.begun, guess);
    if (isSane) this.sane = place;
    this.wild[isSane ? "delete" : "add"](place.step);
  }

  /** The last place that is not beyond a step. @param {number} step */
  before(step) {
    return this.places.findLast((place) => place.step <= step) ?? this.places[0];
  }

  /** What is set at a step. @param {number} step */
  liveAt(step) {
    return (this.changes.findLast((change) => change.step <= step) ?? this.changes[0]).live;
  }

  /** The step after which something else is set. @param {number} step */
  changeAfter(step) {
    return this.changes.find((change) => change.step > step)?.step ?? Infinity;
  }

  /** Something else is set from a step on: what came after it did not happen.
   * @param {number} step @param {Live} live */
  change(step, live) {
    this.cut(step);
    this.changes = [...this.changes.filter((change) => change.step < step), { step, live }];
  }

  /** What came after a step did not happen. @param {number} step */
  cut(step) {
    const [first, ...rest] = this.places;
    this.places = [first, ...rest.filter((place) => place.step <= step)];
    const [begun, ...later] = this.changes;
    this.changes = [begun, ...later.filter((change) => change.step <= step)];
    if (this.sane.step <= step) return;
    this.sane = this.places.findLast((place) => !this.wild.has(place.step)) ?? first;
  }

  /** Leave out every other place, but never the first. */
  thin() {
    this.every *= 2;
    const [first, ...rest] = this.places;
    this.places = [first];
    for (const place of rest) this.keep(place);
  }
}

/** Bytes of the states of a place. @param {Place} place */
export const bytesOf = ({ states }) =>
  [...states.values()].reduce((sum, { data }) => sum + data.byteLength, 0);

/** Make room: thin the branch that has the most places, until all are few enough.
 * @param {Branch[]} branches @param {number} [room] */
export function thinned(branches, room = ROOM) {
  while (branches.reduce((sum, { bytes }) => sum + bytes, 0) > room) {
    const most = branches.reduce((a, b) => (b.places.length > a.places.length ? b : a));
    if (most.places.length === 1) return; // where they begin is needed
    most.thin();
  }
}
