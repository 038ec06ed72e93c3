// @ts-check
/** Keys that walk through the links of a list, such as the layers of a network. */

import { register } from "./keys.js";

/**
 * @param {string} page
 * @param {string} links selector of the list's links
 * @param {string} word what one of them is
 */
export function listKeys(page, links, word) {
  register(page, [
    { keys: { vim: ["j"], dvt: ["k"] }, label: `Next ${word} in the list`, run: () => step(links, 1), control: links },
    { keys: { vim: ["k"], dvt: ["i"] }, label: `Previous ${word} in the list`, run: () => step(links, -1), control: links },
    { keys: { vim: ["g"], dvt: ["g"] }, label: `First ${word} in the list`, run: () => step(links, -Infinity), control: links },
    { keys: { vim: ["G"], dvt: ["G"] }, label: `Last ${word} in the list`, run: () => step(links, Infinity), control: links },
  ]);
}

/**
 * @param {string} selector
 * @param {number} by
 */
function step(selector, by) {
  const links = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(selector)]);
  const from = links.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const to = from < 0 && Number.isFinite(by) ? 0 : Math.min(links.length - 1, Math.max(0, from + by));
  links[to]?.focus();
}
