// @ts-check
// The page begins here: what the server has is asked, and the view that the address names is shown.

import { byId, write } from "../../page/dom.js";
import { Store } from "../../page/store.js";
import { datasetOf, serverOf } from "./api.js";
import { DataView } from "./data/view.js";
import { fromAddress, settle, START, toAddress, VIEWS } from "./state.js";
import { TrainView } from "./train/view.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").View} View */

/** Say what is wrong, where everybody sees it; nothing where all is right again.
 * @param {string} message */
function complain(message) {
  const problem = byId("problem");
  problem.hidden = !message;
  write(problem, message);
}

/** The token stands in the address when the studio opens the page: it is kept for this tab, and
 * goes from the address, which people send to each other. */
function keepToken() {
  const values = new URLSearchParams(location.hash.slice(1));
  const token = values.get("token");
  if (token === null) return;
  values.delete("token");
  try {
    sessionStorage.setItem("token", token);
  } catch {
    complain("this browser keeps nothing for the page: what changes the server is not possible");
  }
  history.replaceState(null, "", `#${values}`);
}

/** The dataset that the address names, else the first that there is. */
async function chosenDataset() {
  const { datasets } = await serverOf();
  const wanted = fromAddress(location.hash).dataset ?? "";
  return await datasetOf(datasets.includes(wanted) ? wanted : datasets[0]);
}

async function begin() {
  keepToken();
  const dataset = await chosenDataset();
  const counts = Object.entries(dataset.splits).map(([name, { count }]) =>
    `${count.toLocaleString("en")} ${name}`
  );
  write(byId("about"), `${dataset.name}: ${counts.join(", ")}`);
  const change = (/** @type {Partial<State>} */ some) => store.set(some);
  const data = new DataView(dataset, change, complain);
  const train = new TrainView(
    dataset, change, complain, (split, score) => data.answered(split, score), () => data.forget(),
  );
  const store = new Store(START, {
    settle: (state) => settle(state, dataset),
    show: (state) => {
      showView(state.view);
      if (state.view === "data") data.show(state);
      else train.show();
    },
    fromAddress: (hash) => ({ ...START, ...fromAddress(hash) }),
    toAddress,
  });
  store.follow();
  if (store.state.view === "train") train.start();
}

/** Show one of the views. @param {View} name */
function showView(name) {
  for (const view of VIEWS) byId(view).hidden = view !== name;
  for (const link of document.querySelectorAll("[data-view]")) {
    if (!(link instanceof HTMLElement)) continue;
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

begin().catch((error) => complain(error instanceof Error ? error.message : String(error)));
