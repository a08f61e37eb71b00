// @ts-check
// The settings as a form: what they are, and what a person types.

import { byId, element, write } from "../../../page/dom.js";
import { missing } from "./offered.js";
import { ACTIVATIONS, OPTIMIZERS, settingsOf, typedOf, usualRate } from "./settings.js";
import { Widths } from "./widths.js";

/** @typedef {import("./offered.js").Offer} Offer */
/** @typedef {import("./settings.js").Settings} Settings */

export class Form {
  /** @param {Settings} settings
   * @param {Offer[] | null} offers
   * @param {(settings: Settings, name: string) => void} changed is told which of them was typed */
  constructor(settings, offers, changed) {
    this.settings = settings;
    this.offers = offers;
    const take = (/** @type {string} */ name, /** @type {string} */ typed) => {
      if (this.#take(name, typed)) changed(this.settings, name);
    };
    this.widths = new Widths(offers, (typed) => take("hidden", typed));
    const form = byId("settings", HTMLFormElement);
    const choices = /** @type {[string, string[]][]} */ ([["activation", ACTIVATIONS], ["optimizer", OPTIMIZERS]]);
    for (const [name, known] of choices) {
      this.#named(name).append(...known.map((each) => element("option", {}, each)));
    }
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", ({ target }) => {
      if (!(target instanceof HTMLElement)) return;
      const name = target.getAttribute("name") ?? "";
      take(name, name === "hidden" ? this.widths.value : this.#named(name).value);
    });
  }

  /** @param {Settings} settings */
  write(settings) {
    this.settings = settings;
    this.widths.write(settings);
    const { hidden: _, ...others } = typedOf(settings);
    for (const [name, value] of Object.entries(others)) this.#named(name).value = value;
    for (const field of byId("settings").querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
    byId("wrong-setting").hidden = true;
    this.#named("momentum").disabled = settings.optimizer !== "sgd"; // the others have their own
  }

  /** Whether what was typed makes sense; all others are as they were last right.
   * @param {string} name @param {string} value */
  #take(name, value) {
    const typed = { ...typedOf(this.settings), [name]: value };
    if (name === "optimizer") typed.rate = String(usualRate(typed.optimizer));
    try {
      const settings = settingsOf(typed);
      const lacks = missing(settings, this.offers);
      if (lacks) throw new Error(lacks);
      this.write(settings);
      return true;
    } catch (error) {
      this.#refuse(name === "hidden" ? this.widths.field : this.#named(name), error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  /** Say what is wrong with a field, under it and by the name that it has on the page.
   * @param {HTMLElement} field @param {string} message which begins with its name in the code */
  #refuse(field, message) {
    const told = byId("wrong-setting");
    field.setAttribute("aria-invalid", "true");
    field.closest("fieldset")?.after(told);
    told.hidden = false;
    const label = field.closest("label, [role=group]")?.firstChild?.textContent?.trim();
    write(told, message.replace(/^\w+/, label ?? "$&"));
    told.scrollIntoView({ block: "nearest" });
  }

  /** @param {string} name @returns {HTMLInputElement | HTMLSelectElement} */
  #named(name) {
    const found = byId("settings", HTMLFormElement).elements.namedItem(name);
    if (found instanceof HTMLInputElement || found instanceof HTMLSelectElement) return found;
    throw new Error(`the page has no setting ${name}`);
  }
}
