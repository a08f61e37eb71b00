// @ts-check
// What the tests of the loader share: module.wat, assembled (`MODULE` is the file), and its
// manifest, as it is or with changes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { env } from "node:process";
import given from "./module.json" with { type: "json" };

/** @typedef {(string | number)[]} Path to a member of a member */
/** @typedef {Record<string | number, unknown>} Members */

export const BYTES = new Uint8Array(readFileSync(String(env.MODULE)));
export { given };

/** The manifest, in which some things are others; undefined takes one out.
 * @param {[Path, unknown][]} changes */
export function manifest(...changes) {
  const made = /** @type {Members} */ (structuredClone(/** @type {unknown} */ (given)));
  for (const [path, value] of changes) {
    const last = path[path.length - 1];
    let inner = made;
    for (const key of path.slice(0, -1)) inner = /** @type {Members} */ (inner[key]);
    const member = { value, enumerable: true, writable: true, configurable: true };
    if (value !== undefined) Object.defineProperty(inner, last, member); // "__proto__", too
    else if (Array.isArray(inner)) inner.splice(Number(last), 1);
    else delete inner[last];
  }
  return made;
}

/** The path to an array. @param {string} name @param {string | null} [entry] @returns {Path} */
export function pathTo(name, entry = null) {
  const found = given.arrays.findIndex((each) => each.name === name && each.entry === entry);
  return ["arrays", found];
}

/** What an Error says that is thrown on purpose: JavaScript's own are TypeErrors and others.
 * @param {unknown} error */
export function said(error) {
  assert.ok(error instanceof Error && error.constructor === Error, String(error));
  return error.message;
}
