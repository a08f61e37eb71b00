// @ts-check
// Where the page came from, and so where all that it asks for lies. A page of one file has another
// file in the place of this one.

// Relative to this file, so that a page in any folder of a host finds its own; in a worker too.
const BASE = new URL("../../api/", import.meta.url).href;

/** @param {string} path below api/ */
export const addressOf = (path) => BASE + path;

/** What lies below api/. Throws an Error in words where nothing answers.
 * @param {string} path @param {RequestInit} [how] */
export async function reach(path, how) {
  try {
    return await fetch(addressOf(path), how);
  } catch (cause) {
    throw new Error("the server does not answer: is it still running?", { cause });
  }
}

/** A worker. @param {string} file below this folder */
export const workerOf = (file) => new Worker(new URL(`./${file}`, import.meta.url), { type: "module" });
