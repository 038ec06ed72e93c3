// @ts-check
/** What a layer detects: unique detectors by category, and the units of each concept. */

import { conceptStrip, LEGEND } from "./concept-strip.js";
import { conceptLink, counted, detector, iou } from "./concept-words.js";
import { h } from "./dom.js";
import { href, unitHref } from "./route.js";
import { DEFINITIONS, term } from "./term.js";

/** @typedef {import("../messages.js").Layer} Layer */
/** @typedef {import("../messages.js").LayerConcepts} LayerConcepts */
/** @typedef {import("../messages.js").DetectedConcept} DetectedConcept */
/** @typedef {import("../messages.js").Network} Network */

const UNITS = 6;
const IMAGES = 5;

/**
 * @param {Layer} layer
 * @param {Network} all
 * @returns {HTMLElement | null} null where nobody compared the layer with concepts
 */
export function layerConcepts(layer, all) {
  const found = layer.concepts;
  if (found === null) return null;
  const box = h("details", { class: "layer-place layer-concepts" },
    h("summary", { text: `Concepts: ${counted(found.detectors, "detector")} among ${counted(layer.units, "unit")}, of ${counted(found.unique, "concept")}` }));
  box.addEventListener("toggle", () => box.open && box.childElementCount === 1 && box.append(...content(layer, found, all)));
  return box;
}

/**
 * @param {Layer} layer
 * @param {LayerConcepts} found
 * @param {Network} all
 */
function content(layer, found, all) {
  const shown = found.categories.filter(({ concepts }) => concepts.length > 0);
  return [
    h("p", { class: "small muted" }, `A ${detector(all)}. `, term("Unique detectors", DEFINITIONS.unique), ": a unit may count in several categories."),
    bars("Unique detectors by category", "Concepts", found.categories.map(({ category, concepts }) => [category, concepts.length])),
    shown.length === 0 ? h("p", { text: "No unit of this layer detects a concept." }) : h("p", { class: "small muted", text: LEGEND }),
    ...shown.map(({ category, concepts }) => h("section", null, h("h2", { text: `${category}: ${counted(concepts.length, "concept")}` }),
      h("ul", { class: "detected" }, concepts.map((each) => detected(layer, each, all))))),
  ];
}

/**
 * A bar graph as a table, so that each bar has its name and number.
 *
 * @param {string} title
 * @param {string} what
 * @param {[string, number][]} counts
 */
function bars(title, what, counts) {
  const most = Math.max(...counts.map(([, count]) => count), 1);
  return h("table", { class: "bars concept-bars" }, h("caption", { text: title }),
    h("thead", { class: "unseen" }, h("tr", null, h("th", { scope: "col", text: "Category" }), h("th", { scope: "col", text: what }))),
    h("tbody", null, counts.map(([name, count]) => h("tr", null, h("th", { scope: "row", text: name }),
      h("td", null, h("span", { class: "length", style: { "--share": count / most } }), h("span", { text: count }))))));
}

/**
 * @param {Layer} layer
 * @param {DetectedConcept} each
 * @param {Network} all
 */
function detected(layer, { concept, name, units }, all) {
  const [first] = units;
  const images = Math.min(first.images, IMAGES);
  const links = units.slice(0, UNITS).flatMap(({ unit, iou: value }) => [" ",
    h("a", { class: "nowrap", href: unitHref(layer.address, unit), text: `unit ${unit}` }), h("span", { class: "muted", text: ` ${iou(value)}` })]);
  // The layer's own filter is by the best concept of all categories: it would show other units.
  const rest = units.length > UNITS ? h("a", { href: href(["concepts", concept]), text: `and ${units.length - UNITS} more` }) : null;
  return h("li", null,
    h("p", { class: "detected-line" }, h("strong", null, conceptLink(concept, name)), ` ${counted(units.length, "unit")}: `, links, rest ? [" ", rest] : null, outlined(layer, first.unit, concept)),
    conceptStrip(all, layer.number, layer.address, first.unit, images));
}

/**
 * Says what a unit's strip outlines, where that is not the concept beside it.
 *
 * @param {Layer} layer
 * @param {number} unit
 * @param {number} concept
 */
function outlined({ columns }, unit, concept) {
  const best = columns.concept?.index[unit] ?? null;
  if (best === null || best === concept) return null;
  return h("span", { class: "muted small" }, `; outlined is what unit ${unit} fits best: `, conceptLink(best, columns.concept?.name[unit] ?? ""));
}
