// @ts-check
/** What is said above a layer's grid: how many are shown, in which order, what the pictures are, why there are none. */

import { detector } from "./concept-words.js";
import { h, number } from "./dom.js";
import { choiceOf, isByNumber, SORTS, unitsOf } from "./layer-order.js";
import { setQuery } from "./route.js";

/** @typedef {import("../messages.js").Layer} Layer */
/** @typedef {import("./layer-order.js").Choice} Choice */

/** @type {{[view: string]: string}} */
const LEGENDS = {
  crop: "Each picture: what the unit's strongest neuron saw of its strongest image.",
  mean: "Each picture: the mean of what the unit's strongest neurons saw.",
  projection: "Each picture: what in its strongest crop the activation comes from. Mid-grey is zero; each is scaled on its own.",
  synthetic: "Each picture: an image made to excite the unit, no photograph; faint ones have more contrast.",
};

/**
 * @param {Layer} layer
 * @param {Choice} choice
 * @param {string} view
 * @param {number[]} items the units that are shown
 * @param {import("../messages.js").Network} all
 * @returns {string}
 */
export function summary(layer, choice, view, items, all) {
  const none = view === "projection" && layer.unprojected !== null;
  const shown = (/** @type {number} */ unit) => (view === "synthetic" ? layer.synthetic?.[unit] !== null : !layer.columns.dead[unit]);
  const legend = none ? `No projections: ${layer.unprojected}.` : items.some(shown) ? `${LEGENDS[view] ?? ""}${numbers(choice, view)}` : "";
  const units = layer.units === 1 ? "unit" : "units";
  return `${number(items.length)} of ${number(layer.units)} ${units}${sorted(choice)}. ${legend}${unsynthesized(layer)}${concepts(choice, all)}`;
}

/** @param {Choice} choice @param {string} view */
function numbers({ sort }, view) {
  return view === "synthetic" && !isByNumber(sort) ? " The number: the activation it reaches." : "";
}

/** @param {Layer} layer */
function unsynthesized({ unsynthesized: why }) {
  return why === null ? "" : ` No synthetic images: ${why}.`;
}

/** @param {Choice} choice @param {import("../messages.js").Network} all */
function concepts({ label, sort }, all) {
  const said = sort === "iou" || label === "concept" ? ` IoU: with the concept that the unit agrees with best; ${detector(all)}` : "";
  return said && `${said}${label === "concept" ? ", the others are pale" : ""}.`;
}

/** @param {Choice} choice */
function sorted(choice) {
  const found = SORTS.find(({ name }) => name === choice.sort);
  return choice.sort === "index" ? "" : choice.sort === "similarity" ? ", similar ones side by side" : `, highest ${found?.words} first`;
}

/**
 * Why nothing is left: what each filter would leave by itself.
 *
 * @param {Layer} layer
 * @param {Choice} choice
 * @param {Map<number, string>} files
 */
export function why(layer, choice, files) {
  const none = choiceOf(new URLSearchParams(), layer);
  /** @type {[string, Partial<Choice>][]} */
  const each = [];
  if (choice.dead !== "show") each.push([choice.dead === "only" ? "dead units only" : "dead units hidden", { dead: choice.dead }]);
  if (choice.class !== "") each.push([`best class “${choice.class}”`, { class: choice.class }]);
  if (choice.concept !== "") each.push([`best concept or its category “${choice.concept}”`, { concept: choice.concept }]);
  if (choice.text !== "") each.push([`“${choice.text}” as unit, class${layer.columns.concept ? ", concept" : ""} or file`, { text: choice.text }]);
  return h("div", { class: "notice" },
    h("p", { text: "No unit passes these filters together. Each by itself leaves:" }),
    h("ul", null, each.map(([words, filter]) =>
      h("li", { text: `${words}: ${unitsOf(layer, { ...none, ...filter }, files).length} of ${layer.units}` }))),
    h("button", { type: "button", text: "Show all units", on: { click: () => setQuery({ dead: null, class: null, concept: null, text: null }) } }));
}
