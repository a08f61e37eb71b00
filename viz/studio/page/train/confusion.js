// @ts-check
// Which classes are taken for which, as a table whose cells lead to their examples.

import { element } from "../../../page/dom.js";

const MOST = 20; // classes that a table has room for

/**
 * @param {HTMLElement} host @param {Uint32Array} counts rows of labels, columns of answers
 * @param {string[]} classes @param {(label: number, answer: number) => void} open
 */
export function showConfusion(host, counts, classes, open) {
  const n = classes.length;
  if (n > MOST) {
    host.replaceChildren(`${n} classes are too many for a table; Data filters by class and answer.`);
    return;
  }
  const worst = Math.max(1, ...counts.filter((_, i) => Math.floor(i / n) !== i % n));
  const table = host.querySelector("table") ?? made(host, classes, open);
  table.querySelectorAll("button").forEach((cell, i) => {
    const [label, answer] = [Math.floor(i / n), i % n];
    const count = counts[i];
    const text = count ? String(count) : "·";
    if (cell.textContent !== text) cell.textContent = text;
    cell.setAttribute("aria-label", `${count} of class ${classes[label]}, taken for ${classes[answer]}`);
    cell.classList.toggle("right", label === answer);
    cell.style.setProperty("--share", label === answer ? "0" : String(Math.sqrt(count / worst)));
  });
}

/** @param {HTMLElement} host @param {string[]} classes
 * @param {(label: number, answer: number) => void} open */
function made(host, classes, open) {
  const head = classes.map((name) => element("th", { scope: "col" }, name));
  const rows = classes.map((name, label) => {
    const cells = classes.map((_, answer) => {
      const button = element("button", { type: "button" });
      button.addEventListener("click", () => open(label, answer));
      return element("td", {}, button);
    });
    return element("tr", {}, element("th", { scope: "row" }, name), ...cells);
  });
  const corner = element("th", { scope: "col" }, element("span", { class: "spoken" }, "class, then answers"));
  const table = element("table", {}, element("tr", {}, corner, ...head), ...rows);
  host.replaceChildren(table);
  walk(table, classes.length);
  return table;
}

/** Tab leads to one cell of a table, arrows from there to all others.
 * @param {HTMLElement} table @param {number} n classes */
function walk(table, n) {
  const cells = [...table.querySelectorAll("button")];
  cells.forEach((cell, i) => cell.tabIndex = i ? -1 : 0);
  table.addEventListener("keydown", (event) => {
    const at = cells.findIndex((cell) => cell === event.target);
    const [row, column] = [Math.floor(at / n), at % n];
    /** @type {Record<string, number>} */ const to = {
      ArrowLeft: column > 0 ? at - 1 : at,
      ArrowRight: column < n - 1 ? at + 1 : at,
      ArrowUp: row > 0 ? at - n : at,
      ArrowDown: row < n - 1 ? at + n : at,
      Home: row * n,
      End: row * n + n - 1,
    };
    if (at < 0 || !(event.key in to)) return;
    event.preventDefault();
    cells[at].tabIndex = -1;
    cells[to[event.key]].tabIndex = 0;
    cells[to[event.key]].focus();
  });
}
