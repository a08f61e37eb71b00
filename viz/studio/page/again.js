// @ts-check
// What fails because the server is away is done again until it succeeds: in longer and longer
// intervals, at once when the machine is online again, and when a person says so.

const FIRST = 1000; // milliseconds of waiting, the first time,
const MOST = 15_000; // and at most

/** @type {Set<() => void>} */ const waiting = new Set();

/** Do at once what waits to be done again. */
export function again() {
  for (const go of waiting) go();
}

addEventListener("online", again);

/** What some work gives, however often it fails before. @template Result @param {() => Promise<Result>} work
 * @param {(problem: string) => void} tell what went wrong each time, and "" when it is done */
export async function untilDone(work, tell) {
  for (let wait = FIRST;; wait = Math.min(2 * wait, MOST)) {
    try {
      const result = await work();
      tell("");
      return result;
    } catch (error) {
      tell(error instanceof Error ? error.message : String(error));
    }
    await pause(wait);
  }
}

/** @param {number} wait @returns {Promise<void>} */
const pause = (wait) =>
  new Promise((done) => {
    const go = () => {
      clearTimeout(timer);
      waiting.delete(go);
      done();
    };
    const timer = setTimeout(go, wait);
    waiting.add(go);
  });
