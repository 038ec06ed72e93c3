// @ts-check
/** A confusion matrix as a square of cells in the order of the classes; knows nothing of the screen. */

import { className } from "./names.js";

/** @typedef {import("../messages.js").Classes} Classes */
/** @typedef {import("../messages.js").ClassLine} ClassLine */
/** @typedef {{row: number, column: number, count: number}} Cell */

/** One image must differ from none in both themes. */
export const FAINTEST = 0.15;

export class Confusion {
  /** @param {Classes} message */
  constructor({ classes, order, cells }) {
    /** @type {Map<number, ClassLine>} */
    this.lines = new Map(classes.map((line) => [line.class_index, line]));
    this.order = order;
    this.places = new Map(order.map((index, place) => [index, place]));
    /** @type {Cell[]} */
    this.cells = cells
      .map(([truth, guess, count]) => ({ row: this.places.get(truth) ?? -1, column: this.places.get(guess) ?? -1, count }))
      .filter(({ row, column }) => row >= 0 && column >= 0)
      .sort((a, b) => a.count - b.count);
    this.counts = new Map(this.cells.map(({ row, column, count }) => [row * order.length + column, count]));
  }

  get size() {
    return this.order.length;
  }

  /**
   * @param {number} row
   * @param {number} column
   */
  at(row, column) {
    return this.counts.get(row * this.size + column) ?? 0;
  }

  /** @param {number} place */
  nameAt(place) {
    const line = this.lines.get(this.order[place]);
    return className(line ?? { class_index: this.order[place], name: null });
  }

  /** @param {boolean} errorsOnly */
  most(errorsOnly) {
    return this.cells.reduce((most, { row, column, count }) => (errorsOnly && row === column ? most : Math.max(most, count)), 0);
  }

  /** @param {number} count */
  worst(count) {
    return this.cells.filter(({ row, column }) => row !== column).sort((a, b) => b.count - a.count).slice(0, count);
  }
}

/**
 * How strong a count is shown, in (0, 1].
 * @param {number} count
 * @param {number} most
 * @param {boolean} logarithmic
 */
export function strength(count, most, logarithmic) {
  if (most <= 1) return 1;
  const share = logarithmic ? Math.log(count) / Math.log(most) : (count - 1) / (most - 1);
  return FAINTEST + (1 - FAINTEST) * share;
}
