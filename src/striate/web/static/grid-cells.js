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

  /** @param {(place: number) => boolean} stays */
  keep(stays) {
    for (const [place, cell] of this.#held) {
      if (stays(place)) continue;
      cell.remove();
      this.#held.delete(place);
    }
  }

  /**
   * Puts a cell into its place; what is there already is only moved.
   *
   * @param {number} place
   * @param {Geometry} lay
   * @param {() => HTMLElement} make
   * @returns {HTMLElement}
   */
  put(place, lay, make) {
    const known = this.#held.get(place);
    const cell = known ?? h("div", {
      role: "listitem", "aria-setsize": lay.count, "aria-posinset": place + 1, dataset: { place },
    }, make());
    const { x, y } = lay.at(place);
    Object.assign(cell.style, { width: `${lay.size}px`, transform: `translate(${x}px, ${y}px)` });
    if (known) return cell;
    this.#held.set(place, cell);
    const next = [...this.list.children].find((other) => Number(/** @type {HTMLElement} */ (other).dataset.place) > place);
    this.list.insertBefore(cell, next ?? null);
    return cell;
  }
}
