// @ts-check
/** Names of many images at once. */

import { namesPage } from "./names.js";

const MOST = 100;

/**
 * @param {(number | null)[]} ids
 * @param {import("../messages.js").Network} all
 * @param {AbortSignal} signal
 * @returns {Promise<Map<number, string>>} as many as a hundred pages of names hold
 */
export async function namesOf(ids, all, signal) {
  const pages = new Set();
  for (const id of ids) if (id !== null) pages.add(Math.floor(id / all.names_page));
  const found = await Promise.all([...pages].slice(0, MOST).map((page) => namesPage(page, signal)));
  return new Map(found.flat().map(({ id, name }) => [id, name]));
}
