// @ts-check
// A page is a function of one state: `set` changes it, `show` draws all that depends on it, and the
// address holds it, so that a link opens what its sender saw.

/**
 * What a page is made of.
 * @template {object} State
 * @typedef {{
 *   settle: (state: State) => State,
 *   show: (state: State) => void,
 *   fromAddress: (hash: string) => Partial<State>,
 *   toAddress: (state: State) => string,
 * }} Parts `settle` gives the nearest state that the data allow: every address opens something
 */

/** @template {object} State */
export class Store {
  /** @param {State} start @param {Parts<State>} parts */
  constructor(start, parts) {
    this.state = start;
    this.parts = parts;
    /** @type {ReturnType<typeof setTimeout> | undefined} */ this.writing = undefined;
  }

  /** Change some of the state, and draw it. @param {Partial<State>} change */
  set(change) {
    this.state = this.parts.settle({ ...this.state, ...change });
    this.parts.show(this.state);
    this.remember();
  }

  /** Open what the address says, now and whenever a person or a link changes it. */
  follow() {
    const open = () => this.set(this.parts.fromAddress(location.hash));
    addEventListener("hashchange", open);
    open();
  }

  /** The state goes into the address, a moment later: browsers limit how often that may change. */
  remember() {
    clearTimeout(this.writing);
    const at = location.hash;
    this.writing = setTimeout(() => {
      if (location.hash === at) this.write(); // else a person went back meanwhile: this is another entry
    }, 200);
  }

  /** The state goes into the address now, before the page leaves it. */
  write() {
    clearTimeout(this.writing);
    if (location.protocol === "about:") return; // a notebook's frame has no address of its own
    history.replaceState(history.state, "", this.parts.toAddress(this.state));
  }
}
