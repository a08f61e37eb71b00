// @ts-check
// What the page asks of the server, and what it cannot be given, in words.

import { ask } from "./ask.js";
import { addressOf } from "./host.js";

/**
 * @typedef {{count: number, sha256: string}} Split
 * @typedef {{
 *   name: string, shape: number[], classes: string[], splits: Record<string, Split>,
 *   scale: number, dtype: "uint8" | "float32", thumbnail: {shape: number[]}, whole?: Record<string, Split>,
 * }} Dataset `whole`: the sets that an export, which may have less of them, was made from
 * @typedef {{
 *   version: number, writable: boolean, datasets: string[], architectures?: string[], weights?: boolean,
 * }} Server `architectures`, `weights`: what an export has; a server makes any network
 */

/** Where an example, or all of them small, can be fetched.
 * @param {Dataset} dataset @param {string} split @param {string} what */
export function samplesAddress(dataset, split, what) {
  const { name, splits } = dataset;
  return `samples/${encodeURIComponent(name)}/${split}/${what}?sha256=${splits[split].sha256}`;
}

/** What this server is. Throws an Error in words, as all here. */
export const serverOf = async () => /** @type {Server} */ (await get("server"));

/** @param {string} name */
export const datasetOf = async (name) =>
  /** @type {Dataset} */ (await get(`datasets/${encodeURIComponent(name)}`));

/** JSON from the server. @param {string} path @returns {Promise<unknown>} */
async function get(path) {
  const answer = await ask(path);
  const body = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  throw new Error(body?.error?.message ?? `${path}: the server answered ${answer.status}`);
}

/** The entries of one example. @param {Dataset} dataset @param {string} split
 * @param {number} index */
export async function sampleOf(dataset, split, index) {
  const headers = { Accept: "application/octet-stream" };
  const answer = await ask(samplesAddress(dataset, split, String(index)), { headers });
  if (!answer.ok) throw new Error(`${split} ${index}: the server answered ${answer.status}`);
  const bytes = await answer.arrayBuffer();
  const size = dataset.shape.reduce((product, length) => product * length, 1);
  return dataset.dtype === "uint8" ? new Uint8Array(bytes, 0, size) : new Float32Array(bytes, 0, size);
}

/** A module by its folder: `modules/` and an architecture, or the `novelty` of a dataset. @param {string} folder */
export async function moduleOf(folder) {
  const manifest = /** @type {{sha256: string}} */ (await get(`${folder}/manifest`));
  const bytes = await bytesOf(`${folder}/module.wasm?sha256=${manifest.sha256}`);
  const { sha256: _, ...rest } = manifest;
  return { manifest: rest, bytes };
}

/** @param {string} path @param {string} [media] */
async function bytesOf(path, media = "*/*") {
  const answer = await ask(path, { headers: { Accept: media } });
  if (answer.ok) return new Uint8Array(await answer.arrayBuffer());
  const body = await answer.json().catch(() => null);
  throw new Error(body?.error?.message ?? `${path}: the server answered ${answer.status}`);
}

/** The body of an answer, in pieces. @param {Response} answer @returns {AsyncGenerator<Uint8Array>} */
export async function* piecesOf({ body }) {
  const reader = body?.getReader();
  while (reader) {
    const { value, done } = await reader.read().catch((cause) => {
      throw new Error("the server broke off in the middle of an answer", { cause });
    });
    if (done) return;
    yield value;
  }
}

/** So many bytes, at an address of the server's. @param {string} address @param {number} length */
export async function bytesAt(address, length) {
  const answer = await ask(address, { headers: { Accept: "application/octet-stream" } });
  const bytes = new Uint8Array(length);
  let got = 0;
  for await (const piece of piecesOf(answer)) {
    if (got + piece.length <= length) bytes.set(piece, got);
    got += piece.length;
  }
  if (answer.ok && got === length) return bytes;
  const found = answer.ok ? `${got}` : `status ${answer.status}`;
  throw new Error(`${address}: expected ${length} bytes, found ${found}`);
}

/** @type {string | null} */ let kept = null; // where the browser keeps nothing for the page

/** Keep a token for this tab alone; whether it will be there after a reload. @param {string} given */
export function keepToken(given) {
  kept = given;
  try {
    sessionStorage.setItem("token", given);
    return true;
  } catch {
    return false; // forbidden, or full
  }
}

/** The token that the studio gave this tab; null where it gave none. Never in a frame: the page
 * around it could lead a person's clicks to buttons that they do not see. */
