// @ts-check
// The API of an export, which has no server: what is asked of it lies in files of the same names,
// those of examples packed by gzip. It stands in the place of page/ask.js.

import { blockOf } from "../page/blocks.js";
import { reach } from "../page/host.js";

export const isServed = false;

/** @typedef {import("../page/api.js").Dataset} Dataset */
/** @typedef {import("../page/api.js").Server} Server */

/** The answer of the API. Throws an Error in words where the files cannot be had.
 * @param {string} path below /api @param {RequestInit} [how] @returns {Promise<Response>} */
export async function ask(path, how) {
  if (how?.method && how.method !== "GET") return refused("nothing can be changed: this page has no server");
  const [address] = path.split("?");
  const [kind, name, ...rest] = address.split("/");
  if (kind === "samples") return await samples(name, rest);
  if (kind === "modules") return await module(name, rest[0]);
  if (address === "weights") return await weights();
  if (kind === "server" || kind === "datasets") return await file(/\.wasm$/.test(address) ? address : `${address}.json`);
  return refused(`this page has no server, and no ${address}`);
}

/** @param {string} message */
const refused = (message) => Response.json({ error: { message } }, { status: 404 });

/** @param {string} path as `ask` was given it: what is a % in it is one in the file's name */
async function file(path) {
  let answer;
  try {
    answer = await reach(path.replaceAll("%", "%25"));
  } catch (cause) {
    throw new Error(`${path}: the files of this page cannot be reached`, { cause });
  }
  if (answer.ok) return answer;
  throw new Error(`${path}: the host of this page answered ${answer.status}; export it again`);
}

/** @type {Promise<Server> | undefined} */ let known;

function server() {
  known ??= file("server.json").then((answer) => answer.json()).catch((error) => {
    known = undefined; // the next one asks again
    throw error;
  });
  return known;
}

/** @param {string} name of an architecture @param {string} what manifest or module.wasm */
async function module(name, what) {
  const { architectures = [] } = await server();
  const known = architectures.includes(name.replace(/_relaxed$/, "")); // each is there in both kinds
  if (!known) return refused(`${name} is no network of this page`);
  return await file(`modules/${name}/${what === "manifest" ? "manifest.json" : what}`);
}

async function weights() {
  const { weights } = await server();
  return weights ? await file("weights.safetensors") : refused("this page was exported without weights. One that has them: python -m viz export DIR --weights runs/first");
}

// --- examples ---

/** @param {string} name of a dataset @param {string[]} rest of the address: the set, and what of it */
async function samples(name, [split, what, ...numbers]) {
  const folder = `samples/${name}/${split}`;
  if (what === "blocks") return await unpacked(`${folder}/blocks/${numbers.join("/")}.bin`);
  if (what === "thumbnails") return await unpacked(`${folder}/thumbnails.bin`);
  const dataset = /** @type {Dataset} */ (await (await file(`datasets/${name}.json`)).json());
  const { shape, splits } = dataset;
  const block = blockOf(dataset);
  const bytes = shape.reduce((product, length) => product * length, 1) * (dataset.dtype === "uint8" ? 1 : 4);
  const [number, at] = [Math.floor(Number(what) / block), Number(what) % block];
  const answer = await unpacked(`${folder}/blocks/${block}/${number}.bin`);
  const all = new Uint8Array(await answer.arrayBuffer());
  const labels = Math.min(block, splits[split].count - number * block) * bytes + 2 * at; // behind the entries
  return new Response(new Blob([all.slice(at * bytes, (at + 1) * bytes), all.slice(labels, labels + 2)]));
}

/** @param {string} path */
async function unpacked(path) {
  const { body } = await file(path);
  return new Response(body && body.pipeThrough(new DecompressionStream("gzip")));
}
