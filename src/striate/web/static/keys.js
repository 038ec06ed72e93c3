// @ts-check
/** The one table of shortcuts: pages add to it, the overlay of help is made from it. */

import { parse } from "./route.js";
import { chosen } from "./theme.js";

/**
 * @typedef {object} Entry
 * @property {{always?: string[], vim?: string[], dvt?: string[]}} keys as `KeyboardEvent.key` has them, "Shift+" before a named one
 * @property {string} label what it does
 * @property {(event: KeyboardEvent) => void} [run] without it the control is clicked, or focused if it takes text
 * @property {string} [control] selector of what does the same on the screen
 */
/** @typedef {{page: string, label: string, keys: string[], control: string | null}} Shortcut */

export const EVERYWHERE = "everywhere";
const TEXT = "input:not([type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable]";
const PRESSED = "a, button, summary, label, [role=option], [role=link], [role=button]";

/** @type {Map<string, Map<string, Entry>>} */
const table = new Map();

/**
 * Add shortcuts for a page (its name in a route, or "everywhere"); the same label replaces.
 * @param {string} page
 * @param {Entry[]} entries
 */
export function register(page, entries) {
  const known = table.get(page) ?? new Map();
  for (const entry of entries) known.set(entry.label, entry);
  table.set(page, known);
}

/**
 * The whole table as it works now, with the keys of the keymap that is chosen.
 * @returns {Shortcut[]}
 */
export function shortcuts() {
  return [...table].flatMap(([page, entries]) =>
    [...entries.values()]
      .map((entry) => ({ page, label: entry.label, keys: keysOf(entry), control: entry.control ?? null }))
      .filter(({ keys }) => keys.length > 0));
}

/**
 * @param {Entry} entry
 * @returns {string[]}
 */
function keysOf({ keys: { always = [], vim = [], dvt = [] } }) {
  const { keymap } = chosen();
  if (keymap !== "off") return [...new Set([...always, ...(keymap === "dvt" ? dvt : vim)])];
  // A single character can be hit by dictation or by chance, which is what "off" is for.
  return [...new Set([...always, ...vim, ...dvt])].filter((key) => key.length > 1);
}

/** @param {KeyboardEvent} event */
function heard(event) {
  const target = /** @type {Element} */ (event.target);
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (document.querySelector("dialog[open]") || target.closest?.(TEXT)) return;
  if ((event.key === "Enter" || event.key === " ") && target.closest?.(PRESSED)) return;
  const name = event.shiftKey && event.key.length > 1 ? `Shift+${event.key}` : event.key;
  const { page } = parse(location.hash);
  const found = [page, EVERYWHERE]
    .flatMap((place) => [...(table.get(place)?.values() ?? [])])
    .find((entry) => keysOf(entry).includes(name));
  if (!found) return;
  event.preventDefault();
  if (found.run) found.run(event);
  else if (found.control) press(found.control);
}

/**
 * Click what a selector finds, or put the cursor into it; nothing happens where it is not on the page.
 * @param {string} selector
 */
export function press(selector) {
  const control = /** @type {HTMLElement | null} */ (document.querySelector(selector));
  if (!control || /** @type {HTMLButtonElement} */ (control).disabled) return;
  if (control.matches(TEXT)) {
    control.focus();
    if (control instanceof HTMLInputElement) control.select();
  } else control.click();
}

register(EVERYWHERE, [
  { keys: { vim: ["/"], dvt: ["/"] }, label: "Search", control: "search-box input" },
  { keys: { vim: ["?"], dvt: ["?", "h"] }, label: "Show these shortcuts", control: "#help" },
  { keys: { always: ["Escape"] }, label: "Up one level", run: up, control: ".crumbs a" },
]);

function up() {
  const links = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".crumbs a:not([aria-current])"));
  links[links.length - 1]?.click();
}

document.addEventListener("keydown", heard);
