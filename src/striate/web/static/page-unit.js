// @ts-check
/** A unit: its strongest images with their projections, its values, classes, and units like it. */

import "./value-histogram.js";
import { load, network } from "./data.js";
import { breakable, h, number, percent } from "./dom.js";
import { shares } from "./concept-vectors.js";
import { copyButton, copyLink, copyText, copyUnit } from "./copy.js";
import { LAYER_STEPS, nextSize } from "./layer-keys.js";
import { choiceOf, unitsOf } from "./layer-order.js";
import { register } from "./keys.js";
import { namesOf } from "./names-of.js";
import { layerWith } from "./nearest.js";
import { layerHref, unitHref } from "./route.js";
import { settingsEvents } from "./theme.js";
import { unitConcepts } from "./unit-concepts.js";
import { facts } from "./unit-facts.js";
import { classMeans, similarUnits } from "./unit-relations.js";
import { strongest } from "./unit-strongest.js";
import { synthetic } from "./unit-synthetic.js";
import { ValueHistogram } from "./value-histogram.js";

/** @typedef {import("../messages.js").Unit} Unit */
/** @typedef {import("../messages.js").Layer} Layer */
/** @typedef {import("../messages.js").Network} Network */
/** @typedef {import("../messages.js").LayerLine} LayerLine */
/** @typedef {import("./route.js").Route} Route */

/**
 * @param {Route} route
 * @param {AbortSignal} signal
 */
export async function render(route, signal) {
  const [all, line] = await Promise.all([network(), layerWith(route.layer ?? "", route.unit ?? 0)]);
  const path = `data/layers/${line.number}/units/${route.unit}.json`;
  /** @type {[Unit, Layer]} */
  const [unit, layer] = await Promise.all([load(path, signal), load(`data/layers/${line.number}.json`, signal)]);
  const strip = `pictures/units/${line.number}/${unit.unit}.webp`;
  const links = h("nav", { class: "walk", "aria-label": "Units and layers" });
  await walk(links, all, layer, unit.unit, route.query, signal);
  keys();
  const pictures = h("div");
  const concepts = h("div");
  const draw = () => {
    pictures.replaceChildren(strongest(unit, line, all.image_size, strip, signal));
    concepts.replaceChildren(unitConcepts(unit, all) ?? "", shares(unit, line.address) ?? "");
  };
  draw();
  settingsEvents.addEventListener("change", draw, { signal });
  return {
    title: `${line.address} unit ${unit.unit}`,
    node: h("article", { class: "unit" }, heading(unit, line, links, strip, all.dissection?.level ?? 1), pictures, synthetic(unit, line), concepts, details(unit, layer)),
  };
}

/**
 * @param {Unit} unit
 * @param {LayerLine} line
 * @param {HTMLElement} links
 * @param {string} strip
 * @param {number} level a detector's IoU is above it
 */
function heading(unit, line, links, strip, level) {
  return h("header", { class: "layer-head" },
    h("div", { class: "head-line" },
      h("h1", null, h("span", { class: "mono" }, breakable(unit.address))), links),
    h("div", { class: "head-line" },
      h("p", { class: "sentence" }, sentence(unit, line, level)),
      h("div", { class: "actions" },
        unit.dead ? null : copyButton("Copy as PNG", () => copyUnit(unit, strip), { "data-action": "copy-png" }),
        copyButton("Copy Python", () => copyText(unit.python), { "data-action": "copy-python" }),
        copyLink())));
}

/**
 * @param {Unit} unit
 * @param {LayerLine} line
 * @param {number} level
 */
function sentence(unit, line, level) {
  const where = `Unit ${unit.unit} of ${number(line.units)} in ${line.address}`;
  if (unit.dead) return `${where}: never positive on any of ${number(unit.images)} images.`;
  const best = unit.best_class === null ? "" : ` Its best class is ${unit.best_class_name ?? `class ${unit.best_class}`}.`;
  const concept = unit.concepts?.best;
  const detects = concept && concept.iou > level ? ` It detects ${concept.name} (IoU ${concept.iou.toFixed(2)}).` : "";
  return `${where}: fires on ${percent(unit.fires)} of ${number(unit.images)} images, at most ${number(unit.maximum)}.${best}${detects}`;
}

/**
 * @param {Unit} unit
 * @param {Layer} layer
 */
function details(unit, layer) {
  const histogram = new ValueHistogram();
  histogram.unit = unit;
  return h("div", { class: "unit-details" },
    h("section", { class: "unit-values" }, h("h2", { text: "Values" }), histogram),
    h("section", { class: "unit-facts" }, h("h2", { text: "Numbers" }), facts(unit)),
    classMeans(unit),
    similarUnits(unit, layer),
    h("section", { class: "unit-python" }, h("h2", { text: "In Python" }),
      h("pre", { tabindex: 0, "aria-label": "Lines of Python" }, h("code", { text: unit.python }))));
}

/**
 * The units before and behind in the order that the layer's grid has, and the layers around.
 *
 * @param {HTMLElement} links
 * @param {Network} all
 * @param {Layer} layer
 * @param {number} unit
 * @param {URLSearchParams} query
 * @param {AbortSignal} signal
 */
async function walk(links, all, layer, unit, query, signal) {
  const kept = Object.fromEntries(query);
  let choice = choiceOf(query, layer);
  const files = choice.text === "" ? undefined : await namesOf(layer.columns.top_image, all, signal).catch(() => undefined);
  let order = unitsOf(layer, choice, files);
  if (!order.includes(unit)) {
    choice = choiceOf(new URLSearchParams(), layer);
    order = unitsOf(layer, choice);
  }
  const at = order.indexOf(unit);
  const [before, behind] = [order[at - 1], order[at + 1]];
  const above = all.layers[layer.number - 1];
  const below = all.layers[layer.number + 1];
  /** @param {string} id @param {string} text @param {string | null} href */
  const link = (id, text, href) => (href ? h("a", { class: "button", id, href, text }) : h("span", { class: "button", text }));
  const narrowed = order.length < layer.units ? ", filtered" : "";
  links.replaceChildren(
    link("previous-unit", "← previous unit", before === undefined ? null : unitHref(layer.address, before, kept)),
    h("span", { class: "walk-place small muted", text: `${number(at + 1)} of ${number(order.length)} by ${choice.sort}${narrowed}` }),
    link("next-unit", "next unit →", behind === undefined ? null : unitHref(layer.address, behind, kept)),
    above ? h("a", { class: "walk-layer small", id: "previous-layer", href: layerHref(above.address), title: above.address, text: "previous layer" }) : "",
    below ? h("a", { class: "walk-layer small", id: "next-layer", href: layerHref(below.address), title: below.address, text: "next layer" }) : "");
}

function keys() {
  register("unit", [
    { keys: { always: ["ArrowLeft"], vim: ["h"], dvt: ["j"] }, label: "Previous unit", control: "#previous-unit" },
    { keys: { always: ["ArrowRight"], vim: ["l"], dvt: ["l"] }, label: "Next unit", control: "#next-unit" },
    ...LAYER_STEPS,
    { keys: { vim: ["z"], dvt: ["z"] }, label: "Larger or smaller pictures", control: "[name=tiles]", run: nextSize },
    { keys: { vim: ["y"], dvt: ["y"] }, label: "Copy the pictures as PNG", control: "[data-action=copy-png]" },
    { keys: { vim: ["c"], dvt: ["c"] }, label: "Copy the link", control: "[data-action=copy-link]" },
  ]);
}
