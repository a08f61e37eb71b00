// @ts-check
// The debugger's page: one state, `set` to change it, `render` to show it, and what keys and
// buttons do to it.

import { byId, element, unpacked } from "./dom.js";
import { Graph } from "./graph.js";
import { buildContents, buildTable, showEvent, showLesson, showNodes } from "./panels.js";
import { showSelected, showWatched } from "./panels.js";
import { differs, eventsOf, find, knownAt, settle, touches } from "./state.js";
import { fromAddress, toAddress } from "./state.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Event} Event */
/** @typedef {import("./state.js").View} View */

/** @type {import("./state.js").Page} */
const page = await unpacked(byId("data").textContent);
const graph = new Graph(byId("canvas"), (id) => set({ node: id }));

/** @type {State} */
const START = {
  trace: 1,
  view: "forward",
  step: 1,
  node: null,
  watch: null,
  playing: false,
  speed: 1,
  message: "",
  other: 1,
};
const PAN = 60; // pixels that a key moves the picture by
let state = START;
let shown = 0; // the trace whose picture and table are on the page
let marked = ""; // trace, view and node of the marks above the scrubber
let clock = 0;
let writing = 0;

/** @param {Partial<State>} change */
function set(change) {
  state = settle(page, { ...state, message: "", ...change });
  render();
}

const trace = () => page.traces[state.trace - 1];
const events = () => eventsOf(trace(), state.view);

function render() {
  const [list, { nodes }] = [events(), trace()];
  if (shown !== state.trace) {
    shown = state.trace;
    graph.show(trace());
    buildTable(nodes);
    showLesson(page, shown);
  }
  const event = list[state.step - 1];
  const known = knownAt(list, state.step);
  graph.render(state, event, known);
  showEvent(state, event, nodes, known);
  showNodes(state, event, nodes, known);
  showSelected(state, nodes, known);
  showWatched(state, nodes, known);
  showControls(list, event);
  showMarks(list);
  remember();
  clearTimeout(clock);
  if (state.playing) clock = setTimeout(tick, 1000 / state.speed);
}

/** @param {Event[]} list @param {Event | undefined} event */
function showControls(list, event) {
  const where = `${Math.min(state.step, list.length)} of ${list.length}`;
  byId("count").textContent = `Step ${where}`;
  byId("play").textContent = state.playing ? "Pause" : "Play";
  byId("message").textContent = state.message;
  const scrub = byId("scrub");
  scrub.max = Math.max(1, list.length);
  scrub.value = state.step;
  scrub.setAttribute("aria-valuetext", `${where}: ${event?.text ?? ""}`);
  for (const view of /** @type {View[]} */ (["forward", "backward"])) {
    const button = document.querySelector(`[data-do=${view}]`);
    button?.setAttribute("aria-pressed", String(state.view === view));
    button?.toggleAttribute("disabled", !eventsOf(trace(), view).length);
  }
  const count = problems().length;
  byId("problems").hidden = !count;
  const what = count === 1 ? "check differs" : "checks differ";
  byId("problems").textContent = `\u2717 ${count} ${what}`;
}

/** Mark above the scrubber where checks differ and where something happens to the watched node.
 * @param {Event[]} list */
function showMarks(list) {
  const of = `${state.trace} ${state.view} ${state.watch}`;
  if (marked === of) return;
  marked = of;
  byId("marks").replaceChildren();
  list.forEach((event, i) => {
    const kind = differs(event) ? "wrong" : touches(event, state.watch) ? "watched" : "";
    if (!kind) return;
    const mark = element("span", { class: kind });
    mark.style.left = `${(100 * i) / Math.max(1, list.length - 1)}%`;
    byId("marks").append(mark);
  });
}

/** The state goes into the address, a moment later: browsers limit how often that may change. */
function remember() {
  if (location.protocol === "about:") return; // a notebook's frame has no address of its own
  clearTimeout(writing);
  writing = setTimeout(() => history.replaceState(null, "", toAddress(state)), 200);
}

// --- what one can do ---

function tick() {
  const step = state.step + 1;
  set({ step, playing: step < events().length });
}

/** @param {number | null} step */
function go(step) {
  if (step != null) set({ step, playing: false });
}

/** @param {View} view */
function to(view) {
  if (view !== state.view) set({ view, step: state.other, other: state.step, playing: false });
}

/** @param {number} number */
function open(number) {
  const { speed } = state;
  if (page.traces[number - 1]) set({ ...START, speed, trace: number });
}

/** Every check of the trace that differs. @returns {{view: View, step: number}[]} */
function problems() {
  return /** @type {View[]} */ (["forward", "backward"]).flatMap((view) =>
    eventsOf(trace(), view).flatMap((event, i) => (differs(event) ? { view, step: i + 1 } : [])),
  );
}

function nextProblem() {
  const all = problems();
  const later = all.find(({ view, step }) =>
    view === state.view ? step > state.step : state.view === "forward",
  );
  if (all.length) set({ ...(later ?? all[0]), playing: false });
}

function run() {
  const node = trace().nodes.find((each) => each.id === state.node);
  if (!node) return set({ message: "Select a node first, in the table or in the picture." });
  const step = find(events(), state.step, 1, (event) => touches(event, node.id));
  if (step == null) return set({ message: `Nothing more happens to ${node.label} in this pass.` });
  go(step);
}

function watch() {
  if (!state.node) return set({ message: "Select a node first, in the table or in the picture." });
  set({ watch: state.watch === state.node ? null : state.node });
}

