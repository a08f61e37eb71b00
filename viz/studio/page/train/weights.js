// @ts-check
// The weights as files: a person's, and the one that the server serves; each comes in and goes out.

import { byId, element, first, write } from "../../../page/dom.js";
import { deleteWeights, sendWeights, servedWeights, tagOfWeights, token } from "../api.js";
import { fileOf } from "./file.js";
import { networkIn } from "./network.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("./network.js").Network} Network */
/** @typedef {Extract<import("./orders.js").Said, {kind: "saved"}>} Saved */

/**
 * What the training does for this: gives its weights (null while there is none), goes on from
 * others, of which it says whose they are, says what was done and what is wrong.
 * @typedef {{
 *   saved: () => Promise<Saved> | null, goOn: (network: Network, whose: string) => void,
 *   say: (text: string) => void, complain: (message: string) => void,
 * }} Training
 */

const MOST = 256e6; // bytes of a file: the widest network that the page trains has fewer

export class Weights {
  /** @param {Dataset} dataset @param {Training} training */
  constructor(dataset, training) {
    this.dataset = dataset;
    this.training = training;
    this.tag = "*"; // of the weights that a person was asked about,
    /** @type {Saved | null} */ this.saved = null; // and what is to be served in their place
    this.asking = byId("asking", HTMLDialogElement);
    /** @type {Record<string, () => Promise<void> | void>} */ const acts = {
      download: () => this.#download(),
      open: () => byId("file").click(),
      fetch: () => this.#fetch(),
      send: async () => {
        const saved = await this.training.saved();
        if (saved) await this.#ask(saved);
      },
      ask: () => this.#ask(null),
      put: () => this.#send(),
      delete: () => this.#delete(),
      keep: () => this.asking.close(),
    };
    for (const part of [byId("weights"), this.asking]) {
      part.addEventListener("click", ({ target }) => {
        const button = target instanceof Element ? target.closest("button") : null;
        if (button?.dataset.weights) this.#try(acts[button.dataset.weights]);
      });
    }
    const file = byId("file", HTMLInputElement);
    file.addEventListener("change", () => this.#try(() => this.#open(file)));
    for (const name of ["send", "ask"]) {
      first(byId("weights"), `[data-weights=${name}]`).hidden = token() === null;
    }
  }

  /** @param {() => Promise<void> | void} act */
  async #try(act) {
    try {
      this.training.complain("");
      this.training.say("");
      await act();
    } catch (error) {
      this.training.complain(error instanceof Error ? error.message : String(error));
    }
  }

  async #download() {
    const saved = await this.training.saved();
    if (!saved) return;
    const link = element("a", { download: `chainrule-step-${saved.step}.safetensors` });
    link.href = URL.createObjectURL(new Blob([fileOf(this.dataset, saved)]));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  /** Go on from the file that was chosen. @param {HTMLInputElement} field */
  async #open(field) {
    const file = field.files?.[0];
    if (!file) return;
    field.value = ""; // so that the same one can be chosen again
    if (file.size > MOST) {
      throw new Error(`${file.name}: expected at most ${MOST / 1e6} MB, found ${Math.round(file.size / 1e6)}`);
    }
    this.#goOn(new Uint8Array(await file.arrayBuffer()), file.name);
  }

  async #fetch() {
    this.#goOn(await servedWeights(), "the server's network");
  }

  /** @param {Uint8Array<ArrayBuffer>} bytes @param {string} whose */
  #goOn(bytes, whose) {
    try {
      this.training.goOn(networkIn(bytes, this.dataset), whose);
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      const isOther = said.startsWith("safetensors:");
      const wrong = isOther ? `expected a .safetensors file, such as Download writes (${said})` : said;
      throw new Error(`${whose}: ${wrong}`, { cause: error });
    }
  }

  async #send() {
    const { saved } = this;
    this.asking.close();
    if (!saved) return;
    const { version } = await sendWeights(fileOf(this.dataset, saved));
    this.training.say(`the server serves step ${saved.step.toLocaleString("en")} as version ${version}`);
  }

  /** Ask before the server serves these, or a network that has not learned, in place of what it serves now,
   * which is what the answer is about. @param {Saved | null} saved */
  async #ask(saved) {
    this.tag = await tagOfWeights();
    this.saved = saved;
    const what = saved ? `these weights, of step ${saved.step.toLocaleString("en")},` : "an untrained network";
    write(byId("question"), `Serve ${what} in place of what the server serves now? It keeps that in its history.`);
    first(this.asking, "[data-weights=put]").hidden = !saved;
    first(this.asking, "[data-weights=delete]").hidden = saved !== null;
    this.asking.showModal();
  }

  async #delete() {
    this.asking.close();
    const { version } = await deleteWeights(this.tag);
    this.training.say(`the server serves an untrained network as version ${version}`);
  }
}
