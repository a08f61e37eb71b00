// @ts-check
// Elements by id, and new ones; the data of a page. Every text goes in as text, so none of it can
// be markup.

/**
 * The first element within a part of the page that a selector names, of the kind it has to be.
 * @template {Element} [Kind=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @param {{new (): Kind}} [kind] such as HTMLInputElement; left out, any of HTML's
 * @returns {Kind}
 */
export function first(root, selector, kind) {
  const wanted = kind ?? HTMLElement;
  const found = root.querySelector(selector);
  if (found instanceof wanted) return /** @type {Kind} */ (found);
  throw new Error(`the page has no ${wanted.name} that is ${selector}`);
}

/**
 * @template {Element} [Kind=HTMLElement]
 * @param {string} id
 * @param {{new (): Kind}} [kind]
 */
export const byId = (id, kind) => first(document, `#${CSS.escape(id)}`, kind);

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [attributes] those that are null or false are left out
 * @param {(string | Node)[]} content
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
 * @param {HTMLElement} cell
 * @param {string | null | undefined} text
 * @param {number | string | null | undefined} [exact]
 */
export function write(cell, text, exact) {
  const shown = text ?? "";
  if (cell.textContent !== shown) cell.textContent = shown;
  if (exact == null) delete cell.dataset.exact;
  else cell.dataset.exact = String(exact);
}

/** The bytes of what was compressed and written in base 64. @param {string} text */
export function streamed(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
}

/** The same, as JSON. @param {string} text @returns {Promise<unknown>} */
export const unpacked = (text) => new Response(streamed(text)).json();
