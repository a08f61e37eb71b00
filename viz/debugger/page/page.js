// @ts-check
// The debugger's page: one state, `show` to draw it, and what keys and buttons do to it.

import { byId, element, first, unpacked } from "../../page/dom.js";
import { Store } from "../../page/store.js";
import { Graph } from "./graph.js";
import { buildContents, buildTable, showEvent, showLesson, showNodes } from "./panels.js";
import { showSelected, showWatched } from "./panels.js";
import { differs, eventsOf, find, knownAt, settle, touches } from "./state.js";
import { fromAddress, toAddress } from "./state.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Event} Event */
/** @typedef {import("./state.js").View} View */

const page = /** @type {import("./state.js").Page} */ (await unpacked(byId("data").textContent));
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
const VIEWS = /** @type {View[]} */ (["forward", "backward"]);
const PAN = 60; // pixels that a key moves the picture by
let shown = 0; // the trace whose picture and table are on the page
let marked = ""; // trace, view and node of the marks above the scrubber
/** @type {ReturnType<typeof setTimeout> | undefined} */ let clock;
const scrub = byId("scrub", HTMLInputElement);
const speed = byId("speed", HTMLSelectElement);
const help = byId("help", HTMLDialogElement);

const store = new Store(START, {
  settle: (state) => settle(page, state),
  show,
  fromAddress,
  toAddress,
});

/** @param {Partial<State>} change */
const set = (change) => store.set({ message: "", ...change });
const trace = () => page.traces[store.state.trace - 1];
const events = () => eventsOf(trace(), store.state.view);

/** @param {State} state */
function show(state) {
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
  showControls(state, list);
  showMarks(state, list);
  clearTimeout(clock);
  if (state.playing) clock = setTimeout(tick, 1000 / state.speed);
}

/** @param {State} state @param {Event[]} list */
function showControls(state, list) {
  const where = `${Math.min(state.step, list.length)} of ${list.length}`;
  byId("count").textContent = `Step ${where}`;
  byId("play").textContent = state.playing ? "Pause" : "Play";
  byId("message").textContent = state.message;
  scrub.max = String(Math.max(1, list.length));
  scrub.value = String(state.step);
  scrub.setAttribute("aria-valuetext", `${where}: ${list[state.step - 1]?.text ?? ""}`);
  for (const view of VIEWS) {
    const button = first(document, `[data-do=${view}]`, HTMLButtonElement);
    button.setAttribute("aria-pressed", String(state.view === view));
    button.disabled = !eventsOf(trace(), view).length;
  }
  const count = problems().length;
  byId("problems").hidden = !count;
  const what = count === 1 ? "check differs" : "checks differ";
  byId("problems").textContent = `\u2717 ${count} ${what}`;
}

/** Mark above the scrubber where checks differ and where something happens to the watched node.
 * @param {State} state @param {Event[]} list */
function showMarks(state, list) {
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

// --- what one can do ---

function tick() {
  const step = store.state.step + 1;
  set({ step, playing: step < events().length });
}

/** @param {number | null} step */
function go(step) {
  if (step != null) set({ step, playing: false });
}

/** @param {View} view */
function to(view) {
  const { step, other } = store.state;
  if (view !== store.state.view) set({ view, step: other, other: step, playing: false });
}

/** @param {number} number */
function open(number) {
  const { speed } = store.state;
  if (page.traces[number - 1]) set({ ...START, speed, trace: number });
}

/** Every check of the trace that differs. @returns {{view: View, step: number}[]} */
function problems() {
  return VIEWS.flatMap((view) =>
    eventsOf(trace(), view).flatMap((event, i) => (differs(event) ? { view, step: i + 1 } : [])),
  );
}

function nextProblem() {
  const now = store.state;
  const all = problems();
  const later = all.find(({ view, step }) =>
    view === now.view ? step > now.step : now.view === "forward",
  );
  if (all.length) set({ ...(later ?? all[0]), playing: false });
}

function run() {
  const node = trace().nodes.find((each) => each.id === store.state.node);
  if (!node) return set({ message: "Select a node first, in the table or in the picture." });
  const step = find(events(), store.state.step, 1, (event) => touches(event, node.id));
  if (step == null) return set({ message: `Nothing more happens to ${node.label} in this pass.` });
  go(step);
}

function watch() {
  const { node, watch } = store.state;
  if (!node) return set({ message: "Select a node first, in the table or in the picture." });
  set({ watch: watch === node ? null : node });
}

/** @param {1 | -1} direction */
function toWatched(direction) {
  const { watch, step: from } = store.state;
  if (!watch) return set({ message: "Watch a node first: select it, and press w." });
  const step = find(events(), from, direction, (event) => touches(event, watch));
  if (step == null) return set({ message: "Nothing more happens to it that way in this pass." });
  go(step);
}

function play() {
  const { step, playing } = store.state;
  const over = step >= events().length;
  set({ playing: !playing, step: over && !playing ? 1 : step });
}

/** Select the node above or below in the table. @param {HTMLElement} row @param {number} by */
function choose(row, by) {
  const { nodes } = trace();
  const node = nodes[nodes.findIndex((each) => each.id === row.dataset.node) + by];
  if (!node) return;
  set({ node: node.id });
  first(byId("table"), `[data-choose="${CSS.escape(node.id)}"]`).focus();
}

/** @type {Record<string, () => void>} what a button or a key is called by */
const ACTIONS = {
  next: () => go(store.state.step + 1),
  back: () => go(store.state.step - 1),
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
  "next-lesson": () => open(store.state.trace + 1),
  "previous-lesson": () => open(store.state.trace - 1),
  in: () => graph.zoom(1.25),
  out: () => graph.zoom(0.8),
  "pan-left": () => graph.pan(-PAN, 0),
  "pan-right": () => graph.pan(PAN, 0),
  "pan-up": () => graph.pan(0, -PAN),
  "pan-down": () => graph.pan(0, PAN),
  fit: () => graph.fit(),
  help: () => help.showModal(),
  close: () => help.close(),
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

/** @type {Record<string, number>} what a key adds to the number of the selected row */
const ROWS = { ArrowDown: 1, ArrowUp: -1 };

/** Whether an element has its own use for a key. @param {Element} target @param {string} key */
function keeps(target, key) {
  if (target.matches("select")) return true;
  if (target.matches("input")) return key.startsWith("Arrow") || key === "Home" || key === "End";
  return target.matches("button, summary") && key === " ";
}

document.addEventListener("keydown", (event) => {
  const bracket = "[]".includes(event.key); // which many keyboards have on Alt or AltGr
  if (event.metaKey || ((event.ctrlKey || event.altKey) && !bracket)) return;
  if (help.open) return;
  const target = /** @type {Element} */ (event.target);
  if (keeps(target, event.key)) return;
  const row = /** @type {HTMLElement | null} */ (target.closest("#table tr"));
  const by = event.shiftKey ? 0 : ROWS[event.key];
  const pressed = !event.shiftKey || event.key.length === 1 ? event.key : `Shift+${event.key}`;
  const found = KEYS.find(([key]) => key === pressed);
  if (row && by) choose(row, by);
  else if (found) ACTIONS[found[1]]();
  else return;
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  if (!button) return;
  const { do: action, choose, trace: number } = button.dataset;
  if (action) ACTIONS[action]();
  else if (choose) set({ node: choose === store.state.node ? null : choose });
  else if (number) open(Number(number));
});

scrub.addEventListener("input", () => go(Number(scrub.value)));
speed.addEventListener("change", () => set({ speed: Number(speed.value) }));

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
store.follow();
