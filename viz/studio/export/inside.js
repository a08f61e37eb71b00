// @ts-check
// Where a page of one file finds what it asks for: in itself. It stands in the place of
// page/host.js, in the page and in its workers.

import { byId, streamed } from "../../page/dom.js";

/** Files in one piece, one after the other: of each how long it is, by its path.
 * @typedef {{lengths: Record<string, number>, packed: string}} Pack */

const FILES = "files"; // the element of the page, the variable of a worker
/** @type {Pack[] | undefined} */ let packs;

/** In a worker they are there from its beginning: see `workerOf`. */
function found() {
  const inPage = "document" in globalThis; // where an element's id is a variable too
  packs ??= /** @type {Pack[]} */ (
    inPage ? JSON.parse(byId(FILES).textContent) : /** @type {Record<string, unknown>} */ (globalThis)[FILES]
  );
  return packs;
}

/** Nothing in a page of one file has an address. @param {string} path */
export const addressOf = (path) => path;

/** What lies below api/. @param {string} path @returns {Promise<Response>} */
export async function reach(path) {
  const wanted = decodeURIComponent(path);
  const pack = found().find(({ lengths }) => Object.hasOwn(lengths, wanted));
  if (!pack) return new Response(null, { status: 404 });
  const names = Object.keys(pack.lengths);
  const before = names.slice(0, names.indexOf(wanted)).reduce((sum, name) => sum + pack.lengths[name], 0);
  const bytes = await new Response(streamed(pack.packed)).arrayBuffer();
  return new Response(bytes.slice(before, before + pack.lengths[wanted]));
}

/** A worker, whose script lies in the page. From a disk browsers run no worker that is a module:
 * strict is what modules are. @param {string} file below the page's folder */
export function workerOf(file) {
  const parts = [`"use strict";\nself.${FILES} = `, byId(FILES).textContent, ";\n", byId(file).textContent];
  const address = URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));
  return new Worker(address);
}
