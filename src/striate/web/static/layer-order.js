// @ts-check
/** Which units of a layer are shown, and in which order: pure functions of the layer and the query. */

/** @typedef {import("../messages.js").Layer} Layer */

/**
 * @typedef {object} Choice
 * @property {string} sort
 * @property {"show" | "hide" | "only"} dead
 * @property {string} class name or index of a class; "" for all
 * @property {string} concept name of a concept or category; "" for all
 * @property {string} text
 * @property {"number" | "concept"} label what stands under each picture
 */

export const SORTS = [
  { name: "index", words: "index" },
  { name: "maximum", words: "maximum" },
  { name: "selectivity", words: "class selectivity" },
  { name: "iou", words: "IoU" },
  { name: "sparsity", words: "sparsity" },
  { name: "similarity", words: "similarity" },
];

/**
 * Whether units are sorted by a number, which then stands under each.
 *
 * @param {string} sort
 */
export const isByNumber = (sort) => sort !== "index" && sort !== "similarity";

/**
 * The orders that a layer has: not all can be compared unit by unit, or respond to classes.
 *
 * @param {Layer} layer
 */
export function sortsOf({ similarity, columns }) {
  /** @type {{[sort: string]: boolean}} */
  const has = {
    similarity: similarity !== null, iou: Boolean(columns.concept), selectivity: columns.selectivity.some((value) => value !== null),
  };
  return SORTS.filter(({ name }) => has[name] ?? true);
}

/**
 * @param {URLSearchParams} query
 * @param {Layer} layer
 * @returns {Choice}
 */
export function choiceOf(query, layer) {
  const sort = query.get("sort") ?? "index";
  const dead = query.get("dead");
  return {
    sort: sortsOf(layer).some(({ name }) => name === sort) ? sort : "index",
    dead: dead === "hide" || dead === "only" ? dead : "show",
    class: (query.get("class") ?? "").trim(),
    concept: layer.columns.concept ? (query.get("concept") ?? "").trim() : "",
    text: (query.get("text") ?? "").trim(),
    label: layer.columns.concept && query.get("label") === "concept" ? "concept" : "number",
  };
}

/**
 * The units of a layer that a choice leaves, in its order.
 *
 * @param {Layer} layer
 * @param {Choice} choice
 * @param {Map<number, string>} files names of images by id, as far as they are known
 * @returns {number[]}
 */
export function unitsOf(layer, choice, files = new Map()) {
  const kept = filters(layer, choice, files);
  return order(layer, choice.sort).filter((unit) => kept.every((keeps) => keeps(unit)));
}

/**
 * @param {Layer} layer
 * @param {string} sort
 * @returns {number[]}
 */
function order(layer, sort) {
  const all = Array.from({ length: layer.units }, (_, unit) => unit);
  if (sort === "similarity") return layer.similarity ?? all;
  const key = keyOf(layer, sort);
  return key ? all.sort((a, b) => key(b) - key(a) || a - b) : all;
}

/**
 * What a sort puts first is large; units without the number come last.
 *
 * @param {Layer} layer
 * @param {string} sort
 * @returns {((unit: number) => number) | null}
 */
function keyOf({ columns }, sort) {
  if (sort === "maximum") return (unit) => columns.maximum[unit] ?? -Number.MAX_VALUE;
  if (sort === "selectivity") return (unit) => columns.selectivity[unit] ?? -Number.MAX_VALUE;
  if (sort === "sparsity") return (unit) => 1 - columns.fires[unit];
  if (sort === "iou") return (unit) => columns.concept?.iou[unit] ?? -1;
  return null;
}

/**
 * @param {Layer} layer
 * @param {Choice} choice
 * @param {Map<number, string>} files
 * @returns {((unit: number) => boolean)[]}
 */
function filters({ columns, class_names: classes }, choice, files) {
  /** @type {((unit: number) => boolean)[]} */
  const kept = [];
  if (choice.dead !== "show") kept.push((unit) => columns.dead[unit] === (choice.dead === "only"));
  /** @param {number} unit */
  const nameOf = (unit) => (classes[String(columns.best_class[unit])] ?? "").toLowerCase();
  if (choice.class !== "") {
    const wanted = choice.class.toLowerCase();
    kept.push((unit) => columns.best_class[unit] !== null
      && (String(columns.best_class[unit]) === wanted || nameOf(unit) === wanted));
  }
  const [names, categories] = [columns.concept?.name ?? [], columns.concept?.category ?? []];
  if (choice.concept !== "") {
    const wanted = choice.concept.toLowerCase();
    kept.push((unit) => names[unit]?.toLowerCase() === wanted || categories[unit]?.toLowerCase() === wanted);
  }
  for (const word of choice.text.toLowerCase().split(/\s+/)) {
    if (word === "") continue;
    kept.push((unit) => String(unit) === word || nameOf(unit).includes(word) || names[unit]?.toLowerCase().includes(word)
      || (files.get(columns.top_image[unit] ?? -1) ?? "").toLowerCase().includes(word));
  }
  return kept;
}
