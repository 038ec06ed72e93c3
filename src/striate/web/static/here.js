// @ts-check
/** The page that the address bar names. */

import { network } from "./data.js";
import { find } from "./nearest.js";
import { parse } from "./route.js";

/** @typedef {import("./route.js").Route} Route */

/**
 * The route in the address bar; other spellings of a layer become its address.
 *
 * @returns {Promise<Route>}
 */
export async function here() {
  const route = parse(location.hash);
  const all = await network().catch(() => null);
  if (!all || route.layer === undefined || find(all, route.layer)) {
    return all && route.layer !== undefined ? { ...route, layer: find(all, route.layer)?.address } : route;
  }
  const whole = route.page === "unit" ? `${route.layer}/${route.unit}` : route.layer;
  if (find(all, whole)) return { page: "layer", layer: find(all, whole)?.address, query: route.query };
  const spelled = /^(.+):(\d{1,9})(@\d+,\d+)?$/.exec(whole);
  const layer = spelled && find(all, spelled[1]);
  return spelled && layer ? { page: "unit", layer: layer.address, unit: Number(spelled[2]), query: route.query } : route;
}
