// @ts-check
/** Sheets of small pictures, as they come from the server. */

import { ask, picture, Problem } from "./data.js";

const KEPT = 64;

/** @type {Map<string, Promise<HTMLImageElement>>} */
const pictures = new Map();

/**
 * A picture; the last few are kept.
 *
 * @param {string} path such as "pictures/samples/0.webp"
 * @returns {Promise<HTMLImageElement>}
 */
export function sheetAt(path) {
  const url = picture(path);
  let found = pictures.get(url);
  pictures.delete(url);
  if (!found) {
    const made = loaded(url).catch(() => again(url));
    made.catch(() => pictures.get(url) === made && pictures.delete(url));
    found = made;
  }
  pictures.set(url, found);
  for (const oldest of pictures.keys()) {
    if (pictures.size <= KEPT) break;
    pictures.delete(oldest);
  }
  return found;
}

/**
 * @param {string} url
 * @returns {Promise<HTMLImageElement>}
 */
function loaded(url) {
  const image = new Image();
  image.fetchPriority = "high";
  return new Promise((resolve, reject) => {
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error(url));
    image.src = url;
  });
}

/**
 * An image does not say why it failed, but a request does.
 *
 * @param {string} url
 * @returns {Promise<HTMLImageElement>}
 */
async function again(url) {
  await (await ask(url)).arrayBuffer();
  return loaded(url).catch(() => {
    throw new Problem(`${url.split("?")[0]} is not a picture that this browser can show.`, 0);
  });
}
