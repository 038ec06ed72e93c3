// @ts-check
/** Which of many names a typed text means. */

import { distance } from "./nearest.js";

/** How many of a kind are shown. */
export const EACH = 6;
const LONGEST = 64;

/**
 * What contains the text, whatever its case: equal first, then beginnings, then the rest.
 * @template T
 * @param {string} text
 * @param {T[]} items
 * @param {(item: T) => string} name
 */
export function best(text, items, name) {
  const wanted = text.toLowerCase();
  return items
    .map((item) => ({ item, own: name(item).toLowerCase() }))
    .filter(({ own }) => own.includes(wanted))
    .map(({ item, own }) => ({ item, rank: own === wanted ? 0 : own.startsWith(wanted) ? 1 : 2 }))
    .sort((a, b) => a.rank - b.rank)
    .slice(0, EACH)
    .map(({ item }) => item);
}

/**
 * The names that differ least, as a whole or in one of their words, whether or not they contain the text.
 * @template T
 * @param {string} text
 * @param {T[]} items
 * @param {(item: T) => string} name
 * @param {number} count
 */
export function nearest(text, items, name, count) {
  const wanted = text.toLowerCase().slice(0, LONGEST);
  return items
    .map((item) => ({ item, far: farness(wanted, name(item).toLowerCase().slice(0, LONGEST)) }))
    .sort((a, b) => a.far - b.far)
    .slice(0, count)
    .map(({ item }) => item);
}

/**
 * @param {string} wanted
 * @param {string} name
 */
function farness(wanted, name) {
  const parts = name.split(/[ ,_/-]+/).filter((part) => part !== name && part !== "");
  const share = (/** @type {string} */ part) => distance(wanted, part) / Math.max(wanted.length, part.length, 1);
  // A word of a name counts a little less than the whole of another.
  return Math.min(share(name), ...parts.map((part) => share(part) + 0.1));
}
