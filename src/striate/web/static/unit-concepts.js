// @ts-check
/** What a unit has in common with concepts: numbers, and its images of the concept set. */

import { LEGEND } from "./concept-strip.js";
import { conceptLink, counted, detector, iou } from "./concept-words.js";
import { even, h, number, percent } from "./dom.js";
import { DEFINITIONS, term } from "./term.js";
import { tileSize } from "./theme.js";
import { rowTile } from "./tiles.js";

/** @typedef {import("../messages.js").Unit} Unit */
/** @typedef {import("../messages.js").UnitConcepts} UnitConcepts */
/** @typedef {import("../messages.js").Overlap} Overlap */
/** @typedef {import("../messages.js").Network} Network */

/**
 * @param {Unit} unit
 * @param {Network} all
 * @returns {HTMLElement | null} null where nobody compared the layer with concepts
 */
export function unitConcepts(unit, all) {
  const { concepts } = unit;
  if (concepts === null || all.dissection === null) return null;
  return h("section", { class: "unit-concepts", "aria-labelledby": "unit-concepts" },
    h("h2", { id: "unit-concepts", text: "Concepts" }),
    h("p", null, best(concepts.best, all)),
    how(concepts, all),
    figures(unit, concepts, all),
    table(concepts.in_categories));
}

/**
 * @param {Overlap | null} found
 * @param {Network} all
 */
function best(found, all) {
  if (found === null) return "It covers nothing that is labelled.";
  const what = [conceptLink(found.concept, found.name), ` (${found.category}), `, term("IoU", DEFINITIONS.iou), " ", h("strong", { text: iou(found.iou) })];
  const level = all.dissection?.level ?? 0;
  return found.iou > level ? ["Detects ", ...what, ` (${detector(all)}).`]
    : ["No detector: its best concept is ", ...what, `, not above ${iou(level)}.`];
}

/**
 * @param {UnitConcepts} concepts
 * @param {Network} all
 */
function how({ threshold }, { dissection }) {
  if (dissection === null) return null;
  const { quantile, images, sides, skipped } = dissection;
  const missing = skipped > 0 ? `, ${counted(skipped, "other")} could not be read` : "";
  return h("p", { class: "small muted" }, "Counted as active above ", term(`threshold ${number(threshold)}`, DEFINITIONS.threshold),
    `, which ${percent(quantile)} of its places exceed over the ${counted(images, "image")} of the concept set${missing}. `
    + `Compared on a grid of ${sides.join(" × ")}.`);
}

/**
 * @param {Unit} unit
 * @param {UnitConcepts} concepts
 * @param {Network} all
 */
function figures(unit, { images, best: found }, all) {
  if (images.length === 0) return h("p", { class: "muted", text: "On no image of the concept set is it above its threshold." });
  const size = Math.max(tileSize(), 96);
  const line = all.layers[unit.layer].address;
  const about = found ? `; outlined: ${found.name}` : "";
  return [h("p", { class: "legend small muted", text: LEGEND }),
    h("div", { class: "figures", style: { "--side": `${size}px` } }, images.map(({ file, value }, index) =>
      h("figure", { class: "strongest" },
        rowTile({
          url: `pictures/concepts/${unit.layer}/${unit.unit}.webp`, count: images.length, index, size,
          label: `${line} unit ${unit.unit}, image ${index + 1} of ${images.length} of the concept set, ${file}, activation ${number(value)}, bright where active${about}`,
        }),
        h("figcaption", { class: "small" }, h("span", { text: even(value) }),
          h("span", { class: "muted file", title: file, text: file.slice(file.lastIndexOf("/") + 1) })))))];
}

/** @param {Overlap[]} overlaps */
function table(overlaps) {
  if (overlaps.length === 0) return null;
  const heads = ["Category", "Best concept", "IoU", "Labelled", "Active", "Both"];
  return h("div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Best concept of each category" }, h("table", { class: "overlaps" },
    h("caption", { class: "small muted", text: "The best concept of each category, in pixels of the grid over all images. IoU: both / (labelled + active − both); "
      + "active counts in images with a label of the category." }),
    h("thead", null, h("tr", null, heads.map((text, k) => h("th", { scope: "col", class: k > 1 ? "right" : "", text })))),
    h("tbody", null, overlaps.map((each) => h("tr", null,
      h("th", { scope: "row", text: each.category }),
      h("td", null, conceptLink(each.concept, each.name)),
      h("td", { class: "right", text: iou(each.iou) }),
      ...[each.truth, each.activation, each.intersection].map((count) => h("td", { class: "right", text: number(count) })))))));
}
