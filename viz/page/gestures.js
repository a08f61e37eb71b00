// @ts-check
// What a person does with a chart, by mouse, finger and keys: look at what was measured somewhere,
// and see a part of it nearer.

import { longestOf, nearest } from "./points.js";
import { numberAt } from "./ticks.js";

/** @typedef {import("./chart.js").Chart} Chart */

const FAR = 10; // pixels that a drag is wide
const HOLD = 300; // milliseconds that a finger rests before it reads and drags no more

/** @param {Chart} chart */
export function listen(chart) {
  const { canvas } = chart;
  /** @type {{x: number, left: number} | null} */ let dragged = null; // where a drag began
  /** @type {ReturnType<typeof setTimeout> | 0} */ let rest = 0; // the timer of a finger
  const end = () => {
    clearTimeout(rest);
    dragged = null;
  };
  const isFar = (/** @type {PointerEvent} */ { clientX }) =>
    dragged !== null && Math.abs(clientX - dragged.left) > FAR;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    end();
    dragged = { x: xAt(chart, event), left: event.clientX };
    if (event.pointerType === "touch") rest = setTimeout(end, HOLD);
    chart.show(dragged.x); // a finger has not come over it before
  });
  canvas.addEventListener("pointermove", (event) => {
    if (isFar(event)) clearTimeout(rest);
    chart.show(xAt(chart, event));
  });
  canvas.addEventListener("pointerup", (event) => {
    const to = xAt(chart, event);
    if (dragged && isFar(event)) chart.zoom([Math.min(dragged.x, to), Math.max(dragged.x, to)]);
    end();
  });
  canvas.addEventListener("pointercancel", () => {
    end();
    chart.show(null); // the page is scrolled
  });
  // What a finger has touched stays to be read, until it touches something else.
  canvas.addEventListener("pointerleave", ({ pointerType }) => {
    if (pointerType !== "touch") chart.show(null);
  });
  document.addEventListener("pointerdown", ({ target, pointerType }) => {
    const isElsewhere = !(target instanceof Element && target.closest(".chart"));
    if (pointerType === "touch" && isElsewhere && chart.at !== null) chart.show(null);
  });
  canvas.addEventListener("contextmenu", (event) => {
    if (event.pointerType === "touch") event.preventDefault(); // a finger that rests asks for no menu
  });
  canvas.addEventListener("dblclick", () => chart.zoom(null));
  chart.all.addEventListener("click", () => {
    chart.zoom(null);
    canvas.focus(); // the button has gone
  });
  canvas.addEventListener("keydown", (event) => {
    if (isKey(chart, event)) event.preventDefault();
  });
}

/** @param {Chart} chart @param {PointerEvent} event */
function xAt({ box, scales, canvas }, event) {
  const { left } = canvas.getBoundingClientRect();
  const place = (event.clientX - left - box.left) / box.width;
  return numberAt(scales.x, Math.min(1, Math.max(0, place)));
}

/** Do what a key is for; whether it is for something. @param {Chart} chart @param {KeyboardEvent} event */
function isKey(chart, { key, shiftKey }) {
  const longest = longestOf(chart.lines);
  const last = longest.length - 1;
  const now = chart.at === null ? last : nearest(longest, chart.at);
  const big = shiftKey ? 10 : 1;
  /** @type {Record<string, number>} */
  const to = { ArrowLeft: now - big, ArrowRight: now + big, Home: 0, End: last };
  if (key in to && last >= 0) {
    chart.show(longest[Math.min(last, Math.max(0, to[key]))]);
  } else if (key === "+" && chart.at !== null) {
    const { low, high } = chart.scales.x;
    const quarter = (high - low) / 4;
    chart.zoom([chart.at - quarter, chart.at + quarter]);
  } else if (key === "-" || key === "0" || key === "Escape") {
    chart.zoom(null);
    if (key === "Escape") chart.show(null);
  } else return false;
  return true;
}
