// @ts-check
/** A concept: the units of all layers that detect it, with what they have in common. */

import { conceptStrip, LEGEND } from "./concept-strip.js";
import { learnt } from "./concept-vectors.js";
import { conceptLink, counted, detector, iou } from "./concept-words.js";
import { load, network } from "./data.js";
import { breakable, h, number } from "./dom.js";
import { register } from "./keys.js";
import { href, layerHref, unitHref } from "./route.js";

/** @typedef {import("../messages.js").ConceptPage} ConceptPage */
/** @typedef {import("../messages.js").DetectingLayer} DetectingLayer */
/** @typedef {import("../messages.js").DetectingUnit} DetectingUnit */
/** @typedef {import("../messages.js").Network} Network */
/** @typedef {import("./route.js").Route} Route */

const FIRST = 6;

register("concept", [
  { keys: { always: ["ArrowLeft"], vim: ["h"], dvt: ["j"] }, label: "Previous concept", control: "[data-action=previous-concept]" },
  { keys: { always: ["ArrowRight"], vim: ["l"], dvt: ["l"] }, label: "Next concept", control: "[data-action=next-concept]" },
]);

/**
 * @param {Route} route
 * @param {AbortSignal} signal
 */
export async function render(route, signal) {
  /** @type {[Network, ConceptPage]} */
  const [all, it] = await Promise.all([network(), load(`data/concepts/${route.id}.json`, signal)]);
  const shown = it.layers.length > 0 ? it.layers : it.nearest;
  const node = h("article", { class: "concept-page" },
    h("div", { class: "title-line" }, h("h1", { text: it.name }), neighbours(it.concept, all.dissection?.concepts ?? 0)),
    h("p", { text: summary(it, all) }),
    shown.length > 0 && h("p", { class: "small muted", text: LEGEND }),
    shown.map((layer) => section(layer, it, all)),
    learnt(it.learnt));
  return { title: it.name, node };
}

/**
 * @param {number} index
 * @param {number} count
 */
function neighbours(index, count) {
  const link = (/** @type {number} */ to, /** @type {string} */ name, /** @type {string} */ text) =>
    to < 0 || to >= count ? h("span", { class: "muted", text }) : h("a", { href: href(["concepts", to]), "data-action": `${name}-concept`, text });
  return h("nav", { class: "neighbours", "aria-label": "Neighbouring concepts" },
    link(index - 1, "previous", "← previous"), link(index + 1, "next", "next →"));
}

/** @param {ConceptPage} it @param {Network} all */
function summary({ category, pixels, layers, nearest }, all) {
  const units = layers.reduce((sum, each) => sum + each.units.length, 0);
  const labelled = `Category ${category}. ${counted(pixels, "pixel")} of the grid ${pixels === 1 ? "is" : "are"} labelled so, over ${counted(all.dissection?.images ?? 0, "image")}.`;
  if (units > 0) return `${labelled} Detected by ${counted(units, "unit")} of ${counted(layers.length, "layer")} (${detector(all)}, and no other ${category} fits better).`;
  return `${labelled} No unit detects it (${detector(all)}, and no other ${category} fits better)${nearest.length > 0 ? "; the nearest:" : ", and none covers any of it."}`;
}

/**
 * @param {DetectingLayer} layer
 * @param {ConceptPage} it
 * @param {Network} all
 */
function section(layer, it, all) {
  const { address, units } = layer;
  const list = h("ul", { class: "detected" }, units.slice(0, FIRST).map((each) => unit(layer, each, it, all)));
  const more = h("button", { type: "button", text: `Show all ${number(units.length)}`, on: { click: () => {
    more.remove();
    list.append(...units.slice(FIRST).map((each) => unit(layer, each, it, all)));
  } } });
  const count = it.layers.length > 0 ? ` ${counted(units.length, "unit")}` : "";
  return h("section", null,
    h("h2", null, h("a", { class: "mono", href: layerHref(address, { sort: "iou", label: "concept" }) }, breakable(address)), h("span", { class: "muted small", text: count })),
    list, units.length > FIRST && more);
}

/**
 * @param {DetectingLayer} layer
 * @param {DetectingUnit} each
 * @param {ConceptPage} it
 * @param {Network} all
 */
function unit({ layer, address }, each, it, all) {
  const counts = `${number(each.intersection)} pixels in both, ${number(each.activation)} active, ${number(each.truth)} labelled`;
  const other = each.best === it.concept ? null : ["; best of all categories (and outlined): ", conceptLink(each.best, each.best_name)];
  return h("li", null,
    h("p", { class: "detected-line" }, h("a", { class: "nowrap", href: unitHref(address, each.unit), text: `unit ${each.unit}` }),
      " IoU ", h("strong", { text: iou(each.iou) }), h("span", { class: "muted small" }, ` ${counts}`, other)),
    conceptStrip(all, layer, address, each.unit, each.images));
}
