// @ts-check
/** One unit in a layer's grid. */

import { even, h, number, percent } from "./dom.js";
import { isByNumber } from "./layer-order.js";
import { agreement, reason } from "./layer-reason.js";
import { unitHref } from "./route.js";
import { tile } from "./tiles.js";

/** @typedef {import("../messages.js").Layer} Layer */
/** @typedef {import("./layer-order.js").Choice} Choice */

/**
 * How to make the cells of a grid.
 *
 * @param {Layer} layer
 * @param {string} view
 * @param {Choice} choice
 * @param {URLSearchParams} query goes with the links, so that a unit knows its neighbours
 * @param {number} [level] a detector's IoU is above it
 * @returns {(unit: number, size: number) => HTMLElement}
 */
export function cellOf(layer, view, choice, query, level = 0) {
  const kept = Object.fromEntries(query);
  const reached = view === "synthetic" ? layer.synthetic : null;
  const values = reached && !isByNumber(choice.sort) ? (/** @type {number} */ unit) => (reached[unit] === null ? "" : even(reached[unit]))
    : behind(layer, choice.sort);
  return (unit, size) => {
    const image = !reached ? "" : reached[unit] === null ? ", no synthetic image" : `, synthetic image reaches ${number(reached[unit])}`;
    const labelled = choice.label === "concept" ? layer.columns.concept : null;
    const agrees = labelled && choice.sort !== "iou" && !layer.columns.dead[unit] ? `, ${agreement(labelled, unit)}` : "";
    const words = `unit ${unit}, ${reason(layer, unit, choice.sort, number, percent)}${agrees}${image}`;
    const none = reached ? reached[unit] === null && "none" : layer.columns.dead[unit] && "dead";
    return h("a", { class: "unit-cell", href: unitHref(layer.address, unit, kept), "aria-label": words, title: words },
      none ? blank(size, none) : tile({
        sheets: layer.sheets, index: unit, size, label: `${layer.address} unit ${unit}, ${view}`, eager: true,
        path: (page) => `pictures/layers/${layer.number}/${view}/${page}.webp`,
      }),
      h("span", { class: "unit-caption" }, h("span", { class: "unit-number", text: unit }),
        size < 80 ? null : h("span", { class: "unit-value", text: values(unit) })),
      labelled && h("span", { class: (labelled.iou[unit] ?? 0) > level ? "unit-concept" : "unit-concept pale", text: named(labelled, unit, choice.sort) }));
  };
}

/** @param {import("../messages.js").ConceptColumns} concept @param {number} unit @param {string} sort */
function named({ name, iou }, unit, sort) {
  const value = iou[unit];
  return value === null ? "–" : sort === "iou" ? name[unit] : `${value.toFixed(2)} ${name[unit]}`;
}

/** @param {number} size @param {string} text why there is no picture */
function blank(size, text) {
  return h("span", { class: "tile dead", style: { width: `${size}px`, height: `${size}px` }, text });
}

/**
 * The number under a picture: what the grid is sorted by.
 *
 * @param {Layer} layer
 * @param {string} sort
 * @returns {(unit: number) => string}
 */
function behind({ columns }, sort) {
  if (sort === "selectivity") return (unit) => even(columns.selectivity[unit]);
  if (sort === "iou") return (unit) => columns.concept?.iou[unit]?.toFixed(2) ?? "";
  if (sort === "sparsity") return (unit) => percent(1 - columns.fires[unit]);
  return (unit) => (columns.dead[unit] ? "" : even(columns.maximum[unit]));
}
