// @ts-check
/** What a search finds: units and layers by address, classes and concepts by name, images by file. */

import { parseAddress, printAddress } from "./address.js";
import { load, network } from "./data.js";
import { number } from "./dom.js";
import { best, EACH, nearest } from "./matches.js";
import { className, namesPage } from "./names.js";
import { href, layerHref, unitHref } from "./route.js";

/** @typedef {import("../messages.js").Network} Network */
/** @typedef {import("../messages.js").LayerLine} LayerLine */
/** @typedef {import("../messages.js").ClassLine} ClassLine */
/** @typedef {import("../messages.js").ConceptLine} ConceptLine */
/** @typedef {{kind: string, text: string, detail: string, href: string}} Found */
/** @typedef {{found: Found[], note: string}} Answer */

const PAGES = 20;
const NEAR = 4;

/**
 * All kinds at once, what is named exactly first; `note` says what was left out, or why there is nothing.
 * @param {string} typed
 * @param {AbortSignal} signal
 * @returns {Promise<Answer>}
 */
export async function search(typed, signal) {
  const text = typed.trim();
  if (text === "") return { found: [], note: "" };
  const all = await network();
  const places = byAddress(text, all);
  const classes = all.classes > 0 ? (await load("data/classes.json", signal)).classes : [];
  const concepts = all.dissection ? (await load("data/concepts.json", signal)).concepts : [];
  const files = await byFile(text, all, signal);
  const found = [...places.found, ...layersLike(text, all), ...classesLike(text, classes), ...conceptsLike(text, concepts), ...files.found];
  if (found.length > 0) return { found, note: [places.note, files.note].filter(Boolean).join(" ") };
  return { found: nearestTo(text, all, classes, concepts), note: places.note || `Nothing is called “${text}”; the nearest are:` };
}

/**
 * @param {string} text
 * @param {Network} all
 * @returns {Answer}
 */
function byAddress(text, all) {
  const address = parseAddress(text.replace(/\s+(?=[0-9]+$)/, ":").replace(/\s*([:@,])\s*/g, "$1"));
  if (address?.unit === undefined || address.unit === null) return { found: [], note: "" };
  const layer = all.layers.find((each) => each.address === (all.aliases[address.layer] ?? address.layer));
  if (!layer) return { found: [], note: "" };
  if (address.unit >= layer.units) {
    return { found: [lineOf(layer)], note: `${layer.address} has ${number(layer.units)} units, 0 to ${layer.units - 1}.` };
  }
  const [rows, columns] = layer.map_size;
  const outside = address.row !== null && (address.row >= rows || Number(address.column) >= columns);
  const kind = address.row === null || outside ? "unit" : "neuron";
  const shown = kind === "unit" ? { layer: layer.address, unit: address.unit } : { ...address, layer: layer.address };
  const note = outside ? `The map of ${layer.address} has ${rows} × ${columns} places.` : "";
  return { found: [{ kind, text: printAddress(shown), detail: layer.operation, href: unitHref(layer.address, address.unit) }], note };
}

/** @param {LayerLine} layer */
function lineOf(layer) {
  const detail = `${layer.operation}, ${number(layer.units)} units`;
  return { kind: "layer", text: layer.address, detail, href: layerHref(layer.address) };
}

/**
 * @param {string} text
 * @param {Network} all
 */
function layersLike(text, all) {
  const other = Object.entries(all.aliases).map(([alias, address]) => ({ name: alias, address }));
  const names = [...all.layers.map(({ address }) => ({ name: address, address })), ...other];
  const addresses = new Set(best(text, names, ({ name }) => name).map(({ address }) => address));
  return all.layers.filter(({ address }) => addresses.has(address)).map(lineOf);
}

/**
 * @param {string} text
 * @param {ClassLine[]} classes
 */
function classesLike(text, classes) {
  const index = /^[0-9]+$/.test(text) ? Number(text) : -1;
  const numbered = classes.filter((each) => each.class_index === index);
  const alike = best(text, classes.filter(({ name }) => name !== null), className);
  return [...new Set([...numbered, ...alike])].map(classLine);
}

/** @param {ClassLine} each */
function classLine(each) {
  return {
    kind: "class", text: className(each), detail: `number ${each.class_index}, ${number(each.images)} ${each.images === 1 ? "image" : "images"}`,
    href: href(["classes", each.class_index]),
  };
}

/**
 * @param {string} text
 * @param {ConceptLine[]} concepts
 */
function conceptsLike(text, concepts) {
  return best(text, concepts, ({ name }) => name).map(conceptLine);
}

/** @param {ConceptLine} each */
function conceptLine({ concept, name, category, detectors }) {
  return { kind: "concept", text: name, detail: `${category}, ${number(detectors)} ${detectors === 1 ? "detector" : "detectors"}`, href: href(["concepts", concept]) };
}

/**
 * Go through the names page by page; stop at enough, or at a bound that is then told.
 * @param {string} text
 * @param {Network} all
 * @param {AbortSignal} signal
 * @returns {Promise<Answer>}
 */
async function byFile(text, all, signal) {
  const total = all.status.images;
  const pages = Math.ceil(total / all.names_page);
  /** @type {Found[]} */
  const found = [];
  for (let page = 0; page < Math.min(pages, PAGES) && found.length < EACH; page++) {
    for (const { id, name } of best(text, await namesPage(page, signal), (each) => each.name)) {
      if (found.length < EACH) found.push({ kind: "image", text: name, detail: `number ${id}`, href: href(["images", id]) });
    }
  }
  const missed = pages > PAGES && found.length < EACH;
  return { found, note: missed ? `Only the first ${number(PAGES * all.names_page)} file names were searched.` : "" };
}

/**
 * @param {string} text
 * @param {Network} all
 * @param {ClassLine[]} classes
 * @param {ConceptLine[]} concepts
 */
function nearestTo(text, all, classes, concepts) {
  const layers = all.layers.map((layer) => ({ name: layer.address, found: () => lineOf(layer) }));
  const named = classes.map((each) => ({ name: className(each), found: () => classLine(each) }));
  const labelled = concepts.map((each) => ({ name: each.name, found: () => conceptLine(each) }));
  return nearest(text, [...layers, ...named, ...labelled], ({ name }) => name, NEAR).map(({ found }) => found());
}
