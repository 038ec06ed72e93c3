// @ts-check
/** The cells of a grid that are in the document, in the order of reading. */

import { h } from "./dom.js";

/** @typedef {import("./grid-geometry.js").Geometry} Geometry */

/**
 * @typedef {object} Grid
 * @property {number[]} items in the order in which they are shown
 * @property {number} size least width of a cell in CSS pixels; what a row leaves over widens its cells
 * @property {number} below height of what stands under the picture
 * @property {(item: number, size: number) => HTMLElement} cell makes a link
 * @property {string} label
 */

export class Cells {
  list = h("div", { class: "cells", role: "list" });
  /** @type {Map<number, HTMLElement>} place in the order, and its cell */
  #held = new Map();
  #current = 0;

  /**
   * @param {number} place
   * @returns {HTMLElement | null} the link in its cell
   */
  link(place) {
    return /** @type {HTMLElement | null} */ (this.#held.get(place)?.firstElementChild ?? null);
  }

  clear() {
    this.list.replaceChildren();
    this.#held.clear();
  }

  /** @param {number} place its link is the one that the tab key goes to */
  choose(place) {
    if (place === this.#current) return;
    this.link(this.#current)?.setAttribute("tabindex", "-1");
    this.#current = place;
    this.link(place)?.setAttribute("tabindex", "0");
  }

  /**
   * Holds these cells, the chosen one and no others; those that it holds already are not touched.
   *
   * @param {number} from
   * @param {number} to one past the last
   * @param {Geometry} lay
   * @param {(place: number) => HTMLElement} make makes a link
   */
  show(from, to, lay, make) {
    const chosen = this.#current < lay.count ? [this.#current] : [];
    const within = Array.from({ length: to - from }, (_, k) => from + k);
    const places = new Set([...chosen.filter((place) => place < from), ...within, ...chosen]);
    for (const [place, cell] of this.#held) {
      if (places.has(place)) continue;
      cell.remove();
      this.#held.delete(place);
    }
    /** @type {HTMLElement | null} */
    let next = null;
    for (const place of [...places].reverse()) {
      let cell = this.#held.get(place);
      if (!cell) {
        cell = this.#made(place, lay, make(place));
        this.list.insertBefore(cell, next);
        this.#held.set(place, cell);
      }
      next = cell;
    }
  }

  /**
   * @param {number} place
   * @param {Geometry} lay
   * @param {HTMLElement} link
   * @returns {HTMLElement}
   */
  #made(place, lay, link) {
    const { x, y } = lay.at(place);
    link.setAttribute("tabindex", place === this.#current ? "0" : "-1");
    return h("div", {
      role: "listitem", "aria-setsize": lay.count, "aria-posinset": place + 1, dataset: { place },
      style: { left: `${x}px`, top: `${y}px`, width: `${lay.size}px` },
    }, link);
  }
}
