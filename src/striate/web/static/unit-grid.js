// @ts-check
/** `<unit-grid>`: thousands of cells, of which only those near the window are in the document. */

import { h } from "./dom.js";
import { Cells } from "./grid-cells.js";
import { Geometry } from "./grid-geometry.js";

/** @typedef {import("./grid-cells.js").Grid} Grid */

const DRAWN = 1.25;
const FETCHED = 4;

/** Give it a `grid`; it fires `point` (detail: item or null) on hover and focus, and `window` (detail: items near). */
export class UnitGrid extends HTMLElement {
  /** @type {Grid} */
  #grid = { items: [], size: 1, below: 0, cell: () => h("a"), label: "" };
  #cells = new Cells();
  #lay = new Geometry(0, 1, 0, 0);
  #current = 0;
  #asked = 0;
  #focused = false;
  #draw = () => {
    this.#asked ||= requestAnimationFrame(() => this.#show());
  };
  #resize = new ResizeObserver(this.#draw);

  connectedCallback() {
    this.append(this.#cells.list);
    this.#resize.observe(this);
    for (const name of ["scroll", "resize"]) window.addEventListener(name, this.#draw, { passive: true });
    for (const name of ["pointerover", "focusin"]) this.#cells.list.addEventListener(name, (event) => this.#point(event));
    this.#cells.list.addEventListener("pointerleave", () => this.#tell("point", null));
    this.#show();
  }

  disconnectedCallback() {
    this.#resize.disconnect();
    for (const name of ["scroll", "resize"]) window.removeEventListener(name, this.#draw);
  }

  /** @param {Grid} grid */
  set grid(grid) {
    const held = this.#grid.items[this.#current];
    this.#grid = grid;
    this.#current = Math.max(0, grid.items.indexOf(held ?? -1));
    this.#cells.list.setAttribute("aria-label", grid.label);
    this.#clear();
    this.#show();
  }

  /**
   * Brings an item into the window and puts the focus on it.
   *
   * @param {number} item
   * @returns {boolean} whether it is in the grid
   */
  reveal(item) {
    const place = this.#grid.items.indexOf(item);
    if (place >= 0) this.#focus(place, "center");
    return place >= 0;
  }

  /**
   * Moves the focus; without focus in the grid it goes to the first cell in the window.
   *
   * @param {number} right
   * @param {number} down
   */
  move(right, down) {
    const count = this.#grid.items.length;
    if (count === 0) return;
    if (!this.#cells.list.contains(document.activeElement)) {
      return this.#focus(this.#lay.firstSeen(this.getBoundingClientRect().top), "nearest");
    }
    const to = this.#current + right + down * this.#lay.columns;
    if (right || (to >= 0 && to < count)) this.#focus(Math.max(0, Math.min(count - 1, to)), "nearest");
  }

  /** @param {"first" | "last"} end */
  to(end) {
    const last = this.#grid.items.length - 1;
    if (last >= 0) this.#focus(end === "first" ? 0 : last, "nearest");
  }

  #clear() {
    this.#focused ||= this.#cells.list.contains(document.activeElement);
    this.#cells.clear();
  }

  /**
   * @param {number} place
   * @param {ScrollLogicalPosition} block
   */
  #focus(place, block) {
    this.#current = place;
    this.#put(place).scrollIntoView({ block });
    this.#show();
    this.#put(place);
    this.#cells.link(place)?.focus({ preventScroll: true });
  }

  #show() {
    this.#asked = 0;
    if (!this.isConnected) return;
    const { items, size, below } = this.#grid;
    const { top, width } = this.getBoundingClientRect();
    const lay = new Geometry(width, size, below, items.length);
    if (lay.size !== this.#lay.size) this.#clear();
    this.#lay = lay;
    this.#cells.list.style.height = `${lay.height}px`;
    const [from, to] = lay.range(top, window.innerHeight, DRAWN);
    this.#cells.keep((place) => (place >= from && place < to) || place === this.#current);
    for (let place = from; place < to; place++) this.#put(place);
    if (items.length > 0) this.#put(this.#current);
    // Cells that were made anew take the focus with them, and the reader should not have to find it again.
    const lost = this.#focused && items.length > 0;
    this.#focused = false;
    if (lost) this.#focus(this.#current, "nearest");
    this.#tell("window", items.slice(...lay.range(top, window.innerHeight, FETCHED)));
  }

  /**
   * @param {number} place
   * @returns {HTMLElement} its cell
   */
  #put(place) {
    const cell = this.#cells.put(place, this.#lay, () => this.#grid.cell(this.#grid.items[place], this.#lay.size));
    this.#cells.link(place)?.setAttribute("tabindex", place === this.#current ? "0" : "-1");
    return cell;
  }

  /** @param {Event} event */
  #point({ target, type }) {
    const cell = /** @type {Element} */ (target).closest("[data-place]");
    if (!(cell instanceof HTMLElement)) return;
    const place = Number(cell.dataset.place);
    this.#tell("point", this.#grid.items[place]);
    if (type !== "focusin" || place === this.#current) return;
    this.#cells.link(this.#current)?.setAttribute("tabindex", "-1");
    this.#current = place;
    cell.firstElementChild?.setAttribute("tabindex", "0");
  }

  /** @param {string} name @param {unknown} detail */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

customElements.define("unit-grid", UnitGrid);
