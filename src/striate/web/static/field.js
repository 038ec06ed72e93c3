// @ts-check
/** A receptive field, to scale in the input. */

import { s } from "./dom.js";

const SIDE = 26;

/**
 * @param {[number, number] | null} field height and width; null: the whole image
 * @param {[number, number, number]} image channels, height, width
 * @returns {SVGElement}
 */
export function fieldDrawing(field, [, height, width]) {
  const scale = SIDE / Math.max(height, width);
  const [all, across] = [height * scale, width * scale];
  const [high, wide] = field ? [Math.min(field[0], height) * scale, Math.min(field[1], width) * scale] : [all, across];
  return s("svg", { class: "field", viewBox: `-1 -1 ${across + 2} ${all + 2}`, width: across + 2, height: all + 2, "aria-hidden": "true" },
    s("rect", { class: "field-input", width: across, height: all }),
    s("rect", { class: "field-seen", x: (across - wide) / 2, y: (all - high) / 2, width: Math.max(wide, 1.5), height: Math.max(high, 1.5) }));
}

/**
 * @param {[number, number] | null} field
 * @returns {string}
 */
export function fieldText(field) {
  if (!field) return "whole image";
  return `${field[0]} × ${field[1]} px`;
}
