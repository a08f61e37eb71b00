// @ts-check
// The part of Train in which the network that is set there races: on the server by compiled C, here by
// WebAssembly of both kinds, one after the other and lap by lap.

import { byId, element, write } from "../../../page/dom.js";
import { written } from "../../../page/ticks.js";
import { variant } from "../../../page/wasm.js";
import { order, token } from "../api.js";
import { writeWithCode } from "../commands.js";
import { architectureOf } from "../train/settings.js";
import { agreement, called, fastest, figuresOf, stepsOf, unsteady, whole } from "./race.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("../train/session.js").Session} Session */
/** @typedef {import("../train/settings.js").Settings} Settings */
/** @typedef {import("./race.js").Result} Result */

/** What the server says of a lap. cores: threads that it may use.
 * @typedef {{by: string, how: string, threads: number, cores: number, seconds: number, losses: (number | null)[]}} Served */

/** One of a race, and how it makes a lap.
 * @typedef {{result: Result, lap: () => Promise<{seconds: number, losses: number[]}>}} Racer */

const ROUNDS = 5;
const [FEW, SLOW] = [3, 10_000]; // rounds, where one takes longer than so many milliseconds
const RELAXED = "relaxed WebAssembly";
const LEARNS = "The training goes on, or another one.";

/** It was ended, by a person or by the training. */
class Ended extends Error {}

export class Race {
  /** @param {Dataset} dataset @param {Session} session @param {boolean} hasServer
   * @param {() => Settings | null} settings null where a field is wrong, which is said there */
  constructor(dataset, session, hasServer, settings) {
    this.dataset = dataset;
    this.session = session;
    this.hasServer = hasServer;
    this.settings = settings;
    /** @type {AbortController | null} */ this.racing = null;
    this.flops = 0; // of a step
    /** @type {string[]} */ this.notes = []; // who does not race, and why
    this.go = element("button", { type: "button" }, "Race");
    this.now = element("p", { class: "help" });
    this.says = element("p", { role: "status" });
    this.caption = element("caption");
    this.rows = element("tbody");
    const heads = ["Who", "Threads", "images/s", "GFLOP/s", "Loss"].map((name) => element("th", { scope: "col" }, name));
    this.table = element("table", { id: "race-list", hidden: "" }, this.caption, element("thead", {}, element("tr", {}, ...heads)), this.rows);
    const part = byId("race", HTMLDetailsElement);
    part.append(this.go, this.now, this.says, element("div", { class: "wide" }, this.table));
    this.go.addEventListener("click", () => this.racing ? this.racing.abort() : void this.#race());
    part.addEventListener("toggle", () => part.open || this.racing?.abort());
  }

  async #race() {
    const settings = this.settings();
    if (!settings) return write(this.says, "A field above is wrong: mend it first.");
    const { session } = this;
    const racing = new AbortController();
    const wasRunning = session.isRunning;
    this.racing = racing;
    this.notes = [];
    write(this.go, "End the race");
    write(this.says, `They race. ${wasRunning ? "The training is paused for it." : ""}`);
    session.pause();
    const ended = new Promise((_, fail) => racing.signal.addEventListener("abort", () => fail(new Ended()), { once: true }));
    try {
      const told = await Promise.race([this.#raced(settings, racing.signal), ended]); // at once, whoever is on the way
      const waits = wasRunning ? ` The training waits at step ${session.progress.step.toLocaleString("en")}: Go on learns on.` : "";
      writeWithCode(this.says, `${told}${waits}`);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      write(this.says, error instanceof Ended ? `The race was ended. ${why}`.trim() : why);
    }
    racing.abort();
    session.questions.order({ kind: "race", lap: null });
    this.racing = null;
    write(this.now, "");
    write(this.go, "Race");
  }

  /** Race, and give what came of it. @param {Settings} settings @param {AbortSignal} signal */
  async #raced(settings, signal) {
    const { sizes } = this.session;
    const { batch } = settings;
    const steps = stepsOf(sizes, batch, this.dataset.splits.train.count);
    const start = performance.now();
    /** @type {Racer[]} */ const racers = [
      ...await this.#served(settings, steps, signal),
      ...await this.#own(settings, steps, signal),
    ];
    const isSlow = performance.now() - start > SLOW;
    const rounds = isSlow ? FEW : ROUNDS;
    for (let round = 1; round <= rounds; round++) {
      const turned = round % 2 ? [...racers] : [...racers].reverse(); // none is always the first after another
      for (const racer of turned) {
        write(this.now, `round ${round} of ${rounds}: ${called(racer.result)}`);
        const lap = await this.#try(racer.result.name, racer.lap, signal);
        if (!lap) racers.splice(racers.indexOf(racer), 1);
        else racer.result.seconds.push(lap.seconds);
      }
    }
    const results = racers.map(({ result }) => result);
    if (!results.length) throw new Error(this.notes.join(" "));
    const made = `${sizes.join("-")}, ${settings.activation}, ${settings.optimizer}, batches of ${batch}: `;
    const each = `${steps.toLocaleString("en")} steps of ${written(this.flops / 1e6)} million floating-point operations, `;
    write(this.caption, `${made}${each}the median of ${rounds} rounds and their range; the loss is that of the last step`);
    const figures = this.#show(results, steps * batch, steps * this.flops);
    return [fastest(results, figures), unsteady(figures), agreement(results), ...this.notes].filter(Boolean).join(" ");
  }

  /** What a lap gives; null, with a note, where it fails.
   * @template Lap @param {string} name @param {() => Promise<Lap>} lap @param {AbortSignal} signal
   * @returns {Promise<Lap | null>} */
  async #try(name, lap, signal) {
    const { session } = this;
    const look = () => {
      if (signal.aborted) throw new Ended();
      if (session.isRunning || session.wanted) throw new Ended(LEARNS);
    };
    look();
    try {
      const found = await lap();
      look();
      return found;
    } catch (error) {
      if (error instanceof Ended || signal.aborted) throw error;
      const why = error instanceof Error ? error.message : String(error);
      this.notes.push(`Without ${name}: ${why}.`);
      return null;
    }
  }

