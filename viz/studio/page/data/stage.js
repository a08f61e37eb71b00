// @ts-check
// The canvas of the examples as the page knows it: what is to be seen goes to the painter, which
// says how far it is.

import { workerOf } from "../host.js";
import { rowOf } from "./layers.js";

/** @typedef {import("./painter.js").Look} Look */
/** @typedef {import("./painter.js").Order} Order */
/** @typedef {import("./painter.js").Said} Said */
/** @typedef {import("./reader.js").Layer} Layer */

export class Stage {
  /** @param {HTMLCanvasElement} canvas @param {number} total examples
   * @param {(said: Said) => void} told */
  constructor(canvas, total, told) {
    this.told = told;
    this.seen = ""; // by the painter
    /** @type {Uint32Array | null} */ this.order = null; // that the painter knows
    this.painter = workerOf("data/painter.js");
    this.painter.onmessage = ({ data }) => this.#take(data);
    this.painter.onerror = () => told({ kind: "undrawable", message: "its worker has ended" });
    try {
      const own = canvas.transferControlToOffscreen();
      this.#tell({ kind: "begin", canvas: own, total, row: rowOf(total) }, [own]);
    } catch {
      told({ kind: "undrawable", message: "this browser draws in no worker" });
    }
  }

  /** @param {Order} order @param {Transferable[]} [given] */
  #tell(order, given = []) {
    this.painter.postMessage(order, given);
  }

  /** @param {Said} said */
  #take(said) {
    if (said.kind === "restored") { // and knows nothing
      this.seen = "";
      this.order = null;
    }
    this.told(said);
  }

  /** Show this, if it is not what is shown. @param {Omit<Look, "order">} look
   * @param {Uint32Array} order which example is in which slot: another array where it changes */
  show(look, order) {
    const seen = JSON.stringify(look);
    const isNew = order !== this.order;
    if (seen === this.seen && !isNew) return;
    this.seen = seen;
    this.order = order;
    this.#tell({ kind: "look", look: { ...look, order: isNew ? order : null } });
  }

  /** @param {Layer} layer */
  take(layer) {
    this.#tell({ kind: "layer", layer }, layer.levels.map(({ buffer }) => buffer));
  }
}
