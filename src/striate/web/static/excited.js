// @ts-check
/** For each layer the units that an image excites most, by standard deviations above their mean. */

import { load } from "./data.js";
import { h, number } from "./dom.js";
import { unitSheets } from "./names.js";
import { layerHref, unitHref } from "./route.js";
import { tile } from "./tiles.js";

/** @typedef {import("../messages.js").Image} Image */
/** @typedef {import("../messages.js").Network} Network */
/** @typedef {import("../messages.js").Excited} Excited */
/** @typedef {import("../messages.js").ExcitedLayer} ExcitedLayer */
/** @typedef {import("./image-frame.js").ImageFrame} ImageFrame */

/**
 * @param {Image} image
 * @param {Network} all
 * @param {ImageFrame} frame shows what a unit saw of the image, where that is known
 */
export function excitedTable(image, all, frame) {
  const units = new Map(all.layers.map((layer) => [layer.number, layer.units]));
  return h("div", { class: "excited" },
    h("p", { class: "muted", text: "The units that stand out most, with their largest activation in this image, how many standard deviations (σ) that is above the mean of the unit's largest activations in all images, and the image's place among the unit's strongest." }),
    image.layers.map((layer) => h("section", { class: "excited-layer" },
      h("h3", null, h("a", { class: "mono", href: layerHref(layer.address), text: layer.address })),
      h("div", { class: "unit-cards" }, layer.units.map((each) => card(image, layer, units.get(layer.layer) ?? 0, each, frame))))));
}

/**
 * @param {Image} image
 * @param {ExcitedLayer} layer
 * @param {number} units
 * @param {Excited} each
 * @param {ImageFrame} frame
 */
function card(image, { layer, address }, units, { unit, value, deviations, place }, frame) {
  const picture = tile({
    sheets: unitSheets(units), path: (page) => `pictures/layers/${layer}/crop/${page}.webp`, index: unit, size: 96,
    label: `${address} unit ${unit}, strongest crop`,
  });
  const link = h("a", { href: unitHref(address, unit), "aria-label": `${address} unit ${unit}` }, picture);
  const box = h("div", { class: "unit-card" }, link,
    h("span", { class: "small", text: `unit ${unit}` }),
    h("span", { class: "small numeric", text: number(value, 3) }),
    h("span", { class: "muted small", text: `${deviations.toFixed(1)} σ above` }),
    place !== null && h("span", { class: "excited-place small", text: place === 1 ? "strongest of all" : `${ordinal(place)} strongest` }));
  if (place === null) return box;
  const show = async () => {
    /** @type {import("../messages.js").Unit} */
    const { top } = await load(`data/layers/${layer}/units/${unit}.json`);
    const found = top.find((one) => one.image === image.image);
    if (found && (box.matches(":hover") || box.contains(document.activeElement))) {
      frame.mark(found.box, `What ${address} unit ${unit} saw at row ${found.row}, column ${found.column}: ${number(found.value)}`);
    }
  };
  const hide = () => frame.mark(null, "");
  // A box that cannot be had leaves the picture as it is; the unit's own page tells what is wrong.
  for (const event of ["pointerenter", "focusin"]) box.addEventListener(event, () => show().catch(hide));
  for (const event of ["pointerleave", "focusout"]) box.addEventListener(event, hide);
  return box;
}

/** @param {number} place */
export function ordinal(place) {
  const last = place % 100 > 10 && place % 100 < 14 ? 0 : place % 10;
  return `${place}${["th", "st", "nd", "rd"][last] ?? "th"}`;
}
