// @ts-check
/** A unit's strongest images of the concept set in one row, bright where the unit is active. */

import { ask, picture } from "./data.js";
import { h } from "./dom.js";
import { loadInTurn } from "./in-turn.js";

/** @typedef {import("../messages.js").Network} Network */

const SIDE = 128;
const MAGNIFIED = 4;

/** What the pictures show, in words. */
export const LEGEND = "Bright: where the unit is above its threshold. Yellow line: the edge of what is labelled with its best concept; "
  + "no line where the label covers the whole image, or is not in it.";

/**
 * @param {Network} all
 * @param {number} layer
 * @param {string} address of the layer
 * @param {number} unit
 * @param {number} images how many the strip has
 * @returns {HTMLElement | null} null where there are none
 */
export function conceptStrip(all, layer, address, unit, images) {
  if (images === 0) return null;
  const path = `pictures/concepts/${layer}/${unit}.webp`;
  const [width, height] = tileSize(all);
  const label = `${address} unit ${unit}: its ${images === 1 ? "strongest image" : `${images} strongest images`} of the concept set, bright where it is active`;
  const shown = h("img", { class: "concept-strip", width: width * images, height, decoding: "async", alt: label });
  shown.addEventListener("error", async () => {
    const why = await ask(picture(path)).then(() => "It is no picture.", (/** @type {Error} */ error) => error.message);
    shown.replaceWith(h("p", { class: "notice bad small", text: `The images cannot be shown. ${why}` }));
  });
  loadInTurn(shown, picture(path));
  return shown;
}

/**
 * Width and height of a tile, as the server draws it.
 *
 * @param {Network} all
 */
function tileSize({ image_size: [, height, width] }) {
  const longest = Math.max(height, width);
  const factor = Math.floor(SIDE / longest);
  const scale = factor >= MAGNIFIED ? factor : SIDE / longest;
  return [Math.round(width * scale), Math.round(height * scale)];
}
