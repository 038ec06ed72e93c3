// @ts-check
/** Sheets are fetched before the reader scrolls to them: near ones at once, the rest one after another. */

import { sheetAt } from "./sheets.js";

/** @typedef {import("../messages.js").Layer} Layer */

const MOST = 48;

/**
 * @param {Layer} layer
 * @param {AbortSignal} signal
 * @returns {{view: (name: string) => void, near: (units: number[]) => void}}
 */
export function prefetcher(layer, signal) {
  const each = layer.sheets.rows * layer.sheets.columns;
  let view = "";
  let round = 0;
  /** @type {number[]} */
  let close = [];
  /** @param {number} page */
  const fetched = (page) => sheetAt(`pictures/layers/${layer.number}/${view}/${page}.webp`).catch(() => null);

  /** @param {number} mine */
  const rest = async (mine) => {
    for (let page = 0; page < Math.min(layer.sheets.pages, MOST); page++) {
      if (signal.aborted || mine !== round) return;
      await fetched(page);
    }
  };
  const nearOnes = () => {
    for (const page of new Set(close.map((unit) => Math.floor(unit / each)))) fetched(page);
  };
  return {
    view(name) {
      if (name === view) return;
      view = name;
      round += 1;
      nearOnes();
      rest(round);
    },
    near(units) {
      close = units;
      if (view !== "") nearOnes();
    },
  };
}
