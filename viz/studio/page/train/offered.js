// @ts-check
// Which networks a page can train: a server makes a module for any, an export has a few. What it
// has not is shown, and refused with the command that exports it.

import { byId, first, write } from "../../../page/dom.js";
import { writeWithCode } from "../commands.js";
import { DEFAULTS, usualRate } from "./settings.js";

/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {Pick<Settings, "hidden" | "activation" | "optimizer" | "batch" | "dropout">} Offer */

const NAME = /^[\dx]+-((?:\d+-)*)\d+_([a-z_]+?)_([a-z]+)_(\d+)(?:_d([\d.e+-]+))?(?:_s[\d.e+-]+)?$/;

/** What the names of architectures say. @param {string[] | undefined} names of an export; none: any
 * @returns {Offer[] | null} */
export function offersOf(names) {
  return names?.map((name) => {
    const [, hidden, activation, optimizer, batch, dropout = 0] = NAME.exec(name) ?? [];
    if (!batch) throw new Error(`${name} is no name of a network`);
    const widths = hidden.split("-").filter(Boolean).map(Number);
    return { hidden: widths, activation, optimizer, batch: Number(batch), dropout: Number(dropout) };
  }) ?? null;
}

/** How far one network is from another. @param {Offer} one @param {Offer} other */
function distance(one, other) {
  const width = (/** @type {Offer} */ { hidden }, /** @type {number} */ i) => Math.log2(hidden[i] ?? 1);
  const layers = Array.from({ length: Math.max(one.hidden.length, other.hidden.length) }, (_, i) =>
    Math.abs(width(one, i) - width(other, i)));
  return layers.reduce((sum, each) => sum + each, 0) +
    100 * Number(one.activation !== other.activation) + 50 * Number(one.optimizer !== other.optimizer) +
    Math.abs(Math.log2(one.batch / other.batch)) + 10 * Math.abs(one.dropout - other.dropout);
}

/** The nearest settings that can be trained. @param {Settings} settings @param {Offer[] | null} offers
 * @returns {Settings} */
export function nearest(settings, offers) {
  if (!offers?.length) return settings;
  const found = offers.reduce((best, each) => distance(each, settings) < distance(best, settings) ? each : best);
  const rate = found.optimizer === settings.optimizer ? settings.rate : usualRate(found.optimizer);
  return { ...settings, ...found, rate };
}

/** Why settings cannot be trained, and what can be done; "" where they can.
 * @param {Settings} settings @param {Offer[] | null} offers */
export function missing(settings, offers) {
  const near = nearest(settings, offers);
  const names = /** @type {(keyof Offer)[]} */ (["hidden", "activation", "optimizer", "batch", "dropout"]);
  const [name] = names.filter((each) => String(near[each]) !== String(settings[each]));
  if (!name) return "";
  const said = (/** @type {Settings} */ of) => String(of[name]).replaceAll(",", ", ") || "none";
  return `${name}: this page was exported without ${said(settings)}; the nearest that it has is ${said(near)}. ` +
    `Who made this page adds it by ${commandFor(settings)}`;
}

/** The command that exports a network. @param {Offer} settings */
function commandFor({ hidden, activation, optimizer, batch, dropout }) {
  const clauses = hidden.length ? [`widths ${[...new Set(hidden)].sort((a, b) => a - b)}`] : [];
  clauses.push(`depth ${hidden.length}`);
  if (activation !== DEFAULTS.activation) clauses.push(`activation ${activation}`);
  if (!["sgd", "adam"].includes(optimizer)) clauses.push(`optimizer ${optimizer}`);
  if (batch !== DEFAULTS.batch) clauses.push(`batch ${batch}`);
  if (dropout) clauses.push(`dropout ${dropout}`);
  return `python -m viz export DIR --architectures "${clauses.join("; ")}"`;
}

/** Show what cannot be chosen as such, and why. @param {Offer[] | null} offers
 * @param {boolean} weights whether there are some to go on from */
export function showOffers(offers, weights) {
  const note = byId("offered");
  note.hidden = !offers;
  if (!offers) return;
  byId("runs").hidden = true; // there is no server that they are on
  const take = first(byId("weights"), "[data-weights=fetch]");
  write(take, "Take the exported ones");
  take.title = "Go on from those that this page was exported with";
  take.setAttribute("aria-disabled", String(!weights)); // and the export answers with the command
  const values = (/** @type {keyof Offer} */ name) => [...new Set(offers.map((each) => String(each[name])))];
  for (const option of byId("settings").querySelectorAll("option")) {
    const name = option.closest("select")?.name === "activation" ? "activation" : "optimizer";
    option.disabled = !values(name).includes(option.value);
  }
  const widths = [...new Set(offers.flatMap(({ hidden }) => hidden))].sort((a, b) => a - b);
  const depths = [...new Set(offers.map(({ hidden }) => hidden.length))].sort((a, b) => a - b);
  writeWithCode(note, `This page has no server. It trains the networks that it was exported with: ${depths.join(", ")} hidden ` +
    `layers; widths ${widths.join(", ") || "none"}; ${values("activation").join(", ")}; ${values("optimizer").join(", ")}; ` +
    `batch ${values("batch").join(", ")}; dropout ${values("dropout").join(", ")}. Who made it adds others by ` +
    `python -m viz export DIR --architectures "widths 64,300; depth 0-3; activation relu,tanh; batch 1,128"` +
    (weights ? "" : " --weights runs/first, where the weights are to go on from"));
}