export function token() {
  if (self !== top) return null;
  try {
    return kept ?? sessionStorage.getItem("token");
  } catch {
    return kept;
  }
}

const FILE = "application/vnd.safetensors";

/** The file of the weights that the server serves. */
export const servedWeights = () => bytesOf("weights", FILE);

/** The ETag of the weights that the server serves. */
export async function tagOfWeights() {
  const answer = await ask("weights", { headers: { Accept: FILE }, method: "HEAD" });
  return answer.headers.get("etag") ?? "*";
}

/** Have the server serve these weights, in place of those that it serves now.
 * @param {Uint8Array<ArrayBuffer>} content */
export const sendWeights = async (content) => await written("PUT", await tagOfWeights(), content);

/** Have the server go back to a network that has not learned, if it still serves the weights of
 * this ETag. @param {string} tag */
export const deleteWeights = (tag) => written("DELETE", tag);

/** @param {string} method @param {string} tag @param {Uint8Array<ArrayBuffer>} [content]
 * @returns {Promise<{version: number}>} */
async function written(method, tag, content) {
  const headers = { "Authorization": `Bearer ${token()}`, "Content-Type": FILE, "If-Match": tag };
  return /** @type {{version: number}} */ (await said(ask("weights", { headers, method, body: content })));
}

/** A picture as a network sees it: examples of this shape, one after the other, and how they were made.
 * @param {Blob} picture @returns {Promise<{images: number[][], shape: number[], how: string}>} */
export async function preparedBy(picture) {
  const headers = { "Authorization": `Bearer ${token()}`, "Content-Type": picture.type, "Accept": "application/json" };
  const body = await said(ask("prepare", { method: "POST", headers, body: picture }));
  return /** @type {{images: number[][], shape: number[], how: string}} */ (body);
}

/** What the server answers, as JSON. @param {Promise<Response>} asked @returns {Promise<unknown>} */
async function said(asked) {
  const answer = await asked;
  const body = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  if (answer.status === 401) {
    dispatchEvent(new Event("wrong-token"));
    throw new Error("the studio was started anew, or has another token: open the address that it printed last, or type its token");
  }
  throw new Error(body?.error?.message ?? `the server answered ${answer.status}`);
}

/**
 * A network that learns, or has learned, outside the page. state: of its run; job: of the server's
 * job, null of a terminal's. isRun: it has a folder, which one that waits
 * has not. epoch: how far it is, of so many. accuracy: on the validation set.
 * @typedef {{
 *   name: string, isRun: boolean, state: string, job: string | null, sizes: number[] | null, activation: string | null,
 *   dataset: string | null, epochs: number | null, epoch: number | null, accuracy: number | null,
 * }} Work
 */

/** Those that there are, the newest first. @returns {Promise<Work[]>} */
export async function workOf() {
  const [runs, jobs] = await Promise.all([get("runs"), get("jobs")]);
  const all = /** @type {{id: string, state: string, dataset: string}[]} */ (jobs);
  const found = /** @type {Omit<Work, "job" | "isRun">[]} */ (runs);
  const waiting = all.filter(({ id }) => found.every(({ name }) => name !== id)).map(({ id, state, dataset }) => ({
    name: id, isRun: false, state, job: state, sizes: null, activation: null, dataset, epochs: null, epoch: null, accuracy: null,
  }));
  const states = new Map(all.map(({ id, state }) => [id, state]));
  return [...waiting, ...found.map((run) => ({ ...run, isRun: true, job: states.get(run.name) ?? null }))];
}

/** How one goes on, as events. @param {string} run */
export const eventsOf = (run) => new EventSource(addressOf(`runs/${encodeURIComponent(run)}/events`));

/** The file of what one has learned. @param {string} run */
export const weightsOfRun = (run) => bytesOf(`runs/${encodeURIComponent(run)}/weights`, FILE);

/** Have the server do something; gives what it says. @param {string} method @param {string} path
 * @param {string} [tag] of the weights that this may replace @param {object} [body] of JSON
 * @param {AbortSignal} [signal] that ends it */
export async function order(method, path, tag, body, signal) {
  const headers = {
    "Authorization": `Bearer ${token()}`,
    ...(tag === undefined ? {} : { "If-Match": tag }),
    ...(body ? { "Content-Type": "application/json" } : {}),
  };
  return await said(ask(path, { headers, method, body: body && JSON.stringify(body), signal }));
}
