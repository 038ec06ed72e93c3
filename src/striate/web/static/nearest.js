// @ts-check
/** Layers by address, and the nearest three for an address that is none. */

import { network, Problem } from "./data.js";
import { layerHref, unitHref } from "./route.js";

/** @typedef {import("../messages.js").Network} Network */
/** @typedef {import("../messages.js").LayerLine} LayerLine */

/**
 * @param {string} address or another name of the layer
 * @returns {Promise<LayerLine>}
 */
export async function layerAt(address) {
  const all = await network();
  const found = find(all, address);
  if (found) return found;
  const near = all.layers
    .map((layer) => ({ layer, far: distance(address.toLowerCase(), layer.address.toLowerCase()) }))
    .sort((a, b) => a.far - b.far)
    .slice(0, 3);
  const problem = new Problem(`The atlas has no layer ${JSON.stringify(address)}.`, 404, "No such layer");
  problem.near = near.map(({ layer }) => ({ text: layer.address, href: layerHref(layer.address) }));
  throw problem;
}

/**
 * @param {string} address of a layer
 * @param {number} unit
 * @returns {Promise<LayerLine>} the layer, which has that unit
 */
export async function layerWith(address, unit) {
  const layer = await layerAt(address);
  if (unit < layer.units) return layer;
  const last = layer.units - 1;
  const problem = new Problem(`${layer.address} has no unit ${unit}; its units go from 0 to ${last}.`, 404, "No such unit");
  problem.near = [{ text: `${layer.address} unit ${last}`, href: unitHref(layer.address, last) },
    { text: `all units of ${layer.address}`, href: layerHref(layer.address) }];
  throw problem;
}

/**
 * @param {Network} all
 * @param {string} address
 * @returns {LayerLine | undefined}
 */
export function find(all, address) {
  const name = Object.hasOwn(all.aliases, address) ? all.aliases[address] : address;
  return all.layers.find((layer) => layer.address === name);
}

/**
 * Insertions, deletions and replacements from one text to the other.
 *
 * @param {string} a
 * @param {string} b
 * @returns {number}
 */
export function distance(a, b) {
  let before = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = before[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(same, before[j] + 1, row[j - 1] + 1));
    }
    before = row;
  }
  return before[b.length];
}
