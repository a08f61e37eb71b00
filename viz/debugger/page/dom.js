// @ts-check
// The data of the page; elements by id, and new ones. Every text goes in as text, so none of it can
// be markup.

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes] those that are null or false are left out
 * @param {(string | Node)[]} content
 * @returns {any}
 */
export function element(tag, attributes = {}, ...content) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value != null && value !== false) made.setAttribute(name, String(value));
  }
  made.append(...content);
  return made;
}

/**
 * Show a number's short text, with the number itself where a program can read it.
 * @param {any} cell
 * @param {string | null | undefined} text
 * @param {number | string | null | undefined} [exact]
 */
export function write(cell, text, exact) {
  const shown = text ?? "";
  if (cell.textContent !== shown) cell.textContent = shown;
  if (exact == null) delete cell.dataset.exact;
  else cell.dataset.exact = String(exact);
}

/** What was compressed and written in base 64, as JSON. @param {string} text */
export function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}
