// @ts-check
// What the page asks the worker that trains, and who is told the answers.

/** @typedef {import("./asked.js").Question} Question */
/** @typedef {import("./orders.js").Order} Order */
/** @typedef {import("./orders.js").Said} Said */
/** @typedef {import("./orders.js").Sought} Sought */
/** @typedef {Extract<Said, {kind: "saved"}>} Saved */
/** @typedef {Extract<Said, {kind: "found"}>} Found */
/** @typedef {Extract<Said, {kind: "raced"}>} Raced */
/** An answer, of a step. @typedef {Extract<Said, {kind: "answer"}>} Answered */

export class Questions {
  /** @param {(order: Order) => void} order of the worker */
  constructor(order) {
    this.order = order;
    this.asked = 0; // so many,
    /** @type {(answer: Answered) => void} */ this.answered = () => {}; // and who is told the last one's answer
    this.searches = 0;
    /** The last of each kind. @type {Map<Sought["of"], {id: number, told: (found: Found) => void}>} */
    this.seekers = new Map();
    /** @type {((saved: Saved) => void)[]} */ this.waiting = [];
    /** @type {((raced: Raced) => void)[]} */ this.racers = [];
  }

  /** @param {Saved | Found | Raced | Answered} said */
  take(said) {
    if (said.kind === "raced") this.racers.shift()?.(said);
    if (said.kind === "saved") this.waiting.shift()?.(said);
    if (said.kind === "answer" && said.id === this.asked) this.answered(said);
    const seeker = said.kind === "found" ? this.seekers.get(said.of) : undefined;
    if (said.kind === "found" && seeker?.id === said.id) seeker.told(said);
  }

  /** Ask what the network makes of an image, and be told now and while it learns, until something else
   * or (null) nothing is asked. Gives the number of the question.
   * @param {Omit<Question, "id"> | null} question @param {(answer: Answered) => void} [answered] */
  ask(question, answered = () => {}) {
    this.asked += 1;
    this.answered = answered;
    this.order({ kind: "ask", question: question && { ...question, id: this.asked } });
    return this.asked;
  }

  /** Search for something of an image, and tell it once it is found; never, where the same is searched for
   * another one meanwhile.
   * @param {Sought} sought @param {(found: Found) => void} told */
  search(sought, told) {
    this.searches += 1;
    this.seekers.set(sought.of, { id: this.searches, told });
    this.order({ kind: "search", search: { ...sought, id: this.searches } });
  }

  /** A lap of a race; nothing where it was ended. @param {import("./orders.js").Lap} lap
   * @returns {Promise<Raced>} */
  lap(lap) {
    return new Promise((done) => {
      this.racers.push(done);
      this.order({ kind: "race", lap });
    });
  }

  /** The weights, as the worker has them now. @returns {Promise<Saved>} */
  saved() {
    return new Promise((done) => {
      this.waiting.push(done);
      this.order({ kind: "save" });
    });
  }
}
