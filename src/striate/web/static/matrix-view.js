// @ts-check
/** What of a confusion matrix is in view: the size of its cells, the scroll, and the cursor. */

import { drawMatrix } from "./matrix-drawing.js";
import { h } from "./dom.js";

/** @typedef {import("./confusion.js").Confusion} Confusion */

const LARGEST = 48;
const LABELLED = 11;
const WIDEST = 900;

export class MatrixView {
  #canvas = h("canvas", { class: "matrix-canvas", "aria-hidden": "true" });
  #space = h("div", { class: "matrix-space" });
  node = h("div", {
    class: "matrix-view", tabindex: 0, role: "application", "aria-roledescription": "matrix", "aria-describedby": "matrix-says",
  }, this.#canvas, this.#space);
  cursor = { row: 0, column: 0 };
  choice = { errorsOnly: false, logarithmic: true };
  #cell = 0;
  #least = 1;
  #room = 0;
  #frame = 0;

  /** @param {Confusion} confusion */
  constructor(confusion) {
    this.confusion = confusion;
    this.longest = confusion.order.reduce((most, _, place) => Math.max(most, confusion.nameAt(place).length), 0);
    this.node.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    for (const name of ["scroll", "focus", "blur", "pointerleave"]) this.node.addEventListener(name, () => this.later());
  }

  /** Cells as large as the panel allows, but never too small to be named where few classes make that possible. */
  fit() {
    const wide = this.node.clientWidth;
    if (wide === 0) return;
    const { size } = this.confusion;
    const named = (Math.min(wide, WIDEST) - this.#roomIn(wide)) / size;
    const least = named >= LABELLED || size <= 40 ? Math.max(LABELLED, named) : Math.max(0.2, Math.min(wide, WIDEST) / size);
    const whole = this.#cell === 0 || this.#cell === this.#least;
    this.#least = Math.min(LARGEST, least);
    this.#resize(whole ? this.#least : this.#cell);
  }

  /** @param {number} wide */
  #roomIn(wide) {
    return Math.round(Math.min(this.longest * 6.2 + 12, 130, wide * 0.28));
  }

  /** @param {number} cell */
  #resize(cell) {
    this.#cell = Math.min(LARGEST, Math.max(this.#least, cell));
    this.#room = this.#cell < LABELLED ? 0 : this.#roomIn(this.node.clientWidth);
    this.#space.style.width = this.#space.style.height = `${this.#side}px`;
    this.later();
  }

  get #side() {
    return this.#room + this.#cell * this.confusion.size;
  }

  /**
   * @param {number} factor 0: back to the whole
   * @param {{x: number, y: number}} [about] the point in the panel that stays where it is
   */
  zoom(factor, about) {
    const { node } = this;
    const at = about ?? this.#middle();
    const [x, y] = [node.scrollLeft + at.x - this.#room, node.scrollTop + at.y - this.#room];
    const before = this.#cell;
    this.#resize(before * factor);
    const grown = this.#cell / before;
    const [left, top] = [x * grown + this.#room - at.x, y * grown + this.#room - at.y];
    node.scrollTo({ left, top, behavior: "instant" });
  }

  /** What the buttons zoom about: the middle of the panel, or of the diagonal while all of it is in view. */
  #middle() {
    const { node } = this;
    const [x, y] = [node.clientWidth / 2, node.clientHeight / 2];
    return this.#cell > this.#least ? { x, y } : { x, y: x + node.scrollLeft - node.scrollTop };
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const { left, top } = this.node.getBoundingClientRect();
    this.zoom(Math.exp(-event.deltaY / 300), { x: event.clientX - left, y: event.clientY - top });
  }

  later() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const { node } = this;
    const seen = node.matches(":hover") || document.activeElement === node;
    drawMatrix(this.#canvas, this.confusion, {
      ...this.choice, cell: this.#cell, room: this.#room, left: node.scrollLeft, top: node.scrollTop,
      wide: Math.min(node.clientWidth, this.#side), high: Math.min(node.clientHeight, this.#side),
      cursor: seen ? this.cursor : null,
    });
  }

  /**
   * The cell under the pointer.
   * @param {MouseEvent} event
   */
  cellAt(event) {
    const box = this.node.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const column = Math.floor((x + this.node.scrollLeft - this.#room) / this.#cell);
    const row = Math.floor((y + this.node.scrollTop - this.#room) / this.#cell);
    const inside = x >= this.#room && y >= this.#room && row < this.confusion.size && column < this.confusion.size;
    return inside ? { row, column } : null;
  }

  /** Scroll until the cursor is in view. */
  reveal() {
    const into = (/** @type {number} */ at, /** @type {number} */ from, /** @type {number} */ length) =>
      at < from ? at : Math.max(from, at + this.#cell - length + this.#room);
    this.node.scrollTo({
      left: into(this.cursor.column * this.#cell, this.node.scrollLeft, this.node.clientWidth),
      top: into(this.cursor.row * this.#cell, this.node.scrollTop, this.node.clientHeight), behavior: "instant",
    });
    this.later();
  }
}
