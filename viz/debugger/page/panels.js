// @ts-check
// The panels beside the picture: the current event in words and numbers, the table of nodes, the
// selected node, and the lesson.

import { byId, element, first, write } from "../../page/dom.js";
import { differs, parties } from "./state.js";

/** @typedef {import("./state.js").Event} Event */
/** @typedef {import("./state.js").Exact} Exact */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Known} Known */
/** @typedef {import("./state.js").Page} Page */
/** @typedef {import("./state.js").Check} Check */
/** @typedef {import("./state.js").Entry} Entry */
/** @typedef {import("./state.js").GraphNode} GraphNode */
/** @typedef {"upstream" | "local" | "contribution" | "before" | "after"} Part of a sum */

const TITLES = {
  forward: { visit: "A leaf", compute: "Computed", send: "", accumulate: "" },
  backward: { visit: "Gradient complete", compute: "", send: "Sent", accumulate: "Added" },
};
const MEANINGS = "g is the upstream gradient, out this node's value";
const NOTHING = "\u2013";

// --- the current event ---

/** @param {State} state @param {Event | undefined} event
 * @param {GraphNode[]} nodes @param {Known} known */
export function showEvent(state, event, nodes, known) {
  const title = event ? TITLES[event.view][event.kind] : "Nothing to step through";
  const leaf = event?.view === "forward" && event.kind === "visit";
  const constant = leaf && nodes.find((each) => each.id === event.node)?.constant;
  byId("event-title").textContent = constant ? "A constant" : title;
  byId("sentence").textContent = event?.text ?? "";
  const rule = state.view === "forward" ? "Formula" : "Rule";
  byId("rule").replaceChildren(
    ...(event?.formula ? [term(rule, event.formula)] : []),
    ...(event?.numbers ? [term("In numbers", event.numbers)] : []),
    ...(event?.kind === "send" && event.formula ? [term("Where", MEANINGS)] : []),
  );
  byId("sums").replaceChildren(...(event ? sums(event, nodes, known) : []));
  showCheck(event?.check ?? null);
  byId("warning").textContent = event && differs(event) ? byId("check").textContent : "";
}

/** @param {string} name @param {string | null | undefined} text */
const term = (name, text) =>
  element(
    "div",
    {},
    element("dt", {}, name),
    element("dd", { class: text ? null : "none" }, text || NOTHING),
  );

/** The numbers of an event, as sums are written.
 * @param {Event} event @param {GraphNode[]} nodes @param {Known} known */
function sums(event, nodes, known) {
  const part = (/** @type {Part} */ name, /** @type {string} */ title) =>
    figure(name, title, event[name], event.exact?.[name]);
  if (event.view === "forward") {
    const node = nodes.find((each) => each.id === event.node);
    return [sum(figure("value", "Value", node?.value, node?.exact))];
  }
  if (event.kind === "visit") {
    const gradient = known.gradients.get(event.node);
    return [sum(figure("gradient", "Gradient", gradient?.text, gradient?.exact))];
  }
  const contribution = part("contribution", "Contribution");
  if (event.kind === "send") {
    const upstream = part("upstream", "Upstream");
    if (event.local == null) return [sum(upstream, "\u2192", contribution)];
    return [sum(upstream, "\u00d7", part("local", "Local derivative"), "=", contribution)];
  }
  return [sum(part("before", "Sum before"), "+", contribution, "=", part("after", "Sum after"))];
}

/** @param {(string | Node)[]} parts figures, and the signs between them */
function sum(...parts) {
  const hidden = { class: "sign", "aria-hidden": "true" };
  const shown = parts.map((part) =>
    typeof part === "string" ? element("span", hidden, part) : part,
  );
  return element("div", { class: "sum" }, ...shown);
}

/** @param {string} name @param {string} title
 * @param {string | null | undefined} text @param {Exact} [exact] */
function figure(name, title, text, exact) {
  const number = element("span", { class: text ? "number" : "number none", "data-figure": name });
  write(number, text || NOTHING, text ? exact : null);
  return element("div", { class: "figure" }, element("span", { class: "what" }, title), number);
}

