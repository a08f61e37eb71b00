// @ts-check
// How a worker fetches examples: in blocks, several at a time, and tells how far that is.

import { untilDone } from "./again.js";
import { samplesAddress } from "./api.js";
import { blockOf } from "./blocks.js";

/** @typedef {import("./api.js").Dataset} Dataset */

/** So many examples, from the `first` of their set on. @typedef {{address: string, first: number, count: number}} Block */

/** How many blocks there are, and of them how many are here, on their way, and asked for again as they
 * failed; and why that is. @typedef {{all: number, here: number, coming: number, failed: number, problem: string}} Loaded */

/** @param {Loaded} loaded */
export const inWords = ({ all, here, coming, failed }) =>
  `of ${all} blocks ${here} are here, ${coming} on their way${failed ? `, ${failed} asked for again` : ""}`;

/** @param {number} bytes */
export const megabytes = (bytes) => `${Math.ceil(bytes / 1e6)}\u00a0MB`;

const AT_ONCE = 4; // blocks on their way

/** The blocks of a set. @param {Dataset} dataset @param {string} split @returns {Block[]} */
export function blocksOf(dataset, split) {
  const block = blockOf(dataset);
  const { count } = dataset.splits[split];
  return Array.from({ length: Math.ceil(count / block) }, (_, number) => ({
    address: samplesAddress(dataset, split, `blocks/${block}/${number}`),
    first: number * block,
    count: Math.min(block, count - number * block),
  }));
}

/** Fetch all blocks, each until it is here, and tell how far that is. @template {Block} Kind
 * @param {Kind[]} blocks they are taken from its front: the rest may have another order meanwhile
 * @param {(block: Kind) => Promise<void>} get @param {(loaded: Loaded) => void} tell */
export async function fetchAll(blocks, get, tell) {
  const all = blocks.length;
  let [asked, here] = [0, 0];
  /** @type {Map<Block, string>} */ const failing = new Map(); // and why
  const say = () => {
    const [failed, [problem = ""]] = [failing.size, failing.values()];
    tell({ all, here, coming: asked - here - failed, failed, problem });
  };
  const work = async () => {
    for (let block = blocks.shift(); block; block = blocks.shift()) {
      const own = block;
      asked += 1;
      say();
      await untilDone(() => get(own), (problem) => {
        if (problem) failing.set(own, problem);
        else failing.delete(own);
        here += Number(!problem);
        say();
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
