// @ts-check
// Draws the charts: each when it comes near the window, and again when the axes or the colours of
// the page change. What they show was decided in charts.py.

import { byId } from "../page/dom.js";

/** @typedef {{data: object[], layout: object}} Chart */

/** @typedef {(place: Element, data: object[], layout: object, config: object) => void} React */

/** By the id of its place, a chart for each kind of axes, or one for all. @type {Record<string, Record<string, Chart>>} */
const charts = JSON.parse(byId("charts").textContent);
const plotly = /** @type {Window & typeof globalThis & {Plotly: {react: React}}} */ (window).Plotly;
const dark = matchMedia("(prefers-color-scheme: dark)");
// Dragging over a chart zooms where there is a mouse; a finger scrolls the page.
const dragmode = matchMedia("(pointer: fine)").matches ? "zoom" : false;
// Of the entries of a histogram: where its scale changes from one colour to the next.
const SHARES = [0, 0.0001, 0.001, 0.01, 0.03, 0.1, 1];

const chosen = /** @type {HTMLInputElement | null} */ (document.querySelector("#axes :checked"));
let axes = chosen?.value ?? "linear"; // a browser may remember it when the page is loaded again
/** @type {Set<HTMLElement>} */
const drawn = new Set();

/** What the charts take from the page's style. */
function template() {
  const style = getComputedStyle(document.documentElement);
  const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const axis = {
    gridcolor: color("--line"), zerolinecolor: color("--line"), linecolor: color("--line"),
    automargin: true, title: { standoff: 8 },
  };
  const colorscale = SHARES.map((share, i) => [share, color(`--s${i}`)]);
  return {
    layout: {
      paper_bgcolor: "transparent", plot_bgcolor: color("--panel"),
      font: { color: color("--ink"), family: "system-ui, sans-serif", size: 13 },
      margin: { l: 8, r: 12, t: 12, b: 8 }, xaxis: axis, yaxis: axis,
    },
    data: { heatmap: [{ colorscale }] },
  };
}

/** @param {HTMLElement} place */
function draw(place) {
  const kinds = charts[place.id];
  const { data, layout } = kinds[axes] ?? kinds.linear;
  const config = { displayModeBar: false, responsive: true };
  plotly.react(place, data, { ...layout, dragmode, template: template() }, config);
  drawn.add(place);
}

const places = Object.keys(charts).map((id) => byId(id));
const near = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    draw(/** @type {HTMLElement} */ (target));
  }
}, { rootMargin: "400px" });
places.forEach((place) => near.observe(place));

dark.addEventListener("change", () => {
  drawn.forEach((place) => near.observe(place)); // which draws what can be seen now, the rest later
  drawn.clear();
});
addEventListener("beforeprint", () => places.filter((place) => place.checkVisibility()).forEach(draw));
document.getElementById("axes")?.addEventListener("change", (event) => {
  axes = /** @type {HTMLInputElement} */ (event.target).value;
  places.filter((place) => "log" in charts[place.id]).forEach(draw);
});
