// @ts-check
/** Concepts that were learnt from all units of a layer together (Net2Vec). */

import { conceptLink, iou } from "./concept-words.js";
import { breakable, h } from "./dom.js";
import { layerHref, unitHref } from "./route.js";
import { DEFINITIONS, term } from "./term.js";

/** @typedef {import("../messages.js").Share} Share */
/** @typedef {import("../messages.js").LearntConcept} LearntConcept */

/** @type {{[measure: string]: string}} */
const MEASURES = { iou: "IoU", accuracy: "balanced accuracy" };
/** @type {{[task: string]: string}} */
const TASKS = { segmentation: "where it is", classification: "whether it is there" };

/** @param {number} value */
const signed = (value) => (value < 0 ? `−${iou(-value)}` : iou(value));

/**
 * @param {import("../messages.js").Unit} unit
 * @param {string} address of its layer
 * @returns {HTMLElement | null} null where nothing was learnt
 */
export function shares({ shares: found }, address) {
  if (found.length === 0) return null;
  return section("unit-shares", "Part in concept vectors", "Its share in the vectors of concepts that were learnt from all units of the layer together. ",
    ["Concept", "Share", "Learnt", "All units", "Best unit alone"], found.map((each) => h("tr", null,
      h("th", { scope: "row" }, each.concept === null ? each.name : conceptLink(each.concept, each.name), h("span", { class: "muted small", text: ` ${each.category}` })),
      h("td", { class: "right", text: signed(each.share) }), ...scores(each, address))));
}

/**
 * @param {LearntConcept[]} found
 * @returns {HTMLElement | null} null where nothing was learnt
 */
export function learnt(found) {
  if (found.length === 0) return null;
  return section("learnt", "Learnt from all units together", "Blind: what a mask of the whole image reaches, or a guess. ",
    ["Layer", "Learnt", "All units", "Best unit alone", "Blind", "Most alike"], found.map((each) => h("tr", null,
      h("th", { scope: "row" }, h("a", { class: "mono", href: layerHref(each.address) }, breakable(each.address))),
      ...scores(each, each.address), h("td", { class: "right", text: iou(each.blind) }), h("td", { text: each.nearest.join(", ") || "—" }))));
}

/**
 * @param {{task: string, measure: string, score: number, unit: number, unit_score: number}} each
 * @param {string} address of the layer
 */
function scores({ task, measure, score, unit, unit_score: alone }, address) {
  return [h("td", { text: TASKS[task] ?? task }), h("td", { class: "right", text: `${MEASURES[measure] ?? measure} ${iou(score)}` }),
    h("td", { class: "right" }, `${iou(alone)} `, h("a", { class: "nowrap", href: unitHref(address, unit), text: `unit ${unit}` }))];
}

/**
 * @param {string} id
 * @param {string} title
 * @param {string} words
 * @param {string[]} heads
 * @param {HTMLElement[]} rows
 */
function section(id, title, words, heads, rows) {
  return h("section", { "aria-labelledby": id }, h("h2", { id, text: title }),
    h("p", { class: "small muted" }, words, "Scores are on held-out images. ", term("Net2Vec", DEFINITIONS.net2vec), "."),
    h("div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": `${title}, as a table` }, h("table", { class: "overlaps" },
      h("thead", null, h("tr", null, heads.map((text) => h("th", { scope: "col", class: ["Share", "All units", "Best unit alone", "Blind"].includes(text) ? "right" : "", text })))),
      h("tbody", null, rows))));
}
