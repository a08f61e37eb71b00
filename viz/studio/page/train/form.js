// @ts-check
// The settings as a form: what they are, and what a person types.

import { byId, element } from "../../../page/dom.js";
import { writeWithCode } from "../commands.js";
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
    /** What is wrong, by the name of its field. @type {Map<string, string>} */ this.wrong = new Map();
    /** @type {(keyof Settings)[]} */ this.blamed = []; // fields that what was learned went wrong by
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

  /** Show these, whatever is typed now. @param {Settings} settings */
  write(settings) {
    this.wrong.clear();
    this.blamed = [];
    this.#write(settings);
  }

  /** Whether something that is typed makes no sense: a person is led there. */
  refuses() {
    const wrong = [...this.wrong.keys()].at(-1);
    if (wrong === undefined) return false;
    this.#tell("Nothing begins before this is mended. ");
    this.#field(wrong).focus();
    return true;
  }

  /** Mark what the training failed by, until it is another. @param {(keyof Settings)[]} names */
  blame(names) {
    this.blamed = names;
    this.#tell();
  }

  /** What is wrong stays as it is typed. @param {Settings} settings */
  #write(settings) {
    this.settings = settings;
    const { hidden: _, ...others } = typedOf(settings);
    if (!this.wrong.has("hidden")) this.widths.write(settings);
    for (const [name, value] of Object.entries(others)) {
      if (!this.wrong.has(name)) this.#named(name).value = value;
    }
    this.#tell();
    this.#named("momentum").disabled = settings.optimizer !== "sgd"; // the others have their own
  }

  /** Whether what was typed makes sense; all others count as they were last right.
   * @param {string} name @param {string} value */
  #take(name, value) {
    const typed = { ...typedOf(this.settings), [name]: value };
    if (name === "optimizer") typed.rate = String(usualRate(typed.optimizer));
    const mended = name === "optimizer" ? ["optimizer", "rate"] : [name];
    try {
      const settings = settingsOf(typed);
      const lacks = missing(settings, this.offers);
      if (lacks) throw new Error(lacks);
      for (const each of mended) this.wrong.delete(each);
      this.blamed = [];
      this.#write(settings);
      return true;
    } catch (error) {
      this.wrong.delete(name);
      this.wrong.set(name, error instanceof Error ? error.message : String(error)); // the last one
      this.#tell();
      return false;
    }
  }

  /** Mark the fields that are wrong, and say of the last one why, by the name that it has on the page.
   * @param {string} [before] */
  #tell(before = "") {
    const told = byId("wrong-setting");
    for (const field of byId("settings").querySelectorAll("[aria-invalid]")) {
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
    }
    this.blamed.forEach((name) => this.#field(name).setAttribute("aria-invalid", "true"));
    told.hidden = !this.wrong.size;
    for (const [name, message] of this.wrong) { // which begins with its name in the code
      const field = this.#field(name);
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", told.id);
      const label = field.closest("label, [role=group]")?.firstChild?.textContent?.trim();
      writeWithCode(told, before + message.replace(/^\w+/, label ?? "$&"));
    }
  }

  /** Where a setting is typed. @param {string} name */
  #field(name) {
    return name === "hidden" ? this.widths.field : this.#named(name);
  }

  /** @param {string} name @returns {HTMLInputElement | HTMLSelectElement} */
  #named(name) {
    const found = byId("settings", HTMLFormElement).elements.namedItem(name);
    if (found instanceof HTMLInputElement || found instanceof HTMLSelectElement) return found;
    throw new Error(`the page has no setting ${name}`);
  }
}
