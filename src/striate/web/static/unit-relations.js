// @ts-check
/** What a unit has to do with classes and with other units of its layer. */

import { even, h, number } from "./dom.js";
import { href, unitHref } from "./route.js";
import { DEFINITIONS, term } from "./term.js";
import { tile } from "./tiles.js";

/** @typedef {import("../messages.js").Unit} Unit */
/** @typedef {import("../messages.js").Layer} Layer */

const SIDE = 72;

/** @param {Unit} unit */
export function classMeans(unit) {
  const title = h("h2", { text: "Mean response by class" });
  if (unit.class_means.length === 0) {
    return h("section", { class: "unit-classes" }, title, h("p", { class: "muted", text: "No image with a label counts for this unit." }));
  }
  const most = Math.max(...unit.class_means.map(({ mean }) => Math.abs(mean)), Number.MIN_VALUE);
  const rest = unit.classes > unit.class_means.length ? `The ${unit.class_means.length} largest of ${number(unit.classes)} classes.` : `All ${unit.classes} classes.`;
  return h("section", { class: "unit-classes" }, title,
    h("table", { class: "bars" },
      h("thead", { class: "unseen" }, h("tr", null, h("th", { scope: "col", text: "Class" }), h("th", { scope: "col", text: "Mean activation" }))),
      h("tbody", null, unit.class_means.map(({ class_index: index, name, mean }) => h("tr", null,
        h("th", { scope: "row" }, h("a", { href: href(["classes", index]), text: name ?? `class ${index}` })),
        h("td", null, h("span", { class: mean < 0 ? "length below" : "length", style: { "--share": Math.abs(mean) / most } }),
          h("span", { text: even(mean) })))))),
    h("p", { class: "small muted", text: rest }));
}

/**
 * Why a unit has no similar ones.
 *
 * @param {Unit} unit
 * @param {Layer} layer
 */
function alone(unit, layer) {
  if (layer.units === 1) return "It is the only unit of its layer.";
  if (layer.similarity === null) {
    return unit.images < 3 ? "Not known: a correlation takes three images at least."
      : `Not known: with ${number(layer.units)} units, the layer is too wide to compare each with each.`;
  }
  return "None: no other unit's response rises with this one's, or this one's never changes.";
}

/**
 * @param {Unit} unit
 * @param {Layer} layer
 */
export function similarUnits(unit, layer) {
  const words = [h("h2", { text: "Most similar units" })];
  if (unit.similar.length === 0) {
    return h("section", { class: "unit-similar" }, words, h("p", { class: "muted", text: alone(unit, layer) }));
  }
  return h("section", { class: "unit-similar" }, words,
    h("p", { class: "small muted" }, "By ", term("correlation r", DEFINITIONS.similarity), `, among the ${number(layer.units)} of this layer.`),
    h("ul", { class: "similar" }, unit.similar.map(({ unit: other, correlation }) => h("li", null,
      h("a", { href: unitHref(layer.address, other), class: "unit-cell", "aria-label": `unit ${other}, r ${number(correlation, 2)}` },
        tile({
          sheets: layer.sheets, index: other, size: SIDE, label: `${layer.address} unit ${other}, strongest crop`,
          path: (page) => `pictures/layers/${layer.number}/crop/${page}.webp`,
        }),
        h("span", { class: "unit-caption" }, h("span", { text: other }), h("span", { class: "unit-value", text: `r ${even(correlation, 2)}` })))))));
}
