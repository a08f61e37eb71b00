// @ts-check
// How a worker fetches examples: in blocks, several at a time, and tells how far that is.

import { samplesAddress } from "./api.js";
import { blockOf } from "./blocks.js";

/** @typedef {import("./api.js").Dataset} Dataset */

/** So many examples, from the `first` of their set on. @typedef {{address: string, first: number, count: number}} Block */

/** How many blocks there are, and of them how many are here and on their way.
 * @typedef {{all: number, here: number, coming: number}} Loaded */

/** @param {Loaded} loaded */
export const inWords = ({ all, here, coming }) => `of ${all} blocks ${here} are here, ${coming} on their way`;

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

/** Fetch all blocks, in their order, and tell after each. @template {Block} Kind @param {Kind[]} blocks
 * @param {(block: Kind) => Promise<void>} get @param {(loaded: Loaded) => void} tell */
export async function fetchAll(blocks, get, tell) {
  const all = blocks.length;
  let [next, here] = [0, 0];
  const say = () => tell({ all, here, coming: next - here });
  const work = async () => {
    while (next < all) {
      const block = blocks[next++];
      say();
      await get(block);
      here += 1;
      say();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