/** @param {1 | -1} direction */
function toWatched(direction) {
  if (!state.watch) return set({ message: "Watch a node first: select it, and press w." });
  const step = find(events(), state.step, direction, (event) => touches(event, state.watch));
  if (step == null) return set({ message: "Nothing more happens to it that way in this pass." });
  go(step);
}

function play() {
  const over = state.step >= events().length;
  set({ playing: !state.playing, step: over && !state.playing ? 1 : state.step });
}

/** Select the node above or below in the table. @param {HTMLElement} row @param {number} by */
function choose(row, by) {
  const { nodes } = trace();
  const node = nodes[nodes.findIndex((each) => each.id === row.dataset.node) + by];
  if (!node) return;
  set({ node: node.id });
  byId("table").querySelector(`[data-choose="${CSS.escape(node.id)}"]`).focus();
}

/** @type {Record<string, () => void>} what a button or a key is called by */
const ACTIONS = {
  next: () => go(state.step + 1),
  back: () => go(state.step - 1),
  first: () => go(1),
  last: () => go(events().length),
  play,
  forward: () => to("forward"),
  backward: () => to("backward"),
  run,
  watch,
  unwatch: () => set({ watch: null }),
  unselect: () => set({ node: null }),
  "watch-next": () => toWatched(1),
  "watch-back": () => toWatched(-1),
  problem: nextProblem,
  "next-lesson": () => open(state.trace + 1),
  "previous-lesson": () => open(state.trace - 1),
  in: () => graph.zoom(1.25),
  out: () => graph.zoom(0.8),
  "pan-left": () => graph.pan(-PAN, 0),
  "pan-right": () => graph.pan(PAN, 0),
  "pan-up": () => graph.pan(0, -PAN),
  "pan-down": () => graph.pan(0, PAN),
  fit: () => graph.fit(),
  help: () => byId("help").showModal(),
  close: () => byId("help").close(),
};

/** @type {[string, string, string][]} a key, its action, and what the help says of it */
const KEYS = [
  ["ArrowRight", "next", "Step"],
  ["n", "next", "Step"],
  ["ArrowLeft", "back", "Step back"],
  ["p", "back", "Step back"],
  ["Home", "first", "First step"],
  ["End", "last", "Last step"],
  [" ", "play", "Play or pause"],
  ["f", "forward", "The forward pass"],
  ["b", "backward", "The backward pass"],
  ["r", "run", "Run to what next happens to the selected node"],
  ["w", "watch", "Watch the selected node, or stop watching it"],
  [".", "watch-next", "The next step of the watched node"],
  [",", "watch-back", "The previous step of the watched node"],
  ["e", "problem", "The next check that differs"],
  ["Escape", "unselect", "Unselect the node"],
  ["[", "previous-lesson", "The previous lesson"],
  ["]", "next-lesson", "The next lesson"],
  ["+", "in", "Zoom in"],
  ["-", "out", "Zoom out"],
  ["Shift+ArrowLeft", "pan-left", "Move the picture"],
  ["Shift+ArrowRight", "pan-right", "Move the picture"],
  ["Shift+ArrowUp", "pan-up", "Move the picture"],
  ["Shift+ArrowDown", "pan-down", "Move the picture"],
  ["0", "fit", "Fit the graph into the window"],
  ["?", "help", "This help"],
];
/** @type {[string, string][]} */
const KEY_NAMES = [
  ["ArrowRight", "\u2192"],
  ["ArrowLeft", "\u2190"],
  ["ArrowUp", "\u2191"],
  ["ArrowDown", "\u2193"],
  ["Escape", "Esc"],
];

/** Whether an element has its own use for a key. @param {any} target @param {string} key */
function keeps(target, key) {
  if (target.matches("select")) return true;
  if (target.matches("input")) return key.startsWith("Arrow") || key === "Home" || key === "End";
  return target.matches("button, summary") && key === " ";
}

document.addEventListener("keydown", (event) => {
  const bracket = "[]".includes(event.key); // which many keyboards have on Alt or AltGr
  if (event.metaKey || ((event.ctrlKey || event.altKey) && !bracket)) return;
  if (byId("help").open) return;
  const target = /** @type {any} */ (event.target);
  if (keeps(target, event.key)) return;
  const row = target.closest("#table tr");
  const by = row && !event.shiftKey && { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const pressed = by || !event.shiftKey || event.key.length === 1 ? event.key : `Shift+${event.key}`;
  const found = KEYS.find(([key]) => key === pressed);
  if (!by && !found) return;
  event.preventDefault();
  if (by) choose(row, by);
  else if (found) ACTIONS[found[1]]();
});

document.addEventListener("click", (event) => {
  const button = /** @type {any} */ (event.target).closest("button");
  if (!button) return;
  const { do: action, choose, trace: number } = button.dataset;
  if (action) ACTIONS[action]();
  else if (choose) set({ node: choose === state.node ? null : choose });
  else if (number) open(Number(number));
});

byId("scrub").addEventListener("input", () => go(Number(byId("scrub").value)));
byId("speed").addEventListener("change", () => set({ speed: Number(byId("speed").value) }));
addEventListener("hashchange", () => set({ ...fromAddress(location.hash), playing: false }));

byId("keys").replaceChildren(
  ...[...new Set(KEYS.map(([, , text]) => text))].map((text) => {
    const keys = KEYS.filter((each) => each[2] === text).flatMap(([key]) => {
      const name = KEY_NAMES.reduce((known, [from, to]) => known.replace(from, to), key);
      return [element("kbd", {}, name === " " ? "Space" : name), " "];
    });
    return element("tr", {}, element("th", { scope: "row" }, ...keys), element("td", {}, text));
  }),
);
buildContents(page);
set(fromAddress(location.hash));
