// @ts-check
/** Where a page is: the way up, and the same as JSON. */

import { h } from "./dom.js";
import { href, layerHref, unitHref } from "./route.js";

/** @typedef {import("../messages.js").Network} Network */
/** @typedef {import("./route.js").Route} Route */

/**
 * The line under the header: where we are, and the same as JSON.
 *
 * @param {HTMLElement} line
 * @param {Route} route
 * @param {Network | null} network
 * @param {string} title of the page
 */
export function fillCrumbs(line, route, network, title) {
  const steps = crumbs(route, network, title);
  const twin = jsonOf(route, network);
  line.replaceChildren(
    h("nav", { class: "crumbs", "aria-label": "Where you are" }, h("ol", null, steps.map(([text, target], k) =>
      h("li", null, k === steps.length - 1
        ? h("span", { "aria-current": "page", text })
        : h("a", { href: target, text }))))),
    twin ? h("a", { class: "twin small", href: twin, title: "What this page shows, as JSON", text: "JSON" }) : "");
  const alternate = document.querySelector("link[rel=alternate]");
  if (twin) alternate?.setAttribute("href", twin);
  const section = route.page === "layer" || route.page === "unit" ? "network"
    : { image: "images", class: "classes", concept: "concepts" }[/** @type {string} */ (route.page)] ?? route.page;
  for (const link of document.querySelectorAll("[data-section]")) {
    if (link.getAttribute("data-section") === section) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

/**
 * @param {Route} route
 * @param {Network | null} network
 * @param {string} title
 * @returns {[string, string][]} text and fragment
 */
function crumbs(route, network, title) {
  /** @type {[string, string][]} */
  const steps = [[network?.name ?? "Network", href([])]];
  if (route.page === "unit" || route.page === "layer") {
    steps.push([route.layer ?? "", layerHref(route.layer ?? "", Object.fromEntries(route.query))]);
  }
  if (route.page === "unit") steps.push([`unit ${route.unit}`, unitHref(route.layer ?? "", route.unit ?? 0)]);
  if (route.page.startsWith("image")) steps.push(["Images", href(["images"])]);
  if (route.page.startsWith("class")) steps.push(["Classes", href(["classes"])]);
  if (route.page.startsWith("concept")) steps.push(["Concepts", href(["concepts"])]);
  if (["image", "class", "concept", "unknown"].includes(route.page)) steps.push([title, ""]);
  return steps;
}

/**
 * The address of the page's twin in JSON.
 *
 * @param {Route} route
 * @param {Network | null} network
 * @returns {string | null}
 */
export function jsonOf(route, network) {
  const number = network?.layers.find(({ address }) => address === route.layer)?.number;
  switch (route.page) {
    case "network": return "data/network.json";
    case "layer": return number === undefined ? null : `data/layers/${number}.json`;
    case "unit": return number === undefined ? null : `data/layers/${number}/units/${route.unit}.json`;
    case "images": return "data/images/names/0.json";
    case "image": return `data/images/${route.id}.json`;
    case "classes": return "data/classes.json";
    case "class": return `data/classes/${route.id}.json`;
    case "concepts": return "data/concepts.json";
    case "concept": return `data/concepts/${route.id}.json`;
    default: return null;
  }
}
