// @ts-check
// The page begins here: what the server has is asked, and the view that the address names is shown.

import { byId, write } from "../../page/dom.js";
import { Store } from "../../page/store.js";
import { datasetOf, serverOf } from "./api.js";
import { DataView } from "./data/view.js";
import { fromAddress, settle, START, toAddress } from "./state.js";

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
  byId("data").hidden = false;
  const view = new DataView(dataset, (change) => store.set(change), complain);
  const store = new Store(START, {
    settle: (state) => settle(state, dataset),
    show: (state) => view.show(state),
    fromAddress: (hash) => ({ ...START, ...fromAddress(hash) }),
    toAddress,
  });
  store.follow();
}

begin().catch((error) => complain(error instanceof Error ? error.message : String(error)));