/** @param {Check | null} check */
function showCheck(check) {
  const panel = byId("check");
  panel.className = check?.agrees == null ? "" : check.agrees ? "agrees" : "differs";
  if (check?.agrees == null) {
    panel.replaceChildren(check ? element("span", { class: "note" }, check.note) : "");
    return;
  }
  const verdict = check.agrees ? "\u2713 agrees" : "\u2717 differs";
  const number = (/** @type {string} */ text) => element("span", { class: "number" }, text);
  panel.replaceChildren(
    element("strong", {}, verdict),
    element("span", { class: "what" }, check.what),
    element("span", {}, "expected ", number(check.expected), ", found ", number(check.found)),
    ...(check.note ? [element("span", { class: "note" }, check.note)] : []),
  );
}

// --- the table of nodes ---

/** Build a trace's table; `showNodes` fills it. @param {GraphNode[]} nodes */
export function buildTable(nodes) {
  byId("table").replaceChildren(...nodes.map(row));
  byId("rows").classList.toggle("arrays", nodes.some((node) => node.exact == null));
}

/** @param {GraphNode} node */
function row(node) {
  const origin = node.constant && node.leaf ? "constant" : node.leaf ? "leaf" : node.formula;
  const choose = element("button", { type: "button", "data-choose": node.id }, node.label);
  const name = element(
    "th",
    { scope: "row" },
    choose,
    element("span", { class: "origin" }, origin === node.label ? "" : (origin ?? "")),
    element("span", { class: "role" }),
  );
  const cells = [element("td", { class: "value" }), element("td", { class: "gradient" })];
  return element("tr", { "data-node": node.id }, name, ...cells);
}

/** @param {State} state @param {Event | undefined} event
 * @param {GraphNode[]} nodes @param {Known} known */
export function showNodes(state, event, nodes, known) {
  const rows = [...byId("table", HTMLTableSectionElement).rows];
  const focus = state.node ?? event?.node ?? nodes[0]?.id;
  nodes.forEach((node, i) => {
    const [name, value, gradient] = rows[i].cells;
    const computed = state.view === "backward" || known.computed.has(node.id);
    write(value, computed ? node.value : "", computed ? node.exact : null);
    const { text, exact } = known.gradients.get(node.id) ?? { text: "", exact: null };
    write(gradient, node.constant ? "constant" : text, exact);
    gradient.classList.toggle("partial", Boolean(text) && !known.complete.has(node.id));
    gradient.classList.toggle("none", node.constant);
    first(name, ".role").textContent = roles(state, event, node.id, known).join(", ");
    const choose = first(name, "button", HTMLButtonElement);
    choose.tabIndex = node.id === focus ? 0 : -1; // one stop for the tab key, arrows within
    choose.setAttribute("aria-pressed", String(node.id === state.node));
    rows[i].classList.toggle("wrong", known.wrong.has(node.id));
    rows[i].toggleAttribute("aria-current", false);
  });
  byId("rows").classList.toggle("forward", state.view === "forward");
  const current = rows.find((each) => each.dataset.node === event?.node);
  current?.setAttribute("aria-current", "step");
  if (current) scrollTo(byId("rows"), current);
}

/** What a node does in this event, in words.
 * @param {State} state @param {Event | undefined} event @param {string} id @param {Known} known */
function roles(state, event, id, known) {
  const [sender, receiver] = event ? parties(event) : [];
  return [
    receiver && id === sender && "sends",
    id === receiver && "receives",
    id === state.watch && "watched",
    known.wrong.has(id) && "\u2717 differs",
  ].filter(Boolean);
}

/** Scroll the table alone: `scrollIntoView` would move the page as well.
 * @param {HTMLElement} box @param {HTMLElement} row */
function scrollTo(box, row) {
  const head = first(box, "thead").offsetHeight;
  const [top, bottom] = [row.offsetTop - head, row.offsetTop + row.offsetHeight];
  if (top < box.scrollTop) box.scrollTop = top;
  if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
}

