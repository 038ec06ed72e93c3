// @ts-check
/** One tile of a sheet of small pictures, loaded when it comes near the screen. */

import { h } from "./dom.js";
import { ask, picture } from "./data.js";

/** @typedef {import("../messages.js").Sheets} Sheets */
/** @typedef {{left: number, top: number, width: number, height: number}} Cut */

const KEPT = 64;
const NEAR = "800px";

/** @type {Map<string, Promise<ImageBitmap>>} */
const bitmaps = new Map();

/** @type {WeakMap<Element, () => void>} */
const waiting = new WeakMap();
const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    waiting.get(target)?.();
  }
}, { rootMargin: NEAR });

/**
 * A decoded picture; the last few are kept.
 *
 * @param {string} path such as "pictures/samples/0.webp"
 * @returns {Promise<ImageBitmap>}
 */
export function bitmap(path) {
  const url = picture(path);
  let found = bitmaps.get(url);
  bitmaps.delete(url);
  if (!found) {
    const made = ask(url).then((response) => response.blob()).then((blob) => createImageBitmap(blob));
    made.catch(() => bitmaps.get(url) === made && bitmaps.delete(url));
    found = made;
  }
  bitmaps.set(url, found);
  for (const oldest of bitmaps.keys()) {
    if (bitmaps.size <= KEPT) break;
    bitmaps.delete(oldest);
  }
  return found;
}

/**
 * Shows one tile of a sheet; fires `picture-problem` (bubbles, detail: reason) where there is none.
 *
 * @param {object} options
 * @param {Sheets} options.sheets
 * @param {(page: number) => string} options.path
 * @param {number} options.index of the item in all sheets
 * @param {number} options.size side in CSS pixels
 * @param {string} options.label what a reader hears; "" for decoration beside a text that says it
 * @param {boolean} [options.eager] do not wait until it is near the screen
 * @returns {HTMLElement}
 */
export function tile({ sheets, path, index, size, label, eager }) {
  const each = sheets.rows * sheets.columns;
  const place = index % each;
  const cut = {
    left: (place % sheets.columns) * sheets.tile,
    top: Math.floor(place / sheets.columns) * sheets.tile,
    width: sheets.tile,
    height: sheets.tile,
  };
  return shown({ path: path(Math.floor(index / each)), cut: () => cut, size, label, eager });
}

/**
 * Shows one tile of a unit's strip of two rows.
 *
 * @param {object} options
 * @param {string} options.url a path such as "pictures/units/3/12.webp"
 * @param {number} options.count tiles in a row
 * @param {0 | 1} options.row 0 crops, 1 projections
 * @param {number} options.index
 * @param {number} options.size the longer side in CSS pixels
 * @param {string} options.label
 * @param {boolean} [options.eager]
 * @returns {HTMLElement}
 */
export function stripTile({ url, count, row, index, size, label, eager }) {
  /** @param {ImageBitmap} strip */
  const cut = (strip) => {
    const width = strip.width / count;
    const height = strip.height / 2;
    return { left: index * width, top: row * height, width, height };
  };
  return shown({ path: url, cut, size, label, eager });
}

/**
 * @param {object} options
 * @param {string} options.path
 * @param {(whole: ImageBitmap) => Cut} options.cut
 * @param {number} options.size
 * @param {string} options.label
 * @param {boolean} [options.eager]
 */
function shown({ path, cut, size, label, eager }) {
  const canvas = h("canvas", { width: 1, height: 1, "aria-hidden": "true" });
  const name = label === "" ? { "aria-hidden": "true" } : { role: "img", "aria-label": label };
  const box = h("span", { class: "tile", "aria-busy": "true", style: { width: `${size}px`, height: `${size}px` }, ...name }, canvas);
  const show = () => bitmap(path).then(
    (whole) => draw(canvas, whole, cut(whole), size, box),
    (error) => missing(box, error.message),
  );
  if (eager) show();
  else {
    waiting.set(box, show);
    watcher.observe(box);
  }
  return box;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {ImageBitmap} whole
 * @param {Cut} cut
 * @param {number} size
 * @param {HTMLElement} box
 */
function draw(canvas, whole, cut, size, box) {
  canvas.width = cut.width;
  canvas.height = cut.height;
  canvas.getContext("2d")?.drawImage(whole, cut.left, cut.top, cut.width, cut.height, 0, 0, cut.width, cut.height);
  const scale = size / Math.max(cut.width, cut.height);
  canvas.style.width = `${cut.width * scale}px`;
  canvas.style.height = `${cut.height * scale}px`;
  canvas.classList.toggle("enlarged", scale >= 2);
  box.classList.add("drawn");
  box.removeAttribute("aria-busy");
}

/**
 * @param {HTMLElement} box
 * @param {string} reason
 */
function missing(box, reason) {
  box.classList.add("missing");
  box.removeAttribute("aria-busy");
  box.title = reason;
  box.replaceChildren(h("span", { class: "missing-text", text: "no picture" }));
  box.dispatchEvent(new CustomEvent("picture-problem", { bubbles: true, detail: reason }));
}
