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
  #shown = "";
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
    this.#choose(Math.max(0, grid.items.indexOf(held ?? -1)));
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

  /** @param {number} place @param {ScrollLogicalPosition} block */
  #focus(place, block) {
    this.#choose(place);
    this.#show();
    this.#cells.link(place)?.parentElement?.scrollIntoView({ block });
    this.#show();
    this.#cells.link(place)?.focus({ preventScroll: true });
  }

  /** @param {number} place */
  #choose(place) {
    this.#current = place;
    this.#cells.choose(place);
  }

  /** Reads first, and writes only what the scroll has changed: this runs in every frame of it. */
  #show() {
    this.#asked = 0;
    if (!this.isConnected) return;
    const { items, size, below } = this.#grid;
    const { top, width } = this.getBoundingClientRect();
    const lay = new Geometry(width, size, below, items.length);
    if (!lay.equals(this.#lay)) this.#clear();
    this.#lay = lay;
    const [from, to] = lay.range(top, window.innerHeight, DRAWN);
    this.#hold(from, to, lay.range(top, window.innerHeight, FETCHED));
    // Cells that were made anew take the focus with them, and the reader should not have to find it again.
    if (!this.#focused) return;
    this.#focused = false;
    if (items.length > 0) this.#focus(this.#current, "nearest");
  }

  /** @param {number} from @param {number} to one past the last @param {[number, number]} near what is soon needed */
  #hold(from, to, near) {
    const shown = `${from} ${to} ${this.#current}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    const { items, cell } = this.#grid;
    this.#cells.list.style.height = `${this.#lay.height}px`;
    this.#cells.show(from, to, this.#lay, (place) => cell(items[place], this.#lay.size));
    this.#tell("window", items.slice(...near));
  }

  #clear() {
    this.#focused ||= this.#cells.list.contains(document.activeElement);
    this.#cells.clear();
    this.#shown = "";
  }

  /** @param {Event} event */
  #point({ target, type }) {
    const cell = /** @type {Element} */ (target).closest("[data-place]");
    if (!(cell instanceof HTMLElement)) return;
    const place = Number(cell.dataset.place);
    this.#tell("point", this.#grid.items[place]);
    if (type === "focusin") this.#choose(place);
  }

  /** @param {string} name @param {unknown} detail */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

customElements.define("unit-grid", UnitGrid);