// --- the selected and the watched node ---

/** @param {State} state @param {GraphNode[]} nodes @param {Known} known */
export function showSelected(state, nodes, known) {
  const node = nodes.find((each) => each.id === state.node);
  byId("selected").hidden = !node;
  if (!node) return;
  byId("selected-title").textContent = node.label;
  byId("watch").setAttribute("aria-pressed", String(state.watch === node.id));
  const kind = node.constant ? "constant" : "leaf";
  const facts = [
    term("Operation", node.operation ? `${node.operation}: ${node.doc}` : kind),
    ...(node.formula ? [term("Formula", node.formula)] : []),
    ...(node.numbers ? [term("In numbers", node.numbers)] : []),
    term("Value", node.value),
    ...(state.view === "backward" ? [term("Gradient", known.gradients.get(node.id)?.text)] : []),
  ];
  byId("facts").replaceChildren(...facts);
  byId("entry").replaceChildren(...(node.entry ? entry(node.entry) : []));
}

/** The scalars behind one entry of a Tensor. @param {Entry} shown */
function entry(shown) {
  const line = (/** @type {import("./state.js").Term} */ each) =>
    element(
      "tr",
      {},
      element("td", {}, each.term),
      element("td", {}, each.numbers),
      element("td", { class: "value" }, each.value),
    );
  const heads = ["Term", "In numbers"].map((each) => element("th", { scope: "col" }, each));
  heads.push(element("th", { scope: "col", class: "value" }, "Value"));
  const rest = shown.rest ? [element("p", { class: "note" }, shown.rest)] : [];
  const title = `${shown.index ? `Entry ${shown.index}` : "Its value"} = ${shown.value}`;
  if (!shown.rows.length) return [element("h3", {}, title), ...rest];
  return [
    element("h3", {}, title),
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...heads)),
      element("tbody", {}, ...shown.rows.map(line)),
    ),
    ...rest,
  ];
}

/** @param {State} state @param {GraphNode[]} nodes @param {Known} known */
export function showWatched(state, nodes, known) {
  const node = nodes.find((each) => each.id === state.watch);
  byId("watching").hidden = !node;
  if (!node) return;
  const gradient = known.gradients.get(node.id);
  const computed = state.view === "backward" || known.computed.has(node.id);
  byId("watched-name").textContent = node.label;
  write(byId("watched-value"), computed ? node.value : NOTHING, computed ? node.exact : null);
  write(byId("watched-gradient"), gradient?.text ?? NOTHING, gradient?.exact);
}

// --- lessons ---

/** @param {Page} page */
export function buildContents(page) {
  const items = page.traces.map((trace, i) =>
    element("li", {}, element("button", { type: "button", "data-trace": i + 1 }, trace.title)),
  );
  byId("lessons").replaceChildren(...items);
  const contents = byId("contents", HTMLDetailsElement);
  const wide = matchMedia("(min-width: 901px)"); // a frame that is not displayed yet is narrow
  const open = () => (contents.open = wide.matches);
  wide.addEventListener("change", open);
  open();
}

/** @param {Page} page @param {number} number */
export function showLesson(page, number) {
  const { title, text } = page.traces[number - 1];
  const count = page.traces.length;
  byId("lesson").hidden = count < 2 && !text;
  byId("lesson").scrollTop = 0;
  first(byId("lesson"), "nav").hidden = count < 2;
  byId("lesson-number").textContent = `${number} of ${count}`;
  byId("lesson-back", HTMLButtonElement).disabled = number === 1;
  byId("lesson-next", HTMLButtonElement).disabled = number === count;
  byId("lesson-title").textContent = title;
  const paragraphs = text.split(/\n\s*\n/).filter(Boolean);
  byId("lesson-text").replaceChildren(...paragraphs.map((each) => element("p", {}, each)));
  for (const button of byId("lessons").querySelectorAll("button")) {
    const here = button.dataset.trace === String(number);
    if (here) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  }
}
