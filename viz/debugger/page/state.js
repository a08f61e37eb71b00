// @ts-check
// What the page shows is a function of one state and the data. Here are both, the address that
// holds the state, and what is known at a step.

/** @typedef {"forward" | "backward"} View */
/** @typedef {number | string | null} Exact a number; "nan", "inf" or "-inf" */

/**
 * @typedef {{term: string, numbers: string, value: string}} Term
 * @typedef {{index: string, value: string, rows: Term[], rest: string | null}} Entry
 * @typedef {{
 *   id: string, label: string, name: string | null, operation: string | null, doc: string | null,
 *   args: string[], leaf: boolean, constant: boolean, formula: string | null,
 *   numbers: string | null, value: string, exact: Exact, entry: Entry | null,
 * }} GraphNode
 * @typedef {{what: string, expected: string, found: string, agrees: boolean | null, note: string}} Check
 * @typedef {{
 *   view: View, kind: "visit" | "compute" | "send" | "accumulate", node: string,
 *   to: string | null, position: number | null, from: string | null, text: string,
 *   formula: string | null, numbers: string | null, upstream: string | null,
 *   local: string | null, contribution: string | null, before: string | null,
 *   after: string | null, exact: Record<string, Exact>, check: Check | null,
 * }} Event
 * @typedef {{
 *   title: string, text: string, svg: string, nodes: GraphNode[], events: Event[],
 * }} Chapter
 * @typedef {{title: string, chapters: Chapter[]}} Page
 */

/**
 * The chapter and the step count from 1, as the address and the screen do. `node` is selected,
 * `other` is the step at which the other pass was left.
 * @typedef {{
 *   chapter: number, view: View, step: number, node: string | null, watch: string | null,
 *   playing: boolean, speed: number, said: string, other: number,
 * }} State
 */

/** @param {Chapter} chapter @param {View} view */
export const eventsOf = (chapter, view) => chapter.events.filter((event) => event.view === view);

/**
 * The nearest state that the data allows: any address, however old or odd, opens something.
 * @param {Page} page @param {State} state @returns {State}
 */
export function settle(page, state) {
  const within = (/** @type {number} */ number, /** @type {number} */ most) =>
    Math.min(Math.max(1, Math.trunc(number) || 1), Math.max(1, most));
  const chapter = within(state.chapter, page.chapters.length);
  const shown = page.chapters[chapter - 1];
  const known = (/** @type {string | null} */ id) =>
    shown.nodes.some((node) => node.id === id) ? id : null;
  const view = eventsOf(shown, state.view).length ? state.view : "forward";
  const step = within(state.step, eventsOf(shown, view).length);
  return { ...state, chapter, view, step, node: known(state.node), watch: known(state.watch) };
}

/** @param {string} hash @returns {Partial<State>} */
export function fromAddress(hash) {
  const said = new URLSearchParams(hash.slice(1));
  return {
    chapter: Number(said.get("chapter")),
    view: said.get("view") === "backward" ? "backward" : "forward",
    step: Number(said.get("step")),
    node: said.get("node"),
    watch: said.get("watch"),
  };
}

/** @param {State} state */
export function toAddress({ chapter, view, step, node, watch }) {
  const said = new URLSearchParams({ chapter: String(chapter), view, step: String(step) });
  if (node) said.set("node", node);
  if (watch) said.set("watch", watch);
  return `#${said}`;
}

/** @param {Event} event @param {string | null} id */
export const touches = (event, id) =>
  id != null && [event.node, event.to, event.from].includes(id);

/** Who sends, or does something alone, and who receives. @param {Event} event */
export const parties = (event) =>
  event.kind === "accumulate" ? [event.from, event.node] : [event.node, event.to];

/** @param {Event} event */
export const differs = (event) => event.check != null && event.check.agrees === false;

/**
 * The next step (direction 1) or the last one before (-1) whose event passes; null without one.
 * @param {Event[]} events @param {number} step @param {1 | -1} direction
 * @param {(event: Event) => boolean} passes
 */
export function find(events, step, direction, passes) {
  for (let i = step - 1 + direction; i >= 0 && i < events.length; i += direction) {
    if (passes(events[i])) return i + 1;
  }
  return null;
}

/**
 * @typedef {{
 *   computed: Set<string>, wrong: Set<string>, complete: Set<string>,
 *   gradients: Map<string, {text: string | null, exact: Exact}>,
 * }} Known
 */

/**
 * What the first `step` events have told: worked out anew each time, so that a step back needs
 * nothing undone.
 * @param {Event[]} events @param {number} step @returns {Known}
 */
export function knownAt(events, step) {
  /** @type {Known} */
  const known = {
    computed: new Set(),
    wrong: new Set(),
    complete: new Set(),
    gradients: new Map(),
  };
  for (const event of events.slice(0, step)) {
    if (differs(event)) known.wrong.add(event.node);
    if (event.view === "forward") known.computed.add(event.node);
    else if (event.kind === "visit") known.complete.add(event.node);
    else if (event.kind === "accumulate") {
      known.gradients.set(event.node, { text: event.after, exact: event.exact?.after ?? null });
    }
  }
  return known;
}
