// @ts-check
/** The shortcuts of a layer's page. */

import { press, register } from "./keys.js";
import { SORTS } from "./layer-order.js";
import { parse, setQuery } from "./route.js";
import { CHOICES, choose, chosen } from "./theme.js";

/** @typedef {import("./unit-grid.js").UnitGrid} UnitGrid */

const FAST = 8;
const CELL = "unit-grid a";

/** Layers before and behind, from a layer's or a unit's page. */
export const LAYER_STEPS = [
  { keys: { vim: ["[", "p"], dvt: ["u"] }, label: "Previous layer", control: "#previous-layer" },
  { keys: { vim: ["]", "n"], dvt: ["o"] }, label: "Next layer", control: "#next-layer" },
];

/**
 * @param {UnitGrid} grid
 * @param {string[]} views
 */
export function layerKeys(grid, views) {
  /** @param {number} right @param {number} down */
  const move = (right, down) => () => grid.move(right, down);
  register("layer", [
    { keys: { always: ["ArrowLeft"], vim: ["h"], dvt: ["j"] }, label: "Unit to the left", control: CELL, run: move(-1, 0) },
    { keys: { always: ["ArrowRight"], vim: ["l"], dvt: ["l"] }, label: "Unit to the right", control: CELL, run: move(1, 0) },
    { keys: { always: ["ArrowUp"], vim: ["k"], dvt: ["i"] }, label: "Unit above", control: CELL, run: move(0, -1) },
    { keys: { always: ["ArrowDown"], vim: ["j"], dvt: ["k"] }, label: "Unit below", control: CELL, run: move(0, 1) },
    { keys: { vim: ["H"], dvt: ["J"] }, label: "Eight to the left", control: CELL, run: move(-FAST, 0) },
    { keys: { vim: ["L"], dvt: ["L"] }, label: "Eight to the right", control: CELL, run: move(FAST, 0) },
    { keys: { vim: ["K"], dvt: ["I"] }, label: "Eight rows up", control: CELL, run: move(0, -FAST) },
    { keys: { vim: ["J"], dvt: ["K"] }, label: "Eight rows down", control: CELL, run: move(0, FAST) },
    { keys: { always: ["Home"], vim: ["g"], dvt: ["g"] }, label: "First unit", control: CELL, run: () => grid.to("first") },
    { keys: { always: ["End"], vim: ["G"], dvt: ["G"] }, label: "Last unit", control: CELL, run: () => grid.to("last") },
    ...LAYER_STEPS,
    { keys: { vim: ["v"], dvt: ["v"] }, label: "Next view", control: "[data-view]", run: () => nextView(views) },
    { keys: { vim: ["s"], dvt: ["s"] }, label: "Next order", control: "#sort", run: nextSort },
    { keys: { vim: ["z"], dvt: ["z"] }, label: "Larger or smaller pictures", control: "[name=tiles]", run: nextSize },
    { keys: { vim: ["#"], dvt: ["#"] }, label: "Go to a unit by number", control: "#jump", run: () => press("#jump") },
    { keys: { vim: ["c"], dvt: ["c"] }, label: "Copy the link", control: "[data-action=copy-link]" },
  ]);
}

/** @param {string[]} views */
function nextView(views) {
  // The address may name a view that the layer before had, and this one has not.
  const now = Math.max(views.indexOf(parse(location.hash).query.get("view") ?? ""), 0);
  const next = (now + 1) % views.length;
  setQuery({ view: next === 0 ? null : views[next] });
}

function nextSort() {
  const offered = [...document.querySelectorAll("#sort option")].map((option) => /** @type {HTMLOptionElement} */ (option).value);
  const now = offered.indexOf(parse(location.hash).query.get("sort") ?? SORTS[0].name);
  const next = (now + 1) % offered.length;
  setQuery({ sort: next === 0 ? null : offered[next] });
}

/** The next of the three sizes of pictures. */
export function nextSize() {
  const sizes = CHOICES.tiles;
  choose({ tiles: /** @type {any} */ (sizes[(sizes.indexOf(chosen().tiles) + 1) % sizes.length]) });
}
