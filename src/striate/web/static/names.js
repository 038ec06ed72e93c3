// @ts-check
/** File names of images, fetched a page at a time, and how images are shown by their thumbnails. */

import { load, network } from "./data.js";
import { h } from "./dom.js";
import { href } from "./route.js";
import { tile } from "./tiles.js";

/** @typedef {import("../messages.js").Names} Names */
/** @typedef {{id: number, name: string, label: number | null, predicted: number | null, correct: boolean | null, skipped: boolean}} Named */

/**
 * @param {number} page
 * @param {AbortSignal} [signal]
 * @returns {Promise<Named[]>}
 */
export async function namesPage(page, signal) {
  /** @type {Names} */
  const { first, names, labels, predicted, correct, skipped } = await load(`data/images/names/${page}.json`, signal);
  return names.map((name, k) => ({
    id: first + k, name, label: labels[k], predicted: predicted[k], correct: correct[k], skipped: skipped[k],
  }));
}

/**
 * @param {number} id
 * @param {AbortSignal} [signal]
 * @returns {Promise<Named | undefined>}
 */
export async function named(id, signal) {
  const { names_page: size } = await network();
  return (await namesPage(Math.floor(id / size), signal)).find((each) => each.id === id);
}

/**
 * The end of a path, which is what tells files apart.
 * @param {string} path
 */
export function baseName(path) {
  return path.slice(path.lastIndexOf("/") + 1) || path;
}

/**
 * A small picture of an image that leads to its page; the file's name comes when it is known.
 * @param {number} id
 * @param {import("../messages.js").Network} all
 * @param {number} [size]
 */
export function thumbnail(id, all, size = all.thumbnails.tile) {
  const picture = tile({
    sheets: all.thumbnails, path: (page) => `pictures/thumbnails/${page}.webp`, index: id, size, label: `image ${id}`,
  });
  const link = h("a", { class: "thumbnail", href: href(["images", id]), title: `image ${id}` }, picture);
  named(id).then((found) => {
    if (!found) return;
    link.title = found.name;
    if (picture.getAttribute("role") === "img") picture.setAttribute("aria-label", found.name);
  }, () => { /* The number stays as the name; the picture tells what is wrong. */ });
  return link;
}

/**
 * A class in words.
 * @param {{class_index: number, name: string | null}} each
 */
export function className({ class_index: index, name }) {
  return name === null ? `class ${index}` : name;
}

/**
 * How the sheets of a layer's units are laid out, without asking for the layer.
 * @param {number} units
 * @returns {import("../messages.js").Sheets}
 */
export function unitSheets(units) {
  return { tile: 96, columns: 8, rows: 8, pages: Math.ceil(units / 64) };
}