  /** Those on the server, ready. @param {Settings} settings @param {number} steps
   * @param {AbortSignal} signal @returns {Promise<Racer[]>} */
  async #served(settings, steps, signal) {
    if (!this.hasServer) {
      this.notes.push("Without C: this page has no server. On your own machine, python -m viz studio races it too.");
      return [];
    }
    if (token() === null) {
      this.notes.push("Without C: it is for who has the studio's token. Open the address that the studio printed.");
      return [];
    }
    const { rate, momentum, decay, seed } = settings;
    const entry = {
      dataset: this.dataset.name, architecture: architectureOf(settings, this.dataset, false), rate, momentum, decay, seed, steps,
    };
    const ask = async (/** @type {string} */ threads) =>
      /** @type {Served} */ (await order("POST", "race", undefined, { ...entry, threads }, signal));
    const racers = /** @type {Racer[]} */ ([]);
    let cores = 1;
    for (const threads of ["one", "all"]) {
      if (threads === "all" && cores < 2) break;
      write(this.now, "C is compiled ...");
      const first = await this.#try("C", () => ask(threads), signal);
      if (!first) break;
      cores = first.cores;
      const why = first.how.replace(/^replayed by NumPy: /, "");
      const name = first.by === "C" ? "C" : `NumPy (${why})`;
      racers.push({
        result: { name, threads: first.threads, seconds: [], losses: numbers(first.losses) },
        lap: async () => {
          const { seconds, losses } = await ask(threads);
          return { seconds, losses: numbers(losses) };
        },
      });
    }
    return racers;
  }

  /** Those of the page, ready. @param {Settings} settings @param {number} steps
   * @param {AbortSignal} signal @returns {Promise<Racer[]>} */
  async #own(settings, steps, signal) {
    const kinds = /** @type {("v128" | "relaxed")[]} */ (variant() === "relaxed" ? ["v128", "relaxed"] : ["v128"]);
    if (kinds.length < 2) this.notes.push(`Without ${RELAXED}: this browser has none.`);
    const racers = /** @type {Racer[]} */ ([]);
    for (const simd of kinds) {
      const name = simd === "relaxed" ? RELAXED : "WebAssembly";
      write(this.now, `${name} is made ...`);
      const lap = async () => {
        const { lapped, problem } = await this.session.questions.lap({ settings, simd, steps });
        if (problem) throw new Error(problem);
        if (!lapped) throw new Ended(LEARNS);
        return lapped;
      };
      const first = await this.#try(name, lap, signal);
      if (!first) continue;
      this.flops = first.flops;
      racers.push({ result: { name, threads: 1, seconds: [], losses: first.losses }, lap });
    }
    return racers;
  }

  /** @param {Result[]} results @param {number} images of a lap @param {number} flops of it */
  #show(results, images, flops) {
    const figures = results.map((result) => figuresOf(result, images, flops));
    const best = Math.max(...figures.map(({ speed }) => speed));
    this.rows.replaceChildren(...results.map(({ name, threads, losses }, i) => {
      const { speed, least, most, gflops } = figures[i];
      const bar = element("span", { class: "bar", "aria-hidden": "true" });
      bar.style.width = `${(100 * speed) / best}%`;
      return element("tr", {},
        element("th", { scope: "row" }, name, bar),
        element("td", {}, String(threads)),
        element("td", {}, whole(speed), element("small", {}, `${whole(least)} to ${whole(most)}`)),
        element("td", {}, flops ? gflops.toFixed(1) : "…"),
        element("td", {}, losses[losses.length - 1].toPrecision(5)));
    }));
    this.table.hidden = false;
    return figures;
  }
}

/** @param {(number | null)[]} losses null, where they are no numbers */
const numbers = (losses) => losses.map((each) => each ?? NaN);
