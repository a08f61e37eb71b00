// @ts-check
// The service worker of an export: it keeps all files of the page, and answers with them. What they
// hold has a name, which the export writes into this file: where that is another one, a browser
// takes this worker for a new one, which fetches all files anew.

/**
 * @typedef {Event & {waitUntil: (done: Promise<unknown>) => void}} Extendable
 * @typedef {Extendable & {request: Request, respondWith: (answer: Promise<Response>) => void}} Asked
 * @typedef {EventTarget & {registration: {scope: string}, skipWaiting: () => Promise<void>}} Worker
 */

const CONTENT = "";
const worker = /** @type {Worker} */ (/** @type {unknown} */ (self));
// One host may have several exports, and other pages with caches of their own.
const OURS = `chainrule ${worker.registration.scope} `;

async function keep() {
  const files = await (await fetch("files.json", { cache: "no-cache" })).json();
  const cache = await caches.open(OURS + CONTENT);
  // Asked anew, each: what the browser kept may be of the export before.
  await cache.addAll(["./", ...files].map((name) => new Request(encodeURI(name), { cache: "no-cache" })));
  await worker.skipWaiting();
}

async function clear() {
  const old = (await caches.keys()).filter((name) => name.startsWith(OURS) && name !== OURS + CONTENT);
  await Promise.all(old.map((name) => caches.delete(name)));
}

/** What is kept; where a browser keeps nothing any more, what the host has. @param {Request} request */
async function answer(request) {
  const how = { cacheName: OURS + CONTENT, ignoreSearch: true, ignoreVary: true };
  return await caches.match(request, how).catch(() => undefined) ?? await fetch(request);
}

worker.addEventListener("install", (event) => /** @type {Extendable} */ (event).waitUntil(keep()));
worker.addEventListener("activate", (event) => /** @type {Extendable} */ (event).waitUntil(clear()));
worker.addEventListener("fetch", (event) => {
  const asked = /** @type {Asked} */ (event);
  if (asked.request.method === "GET") asked.respondWith(answer(asked.request));
});
