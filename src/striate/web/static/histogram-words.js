// @ts-check
/** A histogram in words and as a table, and the numbers beside its axis. */

import { h, number } from "./dom.js";

/** @typedef {import("../messages.js").Unit} Unit */
/** @typedef {import("./histogram-axis.js").Bin} Bin */

/** @param {Bin} bin */
export function words([low, high]) {
  if (low === null) return `below ${number(high)}`;
  if (high === null) return `${number(low)} or more`;
  return low < 0 && high > 0 ? "zero or nearly" : `${number(low)} to ${number(high)}`;
}

/**
 * @param {Bin[]} bins
 * @param {Unit} unit
 */
export function summary(bins, unit) {
  const [most] = [...bins].sort((a, b) => b[2] - a[2]);
  const range = `from ${words(bins[0])} up to ${words(bins[bins.length - 1])}`;
  return `Histogram of the activations of ${unit.address}, ${range}; most often ${words(most)} (${number(most[2], 9)} times).`;
}

/**
 * @param {number} most
 * @param {boolean} logarithmic
 */
export function countsOf(most, logarithmic) {
  if (!logarithmic) return [most / 2, most].map(Math.round);
  const powers = Array.from({ length: Math.floor(Math.log10(most)) + 1 }, (_, k) => 10 ** k);
  return powers.length > 5 ? powers.filter((_, k) => k % 2 === 0) : powers;
}

/** @param {number} count */
export function brief(count) {
  return count.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 });
}

/**
 * @param {Bin[]} bins
 * @param {number} total
 */
export function table(bins, total) {
  const rows = bins.map((bin) => h("tr", null,
    h("th", { scope: "row", text: words(bin) }),
    h("td", { text: number(bin[2], 9) }),
    h("td", { text: `${((100 * bin[2]) / total).toFixed(2)} %` })));
  const head = h("tr", null, ["activation", "count", "share"].map((text) => h("th", { scope: "col", text })));
  return h("details", { class: "histogram-table" }, h("summary", { text: "As a table" }),
    h("table", null, h("thead", null, head), h("tbody", null, rows)));
}
