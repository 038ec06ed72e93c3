// @ts-check
/** One tile of a sheet of small pictures, loaded when it comes near the screen. */

import { h } from "./dom.js";
import { sheetAt } from "./sheets.js";
import { rows } from "./strip.js";

/** @typedef {import("../messages.js").Sheets} Sheets */
/** @typedef {{left: number, top: number, width: number, height: number}} Cut */

const NEAR = "800px";

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
  /** @param {HTMLImageElement} strip */
  const cut = (strip) => {
    const { below, height } = rows(strip.height);
    const width = strip.width / count;
    return { left: index * width, top: row * below, width, height };
  };
  return shown({ path: url, cut, size, label, eager });
}

/**
 * Shows one picture of several in a row.
 *
 * @param {object} options
 * @param {string} options.url a path such as "pictures/concepts/3/12.webp"
 * @param {number} options.count pictures in the row
 * @param {number} options.index
 * @param {number} options.size the longer side in CSS pixels
 * @param {string} options.label
 * @returns {HTMLElement}
 */
export function rowTile({ url, count, index, size, label }) {
  /** @param {HTMLImageElement} row */
  const cut = (row) => ({ left: (index * row.width) / count, top: 0, width: row.width / count, height: row.height });
  return shown({ path: url, cut, size, label });
}

/**
 * @param {object} options
 * @param {string} options.path
 * @param {(whole: HTMLImageElement) => Cut} options.cut
 * @param {number} options.size
 * @param {string} options.label
 * @param {boolean} [options.eager]
 */
function shown({ path, cut, size, label, eager }) {
  const name = label === "" ? { "aria-hidden": "true" } : { role: "img", "aria-label": label };
  const box = h("span", { class: "tile", "aria-busy": "true", style: { width: `${size}px`, height: `${size}px` }, ...name });
  const show = () => sheetAt(path).then(
    (whole) => draw(box, whole, cut(whole), size),
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
 * Shows the sheet through a hole of the tile's size: browsers keep a surface for each canvas, and hundreds
 * of those make scrolling slow.
 *
 * @param {HTMLElement} box
 * @param {HTMLImageElement} whole
 * @param {Cut} cut
 * @param {number} size
 */
function draw(box, whole, cut, size) {
  const enlarged = size >= 2 * Math.max(cut.width, cut.height);
  // Smoothing takes half a pixel from the neighbours in the sheet, so that much is cut off.
  const rim = enlarged ? 0 : 0.5;
  const [width, height] = [cut.width - 2 * rim, cut.height - 2 * rim];
  const scale = size / Math.max(width, height);
  const px = (/** @type {number} */ length) => `${length * scale}px`;
  // It is shown in the frame in which it enters the document, not when a thread finds time to decode it.
  const sheet = h("img", {
    alt: "", decoding: "sync", class: enlarged ? "enlarged" : null, src: whole.getAttribute("src"),
    style: { left: px(-cut.left - rim), top: px(-cut.top - rim), width: px(whole.naturalWidth), height: px(whole.naturalHeight) },
  });
  box.append(h("span", { class: "cut", style: { width: px(width), height: px(height) } }, sheet));
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
