// @ts-check
// The examples as they arrive: from the worker that reads them to the one that draws them, and what is
// said of that meanwhile.

import { byId, write } from "../../../page/dom.js";
import { workerOf } from "../host.js";
import { inWords, megabytes } from "../loading.js";
import { texelsOf } from "./layers.js";
import { NOBODY } from "./order.js";
import { Stage } from "./stage.js";

/** @typedef {import("../api.js").Dataset} Dataset */
/** @typedef {import("./order.js").Known} Known */

/** Who is told. known: more is known of the examples. looks: the mean picture of each class. drawn: more
 * of them are on the canvas. restored: which has to be told anew what is seen.
 * @typedef {{known: () => void, looks: (means: Float32Array[]) => void, drawn: () => void, restored: () => void}} Tell */

const LOST = "The browser took the graphics memory away; the examples come back by themselves.";

export class Supply {
  /** @param {Dataset} dataset @param {Known} known that this adds to @param {HTMLCanvasElement} canvas
   * @param {import("../app.js").Complain} complain @param {Tell} tell
   * @param {number[]} first the layers that come first */
  constructor(dataset, known, canvas, complain, tell, first) {
    this.dataset = dataset;
    this.known = known;
    this.complain = complain;
    this.tell = tell;
    this.total = known.labels.length;
    this.first = first;
    this.isLoading = true;
    this.drawn = 0; // examples
    this.loaded = { all: 0, here: 0, coming: 0, failed: 0, problem: "" }; // blocks of them
    this.stage = new Stage(canvas, this.total, (said) => this.#takeDrawn(said));
    /** @type {Worker | null} */ this.reader = null;
    this.#read();
  }

  #read() {
    this.reader?.terminate();
    this.isLoading = true;
    this.reader = workerOf("data/reader.js");
    this.reader.onmessage = ({ data }) => this.#take(data);
    this.reader.onerror = () => this.#fail("the examples cannot be read: reload the page");
    this.#tellReader({ kind: "read", dataset: this.dataset, layers: this.first });
  }

  /** These layers are in sight now. @param {number[]} layers */
  prefer(layers) {
    if (!this.isLoading || String(layers) === String(this.first)) return;
    this.first = layers;
    this.#tellReader({ kind: "first", layers });
  }

  /** @param {import("./reader.js").Order} order */
  #tellReader(order) {
    this.reader?.postMessage(order);
  }

  /** @param {import("./painter.js").Said} said */
  #takeDrawn(said) {
    if (said.kind === "drawn") this.drawn = said.done;
    if (said.kind === "lost") this.#explain(LOST);
    if (said.kind === "undrawable") {
      this.drawn = this.total; // there is nothing to wait for
      this.#explain(`The examples cannot be drawn: ${said.message}. All else is here.`);
    }
    if (said.kind === "restored") {
      this.#explain("");
      this.drawn = 0;
      this.#read();
      this.tell.restored();
    }
    this.#show();
  }

  /** @param {import("./reader.js").Said} said */
  #take(said) {
    const { known } = this;
    if (said.kind === "layer") return this.stage.take(said.layer);
    if (said.kind === "failed") this.#fail(said.message);
    if (said.kind === "labels") {
      if (known.labels[said.first] === NOBODY) known.known += said.labels.length; // they may come again
      known.labels.set(said.labels, said.first);
    }
    if (said.kind === "loading") {
      this.loaded = said.loaded;
      this.complain(said.loaded.problem, () => this.#tellReader({ kind: "again" }));
    }
    if (said.kind === "looks") {
      this.isLoading = false;
      this.reader?.terminate(); // and with it its copy of all examples
      this.reader = null;
      Object.assign(known, { ink: said.ink, odd: said.odd });
      this.tell.looks(said.means);
    }
    this.#show();
    this.tell.known();
  }

  /** How far it is, in words; "" where all are on the canvas. */
  get coming() {
    if (!this.isLoading && this.drawn >= this.total) return "";
    const [here, all] = [this.drawn, this.total].map((number) => number.toLocaleString("en"));
    return `${here} of ${all} pictures are here${this.loaded.failed ? ", others are asked for again" : ""}`;
  }

  #show() {
    const loading = byId("loading", HTMLProgressElement);
    loading.hidden = !this.coming;
    loading.max = this.total;
    loading.value = this.drawn;
    const bytes = megabytes(texelsOf(this.total));
    write(byId("held"), `This view: ${inWords(this.loaded)}; their pictures take ${bytes} of the graphics' memory.`);
    this.tell.drawn();
  }

  /** Why the stage is empty, where it is; the page's own complaint is of what came last.
   * @param {string} why */
  #explain(why) {
    byId("unseen").hidden = !why;
    write(byId("unseen"), why);
  }

  /** @param {string} message */
  #fail(message) {
    this.isLoading = false;
    this.complain(message);
  }
}
