// @ts-check
/** The numbers of a unit, with what they mean. */

import { h, number, percent } from "./dom.js";
import { DEFINITIONS, term } from "./term.js";

/** @typedef {import("../messages.js").Unit} Unit */

/** @param {Unit} unit */
export function facts(unit) {
  /** @type {[string, string, string][]} */
  const rows = [
    ["Maximum", DEFINITIONS.maximum, number(unit.maximum)],
    ["Mean", DEFINITIONS.mean, number(unit.mean)],
    ["Deviation", DEFINITIONS.deviation, number(unit.deviation)],
    ["Fires on", DEFINITIONS.fires, `${percent(unit.fires)} of ${number(unit.images)} images`],
    ["Fires at", DEFINITIONS.places, `${percent(unit.fires_places)} of ${number(unit.places)} places`],
  ];
  if (unit.best_class !== null) {
    rows.push(["Best class", "The class with the largest mean activation, over all places of all its images.", unit.best_class_name ?? `class ${unit.best_class}`]);
    rows.push(["Selectivity", DEFINITIONS.selectivity, number(unit.selectivity)]);
  }
  if (unit.not_finite > 0) {
    rows.push(["Not finite", "Images in which the unit gave infinity or no number somewhere; they count in nothing else here.",
      `${number(unit.not_finite)} ${unit.not_finite === 1 ? "image" : "images"}`]);
  }
  return h("dl", { class: "facts" }, rows.flatMap(([word, definition, value]) =>
    [h("dt", null, term(word, definition)), h("dd", { text: value })]));
}
