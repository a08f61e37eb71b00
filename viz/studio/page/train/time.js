// @ts-check
// Back through the training, and its forks: a slider of the steps that were learned, and a list of
// the branches.

import { byId, element, first, write } from "../../../page/dom.js";

/** @typedef {import("./branches.js").Branch} Branch */

/**
 * What a person asks for: to stand at a step of the branch that is shown; another branch; to forget
 * one, and to have the last one back.
 * @typedef {{visit: (step: number) => void, choose: (number: number) => void,
 *   drop: (number: number) => void, restore: () => void}} Wishes
 */

export class Timeline {
  /** @param {Wishes} wishes */
  constructor(wishes) {
    this.slider = byId("when", HTMLInputElement);
    /** @type {number | undefined} */ this.dropped = undefined; // the branch that Undo has back
    this.slider.addEventListener("input", () => wishes.visit(Number(this.slider.value)));
    byId("undo").addEventListener("click", () => {
      const { dropped } = this;
      wishes.restore(); // and the button goes
      first(byId("branches"), `[data-branch="${dropped}"] button`).focus();
    });
    byId("branches").addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("button") : null;
      const number = Number(button?.closest("li")?.dataset.branch);
      if (button?.dataset.branch === "drop") {
        wishes.drop(number);
        byId("undo").focus(); // the other button has gone
      }
      if (button?.dataset.branch === "choose") wishes.choose(number);
    });
  }

  /** @param {Branch[]} branches @param {Branch} shown @param {Branch} [dropped] */
  show(branches, shown, dropped) {
    const { from, step, end, stepsOfEpoch } = shown.progress;
    this.dropped = dropped?.number;
    const { slider } = this;
    // Where a fork begins it stands at the end of what it has learned: its thumb is at the right.
    slider.min = String(from && from === end ? from - 1 : from);
    slider.max = String(end);
    slider.value = String(step);
    slider.disabled = from === end;
    const text = `step ${step.toLocaleString("en")} of ${end.toLocaleString("en")}`;
    slider.setAttribute("aria-valuetext", `${text}, epoch ${(step / stepsOfEpoch).toFixed(2)}`);
    write(byId("at"), text);
    const newest = first(byId("time"), "[data-do=newest]", HTMLButtonElement);
    if (step === end && newest === document.activeElement) slider.focus(); // it takes no focus now
    newest.disabled = step === end;
    const every = shown.every.toLocaleString("en");
    const kept = `The weights of every ${every}th step are kept; for a step between them, those before it are learned again.`;
    write(byId("kept"), shown.every ? kept : "");
    byId("beside").hidden = branches.length < 2 && !dropped;
    byId("beside-title").hidden = branches.length < 2;
    byId("branches").hidden = branches.length < 2;
    byId("undo").hidden = !dropped;
    write(byId("undo"), `Undo: have ${dropped?.name ?? ""} back`);
    this.#list(branches, shown);
  }

  /** @param {Branch[]} branches @param {Branch} shown */
  #list(branches, shown) {
    const list = byId("branches");
    const numbers = branches.map(({ number }) => number).join();
    if (list.dataset.numbers !== numbers) {
      list.dataset.numbers = numbers;
      list.replaceChildren(...branches.map(item));
    }
    branches.forEach((branch, i) => {
      const choose = first(list.children[i], "[data-branch=choose]");
      write(choose, described(branch));
      choose.setAttribute("aria-pressed", String(branch === shown));
    });
  }
}

/** @param {Branch} branch */
function item({ number, name, colour }) {
  const choose = element("button", { type: "button", "data-branch": "choose" });
  const drop = element("button", { type: "button", "data-branch": "drop" }, "Delete");
  drop.setAttribute("aria-label", `Delete ${name}`);
  const made = element("li", { "data-branch": number }, choose, drop);
  made.style.setProperty("--of", `var(${colour})`);
  return made;
}

/** @param {Branch} branch */
function described({ name, of, progress: { settings, from, tests } }) {
  const { rate, momentum, decay, optimizer } = settings;
  const start = of ? `from step ${from.toLocaleString("en")} of ${of}` : "from the beginning";
  const right = tests.right.at(-1);
  return [
    `${name}: ${start}`,
    `rate ${rate}`,
    optimizer === "sgd" ? `momentum ${momentum}` : "",
    decay ? `decay ${decay}` : "",
    right === undefined ? "" : `${right.toFixed(2)} % of the test set right`,
  ].filter(Boolean).join(" · ");
}
