// @ts-check
// How many examples are shown, in words, and what those that are not there wait for.

import { byId, first, write } from "../../../page/dom.js";
import { asksNetwork } from "../state.js";
import { awaited, isAskedLater, isOnItsWay } from "./answers.js";

/** @typedef {import("../state.js").State} State */
/** @typedef {import("../train/session.js").Session} Session */

const LOADING = "Still loading: they come by themselves.";
const NONE = "None is like that.";
const NOBODY_LEARNS = "No network answers: one learns in Train.";

/** Why there is no answer to one example of a set, where there is none. @param {Session | null} session
 * @param {string[]} lacking */
export function unanswered(session, lacking) {
  if (isAskedLater(session, lacking)) return "Its answer comes when the training pauses.";
  return session && awaited(session, lacking) ? "Its answer comes by itself." : NOBODY_LEARNS;
}

export class Told {
  /** @param {import("./answers.js").Answers} answers */
  constructor(answers) {
    this.answers = answers;
    this.filtered = ""; // by what,
    /** @type {number | null} */ this.atFirst = null; // and how many there were then
  }

  /** How many there are as they are asked for: it may learn on. @param {State} state @param {Session | null} session */
  remember(state, session) {
    const filtered = JSON.stringify([state.split, state.label, state.answer, state.wrong]);
    const count = this.answers.lacking(state).length ? null : this.answers.count(state);
    if (filtered !== this.filtered || count === null || isOnItsWay(session)) this.atFirst = count;
    else this.atFirst ??= count;
    this.filtered = filtered;
  }

  /** @param {State} state @param {{length: number, seen: number}} shown how many, and how many in sight
   * @param {Session | null} session @param {string[]} lacking the sets whose answers are wanted
   * @param {import("./supply.js").Supply | null} supply */
  show(state, shown, session, lacking, supply) {
    const asks = asksNetwork(state);
    const waits = asks ? awaited(session, lacking) : "";
    const none = byId("none");
    none.hidden = shown.length > 0 || !byId("unseen").hidden;
    const why = asks && lacking.length ? NOBODY_LEARNS : supply?.isLoading ? LOADING : NONE;
    write(first(none, "span"), waits || why);
    first(none, "button").hidden = !asks || !isAskedLater(session, lacking);
    write(byId("shown"), [this.#shown(state, shown), waits, supply?.coming].filter(Boolean).join(" · "));
    write(byId("wrong-count"), this.#wrong(state));
  }

  /** @param {State} state @param {{length: number, seen: number}} shown */
  #shown(state, { length, seen }) {
    const { atFirst } = this;
    const [count, some] = [length, seen].map((number) => number.toLocaleString("en"));
    const isOther = atFirst !== null && this.answers.count(state) !== atFirst;
    const since = isOther ? `, ${atFirst.toLocaleString("en")} before: it has learned since` : "";
    const all = `${count} shown${since}`;
    return seen === length ? all : `${all}, ${some} of them in sight: “all” (or 0) shows every one`;
  }

  /** How many wrong ones there are among what else is shown. @param {State} state */
  #wrong(state) {
    const answered = [...this.answers.confusions.keys()].filter((split) => !state.split || split === state.split);
    if (!answered.length) return "";
    const count = this.answers.count({ ...state, wrong: 1 }).toLocaleString("en");
    return this.answers.lacking(state).length ? `${count} of ${answered}` : count;
  }
}
