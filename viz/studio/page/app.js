// @ts-check
// The page begins here: what the server has is asked, and the view that the address names is shown.

import { byId, element, first, write } from "../../page/dom.js";
import { Store } from "../../page/store.js";
import { again, untilDone } from "./again.js";
import { datasetOf, keepToken, serverOf } from "./api.js";
import { withCode } from "./commands.js";
import { Answers } from "./data/answers.js";
import { knownOf } from "./data/order.js";
import { asksNetwork, digitOf, fromAddress, settle, START, toAddress, VIEWS, wrongIn } from "./state.js";
import { offersOf } from "./train/offered.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").View} View */

/** Says what is wrong, at the lower edge of the window; "" where all is right again. again: what to do for it
 * not to wait, where it is tried again by itself.
 * @typedef {(message: string, again?: () => void) => void} Complain */

/** What each view alone needs, by where it begins. */
const FILES = {
  train: async () => await import("./train/view.js"),
  data: async () => await import("./data/view.js"),
  network: async () => await import("./network/view.js"),
  draw: async () => await import("./draw/view.js"),
};

/** What is wrong, by who says so. @type {Map<string, {message: string, again?: () => void}>} */
const problems = new Map();
let told = ""; // what was shown last, until something else is wrong

/** @param {string} who @returns {Complain} */
const complaints = (who) => (message, again) => {
  if (message) problems.set(who, { message, again });
  else problems.delete(who);
  const all = [...problems.values()];
  byId("again").hidden = !all.some(({ again }) => again);
  const texts = new Set(all.map(({ message, again }) => again ? `${message} (It is tried again by itself.)` : message));
  const now = [...texts].join("\n");
  if (now === told) return; // it was read out, and may be closed
  told = now;
  byId("problem").hidden = !texts.size;
  byId("wrong").replaceChildren(...[...texts].map((each) => element("p", {}, ...withCode(each))));
};

const complain = complaints("page");

/** The view that another page shows in a frame, without what is around it; undefined for all. */
const embedded = VIEWS.find((view) => view === new URLSearchParams(location.search).get("embed"));

/** The token stands in the address when the studio opens the page: it goes from there, because people
 * send addresses to each other. */
function takeToken() {
  const values = new URLSearchParams(location.hash.slice(1));
  const token = values.get("token");
  if (token === null) return;
  values.delete("token");
  use(token);
  history.replaceState(null, "", `#${values}`);
}

/** Use a token in this tab. @param {string} token */
function use(token) {
  const lost = "this browser keeps nothing for the page: after a reload it needs the studio's token again";
  complaints("token")(keepToken(token) ? "" : lost);
}

/** A token that turned out to be wrong can be typed anew; in a frame none is ever used. */
function askForToken() {
  const form = byId("token", HTMLFormElement);
  const field = first(form, "input", HTMLInputElement);
  /** @type {Element | null} */ let from = null; // what a person pressed then, and may press again
  addEventListener("wrong-token", () => {
    from = document.activeElement;
    form.hidden = self !== top;
    field.focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    use(field.value.replace(/^.*token=/, "").trim()); // of an address, what is the token
    field.value = "";
    form.hidden = true;
    complaints("train")("");
    if (from instanceof HTMLElement) from.focus();
  });
}

/** Messages go when a person closes them; the training's way back too, which Back in the browser still is. */
function closeMessages() {
  for (const each of ["problem", "token", "wrong-setting", "left"]) byId(each).hidden = true;
  write(byId("doing"), "");
  history.replaceState(null, "");
  byId("main").focus({ preventScroll: true }); // the button has gone
}

/** What the server answers, as soon as it does. @template Result @param {() => Promise<Result>} work */
const asked = (work) => untilDone(work, (problem) => complaints("server")(problem, again));

/** The dataset that the address names, else the first that there is. @param {string[]} datasets */
async function chosenDataset(datasets) {
  const { dataset: wanted = datasets[0] } = fromAddress(location.hash);
  const found = datasets.includes(wanted) ? wanted : datasets[0];
  if (found !== wanted) complain(`there is no dataset ${wanted} here: this is ${found}`);
  return await asked(() => datasetOf(found));
}

