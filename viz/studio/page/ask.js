// @ts-check
// How the API is asked. An export, which has no server but files, has another file in this place.

import { reach } from "./host.js";

export const isServed = true; // so that the API makes pages, too

/** What the API answers. Throws an Error in words where nothing does.
 * @param {string} path below /api @param {RequestInit} [how] @returns {Promise<Response>} */
export const ask = (path, how) => reach(path, how);
