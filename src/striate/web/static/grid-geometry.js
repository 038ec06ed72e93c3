// @ts-check
/** Where the cells of a grid lie: as many columns as fit, wide enough to fill the row. */

export const GAP = 6;

export class Geometry {
  /**
   * @param {number} width of the grid
   * @param {number} least width of a cell
   * @param {number} below height of what stands under a cell's picture
   * @param {number} count of cells
   */
  constructor(width, least, below, count) {
    this.count = count;
    this.columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
    this.size = Math.max(1, Math.floor((width - GAP * (this.columns - 1)) / this.columns));
    this.row = this.size + below + GAP;
    this.rows = Math.ceil(count / this.columns);
    this.height = Math.max(0, this.rows * this.row - GAP);
  }

  /**
   * @param {number} place in the order
   * @returns {{x: number, y: number}}
   */
  at(place) {
    return { x: (place % this.columns) * (this.size + GAP), y: Math.floor(place / this.columns) * this.row };
  }

  /**
   * @param {Geometry} other
   * @returns {boolean} whether every cell lies there as it does here
   */
  equals(other) {
    return this.count === other.count && this.columns === other.columns
      && this.size === other.size && this.row === other.row;
  }

  /**
   * The first place whose row is whole in the window.
   *
   * @param {number} top of the grid in the window
   * @returns {number}
   */
  firstSeen(top) {
    return Math.max(0, Math.min(this.count - 1, Math.ceil(Math.max(0, -top) / this.row) * this.columns));
  }

  /**
   * The places whose rows are in the window or within so many windows of it: from, and one past the last.
   *
   * @param {number} top of the grid in the window
   * @param {number} height of the window
   * @param {number} reach
   * @returns {[number, number]}
   */
  range(top, height, reach) {
    const clamp = (/** @type {number} */ row) => Math.max(0, Math.min(this.rows, row)) * this.columns;
    const first = clamp(Math.floor((-top - reach * height) / this.row));
    const last = clamp(Math.ceil((-top + (1 + reach) * height) / this.row));
    return [Math.min(first, this.count), Math.min(last, this.count)];
  }
}