async function begin() {
  byId("starting").remove();
  takeToken();
  askForToken();
  byId("dismiss").addEventListener("click", closeMessages);
  byId("again").addEventListener("click", () => problems.forEach(({ again }) => again?.()));
  document.documentElement.classList.toggle("embedded", embedded !== undefined);
  const opened = embedded ?? VIEWS.find((view) => view === fromAddress(location.hash).view) ?? START.view;
  FILES[opened]().catch(() => {}); // it comes while the server is asked; where it does not, that is said later
  const { datasets, architectures, weights = true } = await asked(serverOf);
  const dataset = await chosenDataset(datasets);
  const counts = Object.entries(dataset.splits).map(([name, { count }]) =>
    `${count.toLocaleString("en")} ${name}`
  );
  write(byId("about"), `${dataset.name}: ${counts.join(", ")}`);
  /** Set some of the state. left: of a training that this ended. */
  const change = (/** @type {Partial<State>} */ some, /** @type {Partial<State>} */ left = {}) => {
    const before = { ...store.state, ...left };
    const after = { ...store.state, ...some };
    const isAnew = Object.keys(left).length > 0 && toAddress(before) !== toAddress(after);
    // Another view, or another training, is another entry of the browser's history: Back leads here.
    if (after.view !== before.view || isAnew) {
      history.replaceState(history.state, "", toAddress(before));
      history.pushState(isAnew ? { left: before.step } : null, "", toAddress(after));
    }
    store.set(some);
  };
  await turn();
  const complainOfAddress = complaints("address"); // until a person looks at something else
  const look = (/** @type {Partial<State>} */ some) => {
    complainOfAddress("");
    change(some.digit === undefined ? some : { drawn: 0, ...some }); // in place of the drawing
  };
  const offers = offersOf(architectures);
  const answers = new Answers(knownOf(dataset), dataset.classes.length);
  /** @type {import("./train/session.js").Session | null} */ let session = null;
  const data = new Later("data", async () => {
    const { DataView } = await FILES.data();
    return new DataView(dataset, look, complaints, () => session, answers);
  });
  const find = async (/** @type {number} */ digit) => (await data.made)?.find(digit);
  const train = new Later("train", async () => {
    const { TrainView } = await FILES.train();
    const made = new TrainView(dataset, change, complaints("train"), answers, find, offers, weights);
    session = made.session;
    return made;
  });
  const network = new Later("network", async () => {
    const [{ NetworkView }, of] = await Promise.all([FILES.network(), train.needed]);
    const drawn = async () => (await draw.made)?.prepared ?? null;
    return new NetworkView(dataset, look, of.session, () => of.act("go"), complaints("network"), drawn);
  });
  const draw = new Later("draw", async () => {
    const [{ DrawView }, of] = await Promise.all([FILES.draw(), train.needed]);
    return new DrawView(dataset, look, complaints("draw"), of.session, (index) => {
      look({ view: "data" });
      void find(digitOf({ split: "train", index }, dataset));
    }, () => of.act("go"));
  });
  await turn();
  const store = new Store(START, {
    settle: (state) => settle(state, dataset),
    show: (state) => {
      showView(state.view);
      if (embedded) showWhole(state);
      // A training has begun by the time one has read a sentence, but where examples alone are looked at.
      if (state.view !== "data" || asksNetwork(state) || state.step) train.show(state, true);
      if (state.view === "data") data.show(state, true);
      network.show(state, state.view === "network");
      draw.show(state, state.view === "draw");
    },
    fromAddress: (hash) => {
      complainOfAddress(wrongIn(hash, dataset));
      return { ...START, view: embedded ?? START.view, ...fromAddress(hash) };
    },
    toAddress,
  });
  first(byId("left"), "button").addEventListener("click", () => {
    store.write(); // what is left has an address of its own
    history.back();
  });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const view = VIEWS.find((each) => each === link.dataset.view);
    if (view) look({ view }); // all else stays as it is
    else if (link.classList.contains("skip")) byId("main").focus();
    else return;
    event.preventDefault();
  });
  store.follow();
}

/** A view, whose files are fetched when it is needed first. @template {{show: (state: State) => void}} Part */
class Later {
  /** @param {View} view @param {() => Promise<Part>} make */
  constructor(view, make) {
    this.view = view;
    this.make = make;
    /** @type {Part | null} */ this.part = null;
    /** @type {Promise<Part> | null} */ this.making = null;
    /** @type {State | null} */ this.state = null; // that is to be shown
  }

  /** @param {State} state @param {boolean} isNeeded whether it is made for that, where it is not there yet */
  show(state, isNeeded) {
    this.state = state;
    if (this.part) this.part.show(state);
    else if (isNeeded) void this.made;
  }

  /** The view, once it is there. Throws an Error where its files cannot be fetched. */
  get needed() {
    this.making ??= this.#made();
    return this.making;
  }

  /** The same; null where its files cannot be fetched, which is said. */
  get made() {
    return this.needed.catch((error) => {
      this.making = null;
      complaints(this.view)(`the view cannot be fetched: reload the page; if that does not help, restart the studio (${error})`);
      return null;
    });
  }

  async #made() {
    const made = await this.make();
    await turn();
    this.part = made;
    byId(this.view).dataset.made = "";
    showView(viewed);
    if (this.state) made.show(this.state);
    return made;
  }
}

/** The browser's turn, to draw and to take clicks: the parts of the page are made one by one. */
const turn = () => new Promise((done) => setTimeout(done));

/** @type {View} */ let viewed = START.view;

/** Show one of the views, once it is there. @param {View} name */
function showView(name) {
  viewed = name;
  const had = document.activeElement;
  for (const view of VIEWS) byId(view).hidden = view !== name || byId(view).dataset.made === undefined;
  for (const link of document.querySelectorAll("[data-view]")) {
    if (!(link instanceof HTMLElement)) continue;
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (had?.closest("[hidden]")) byId("main").focus({ preventScroll: true }); // the view that had the focus has gone
}

/** In a frame: the way back to the view that it is of, and out of it. @param {State} state */
function showWhole(state) {
  byId("framed").hidden = false;
  byId("back").hidden = state.view === embedded;
  byId("back").dataset.view = embedded;
  byId("whole", HTMLAnchorElement).href = location.pathname + toAddress(state);
}

begin().catch((error) => complain(error instanceof Error ? error.message : String(error)));
