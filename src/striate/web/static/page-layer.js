// @ts-check
/** A layer: all its units in a grid, sorted and filtered by the query. */

import "./network-graph.js";
import { load, network } from "./data.js";
import { append, breakable, h, number } from "./dom.js";
import { fieldDrawing, fieldText } from "./field.js";
import { copyLink } from "./copy.js";
import { cellOf } from "./layer-cell.js";
import { controls, viewsOf } from "./layer-controls.js";
import { layerConcepts } from "./layer-concepts.js";
import { layerKeys } from "./layer-keys.js";
import { choiceOf, unitsOf } from "./layer-order.js";
import { prefetcher } from "./layer-prefetch.js";
import { preview } from "./layer-preview.js";
import { summary, why } from "./layer-words.js";
import { namesOf } from "./names-of.js";
import { layerAt } from "./nearest.js";
import { layerHref } from "./route.js";
import { DEFINITIONS, term } from "./term.js";
import { settingsEvents, tileSize } from "./theme.js";
import { UnitGrid } from "./unit-grid.js";

/** @typedef {import("../messages.js").Layer} Layer */
/** @typedef {import("../messages.js").Network} Network */
/** @typedef {import("./route.js").Route} Route */

/**
 * @param {Route} route
 * @param {AbortSignal} signal
 */
export async function render(route, signal) {
  const [all, line] = await Promise.all([network(), layerAt(route.layer ?? "")]);
  /** @type {Layer} */
  const layer = await load(`data/layers/${line.number}.json`, signal);
  const grid = new UnitGrid();
  const count = h("p", { class: "count", role: "status" });
  const empty = h("div", { class: "empty" });
  const problem = h("div", { role: "status" });
  const views = viewsOf(all, layer);
  const side = preview(layer, views, signal);
  const fetchAhead = prefetcher(layer, signal);
  const bar = controls(layer, views, (unit) => grid.reveal(unit) ? null : `Unit ${unit} is not among those shown.`);
  let files = new Map();

  /** @param {URLSearchParams} query */
  const show = async (query) => {
    const choice = choiceOf(query, layer);
    const view = views.includes(query.get("view") ?? "") ? /** @type {string} */ (query.get("view")) : views[0];
    bar.show(choice, view);
    if (choice.text !== "" && files.size === 0) files = await namesOf(layer.columns.top_image, all, signal).catch(() => files);
    const items = unitsOf(layer, choice, files);
    count.textContent = summary(layer, choice, view, items, all);
    empty.replaceChildren(items.length === 0 ? why(layer, choice, files) : "");
    const size = tileSize();
    grid.grid = { items, size, below: choice.label === "concept" ? 40 : 22, label: `Units of ${layer.address}`, cell: cellOf(layer, view, choice, query, all.dissection?.level) };
    fetchAhead.view(view);
  };
  let latest = route.query;
  grid.addEventListener("point", (event) => side.show(/** @type {CustomEvent} */ (event).detail));
  grid.addEventListener("window", (event) => fetchAhead.near(/** @type {CustomEvent} */ (event).detail));
  grid.addEventListener("picture-problem", (event) => {
    problem.className = "notice";
    problem.textContent = `Some pictures are missing: ${/** @type {CustomEvent} */ (event).detail}`;
  });
  settingsEvents.addEventListener("change", () => show(latest), { signal });
  layerKeys(grid, views);
  const links = h("nav", { class: "walk", "aria-label": "Layers" });
  walk(links, all, layer, route.query);
  await show(route.query);
  return {
    title: layer.address,
    node: h("article", { class: "layer" }, heading(all, layer, links), bar.node, count, problem, empty,
      h("div", { class: "layer-columns" }, grid, side.node)),
    /** @param {Route} now */
    update(now) {
      latest = now.query;
      show(now.query);
      walk(links, all, layer, now.query);
    },
  };
}

/**
 * @param {Network} all
 * @param {Layer} layer
 * @param {HTMLElement} links to the layers before and behind
 */
function heading(all, layer, links) {
  return h("header", { class: "layer-head" },
    h("div", { class: "head-line" }, h("h1", null, h("span", { class: "mono" }, breakable(layer.address))), links, copyLink()),
    h("ul", { class: "facts-line" },
      h("li", { text: layer.operation }),
      h("li", null, h("strong", { text: number(layer.units) }), " ", term(layer.units === 1 ? "unit" : "units", DEFINITIONS.unit)),
      h("li", null, term("map", DEFINITIONS.map), ` ${layer.map_size.join(" × ")}`),
      h("li", null, fieldDrawing(layer.receptive_field, all.image_size), term("receptive field", DEFINITIONS.field),
        ` ${fieldText(layer.receptive_field)}`),
      h("li", null, `${number(layer.dead)} `, term("dead", DEFINITIONS.dead))),
    layerConcepts(layer, all),
    place(layer));
}

/** @param {Layer} layer */
function place(layer) {
  const box = h("details", { class: "layer-place" }, h("summary", { text: "Where it is in the network" }));
  box.addEventListener("toggle", () => box.open && !box.querySelector("network-graph")
    && append(box, [h("network-graph", { current: layer.address })]));
  return box;
}

/**
 * The layers before and behind, with the same query but for what belongs to this layer.
 *
 * @param {HTMLElement} links
 * @param {Network} all
 * @param {Layer} layer
 * @param {URLSearchParams} query
 */
function walk(links, all, layer, query) {
  const kept = { view: query.get("view"), sort: query.get("sort"), dead: query.get("dead"), label: query.get("label") };
  const near = [all.layers[layer.number - 1], all.layers[layer.number + 1]];
  links.replaceChildren(...near.map((other, k) => {
    const words = k === 0 ? "previous layer" : "next layer";
    const id = k === 0 ? "previous-layer" : "next-layer";
    return other
      ? h("a", { class: "button", id, href: layerHref(other.address, kept), rel: k === 0 ? "prev" : "next", title: other.address },
        k === 0 ? `← ${words}` : `${words} →`)
      : h("span", { class: "button muted", text: k === 0 ? "first layer" : "last layer" });
  }));
}
