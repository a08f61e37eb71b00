// @ts-check
// The page is a function of one state and the data. Here are the types of both, the address that
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
 * }} Trace
 * @typedef {{title: string, traces: Trace[]}} Page
 */

/**
 * `trace` and `step` count from 1, as the address and the screen do. `node` is selected; `other` is
 * the step at which the other pass was left.
 * @typedef {{
 *   trace: number, view: View, step: number, node: string | null, watch: string | null,
 *   playing: boolean, speed: number, message: string, other: number,
 * }} State
 */

/** @param {Trace} trace @param {View} view */
export const eventsOf = (trace, view) => trace.events.filter((event) => event.view === view);

/**
 * The nearest state that the data allows: every address, even a wrong one, opens something.
 * @param {Page} page @param {State} state @returns {State}
 */
export function settle(page, state) {
  const within = (/** @type {number} */ number, /** @type {number} */ most) =>
    Math.min(Math.max(1, Math.trunc(number) || 1), Math.max(1, most));
  const trace = within(state.trace, page.traces.length);
  const shown = page.traces[trace - 1];
  const known = (/** @type {string | null} */ id) =>
    shown.nodes.some((node) => node.id === id) ? id : null;
  const view = eventsOf(shown, state.view).length ? state.view : "forward";
  const step = within(state.step, eventsOf(shown, view).length);
  return { ...state, trace, view, step, node: known(state.node), watch: known(state.watch) };
}

/** @param {string} hash @returns {Partial<State>} */
export function fromAddress(hash) {
  const values = new URLSearchParams(hash.slice(1));
  return {
    trace: Number(values.get("trace")),
    view: values.get("view") === "backward" ? "backward" : "forward",
    step: Number(values.get("step")),
    node: values.get("node"),
    watch: values.get("watch"),
    playing: false,
    message: "",
  };
}

/** @param {State} state */
export function toAddress({ trace, view, step, node, watch }) {
  const values = new URLSearchParams({ trace: String(trace), view, step: String(step) });
  if (node) values.set("node", node);
  if (watch) values.set("watch", watch);
  return `#${values}`;
}

/** @param {Event} event @param {string | null} id */
export const touches = (event, id) =>
  id != null && [event.node, event.to, event.from].includes(id);

/** The node that sends, or acts alone, and the node that receives. @param {Event} event */
export const parties = (event) =>
  event.kind === "accumulate" ? [event.from, event.node] : [event.node, event.to];

/** @param {Event} event */
export const differs = (event) => event.check != null && event.check.agrees === false;

/**
 * The next step (direction 1) or the previous one (-1) whose event passes; null if there is none.
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
 * What is known after the first `step` events: computed anew each time, so that a step back has
 * nothing to undo.
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
