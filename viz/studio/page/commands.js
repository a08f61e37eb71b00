// @ts-check
// Texts that name a command: it stands in them as code, and breaks between its words
// alone, so that it can be read and copied.

import { element } from "../../page/dom.js";

const COMMAND = /(python -m viz (?:studio|export DIR(?: --[\w-]+ (?:"[^"]*"|[\w/]+))*))/;

/** A text, with its commands as code. @param {string} text @returns {(string | Node)[]} */
export function withCode(text) {
  return text.split(COMMAND).map((part, i) => i % 2 ? element("code", {}, ...words(part)) : part);
}

/** @param {string} command */
const words = (command) =>
  command.split(" ").flatMap((word, i) => [i ? " " : "", element("span", { class: "word-of-code" }, word)]);

/** Show such a text; what is there already is not read out again. @param {HTMLElement} host @param {string} text */
export function writeWithCode(host, text) {
  if (host.textContent !== text) host.replaceChildren(...withCode(text));
}
