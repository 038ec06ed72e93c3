// @ts-check
/** Why a unit stands where it does in a layer's grid, in words. */

/** @typedef {import("../messages.js").Layer} Layer */

/**
 * The number that stands behind a unit's place in the order, in words.
 *
 * @param {Layer} layer
 * @param {number} unit
 * @param {string} sort
 * @param {(value: number | null) => string} number
 * @param {(share: number | null) => string} percent
 * @returns {string}
 */
export function reason({ columns, class_names: names }, unit, sort, number, percent) {
  if (columns.dead[unit]) return "dead";
  if (sort === "iou") return agreement(columns.concept, unit);
  if (sort === "selectivity") {
    const name = names[String(columns.best_class[unit])];
    return `${number(columns.selectivity[unit])} for ${name ?? `class ${columns.best_class[unit] ?? "?"}`}`;
  }
  if (sort === "sparsity") return `silent on ${percent(1 - columns.fires[unit])} of images`;
  return `max ${number(columns.maximum[unit])}`;
}

/**
 * What a unit agrees with best, in words.
 *
 * @param {import("../messages.js").ConceptColumns | null} concept
 * @param {number} unit
 * @returns {string}
 */
export function agreement(concept, unit) {
  const iou = concept?.iou[unit] ?? null;
  return iou === null ? "covers nothing labelled" : `IoU ${iou.toFixed(2)} with ${concept?.name[unit]} (${concept?.category[unit]})`;
}
