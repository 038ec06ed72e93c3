// @ts-check
/** All concepts that the units were compared with, and how much each layer detects. */

import { conceptLink, counted, detector, iou } from "./concept-words.js";
import { load, network, Problem } from "./data.js";
import { breakable, h, number, percent } from "./dom.js";
import { register } from "./keys.js";
import { listKeys } from "./list-keys.js";
import { layerHref, setQuery, unitHref } from "./route.js";
import { DEFINITIONS, term } from "./term.js";

/** @typedef {import("../messages.js").ConceptLine} ConceptLine */
/** @typedef {import("../messages.js").Concepts} Concepts */
/** @typedef {import("../messages.js").Network} Network */
/** @typedef {import("./route.js").Route} Route */

listKeys("concepts", ".concept-name a", "concept");
register("concepts", [
  { keys: { vim: ["s"], dvt: ["s"] }, label: "Next order of the list", run: nextSort, control: "[data-action=sort-concepts]" },
]);

/** @type {{[name: string]: {text: string, compare: (a: ConceptLine, b: ConceptLine) => number}}} */
const SORTS = {
  iou: { text: "IoU of the best unit", compare: (a, b) => (b.best?.iou ?? -1) - (a.best?.iou ?? -1) || a.concept - b.concept },
  detectors: { text: "number of detectors", compare: (a, b) => b.detectors - a.detectors || a.concept - b.concept },
  pixels: { text: "labelled pixels", compare: (a, b) => b.pixels - a.pixels || a.concept - b.concept },
  name: { text: "name", compare: (a, b) => a.name.localeCompare(b.name, "en") || a.concept - b.concept },
};

/**
 * @param {Route} route
 * @param {AbortSignal} signal
 */
export async function render(route, signal) {
  const all = await network();
  if (all.dissection === null) throw new Problem("Nobody compared the units of this atlas with concepts.", 404, "No concepts");
  /** @type {Concepts} */
  const message = await load("data/concepts.json", signal);
  const list = new ConceptList(message, all);
  list.update(route.query);
  const node = h("article", { class: "concepts-page" },
    h("h1", { text: "Concepts" }),
    h("p", null, summary(message, all)),
    layers(message),
    h("section", { "aria-labelledby": "concept-list" }, h("h2", { id: "concept-list", text: "All concepts" }), list.node));
  return { title: "Concepts", node, update: (/** @type {Route} */ next) => list.update(next.query) };
}

/**
 * @param {Concepts} message
 * @param {Network} all
 */
function summary({ concepts, dissection }, all) {
  const found = concepts.filter(({ detectors }) => detectors > 0).length;
  return [`${number(found)} of ${counted(concepts.length, "concept")} ${found === 1 ? "is" : "are"} `, term("detected", DEFINITIONS.detects), ` (${detector(all)}). Each unit was compared with the labels of `,
    `${counted(dissection.images, "image")}: active where it exceeds the threshold that ${percent(dissection.quantile)} of its places exceed. `,
    term("IoU", DEFINITIONS.iou), ": pixels that are active and labelled, of those that are either."];
}

/** @param {Concepts} message */
function layers({ layers: lines, dissection: { categories } }) {
  const heads = ["Layer", "Units", "Detectors", "Unique", ...categories];
  return h("section", { "aria-labelledby": "by-layer" }, h("h2", { id: "by-layer", text: "By layer" }),
    h("p", { class: "small muted" }, "Detectors are units; ", term("unique detectors", DEFINITIONS.unique), " are concepts, in all and by category."),
    h("div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Detectors by layer" }, h("table", { class: "dissected-layers" },
      h("thead", null, h("tr", null, heads.map((text, k) => h("th", { scope: "col", class: k ? "right" : "", text })))),
      h("tbody", null, lines.map(({ address, units, detectors, unique }) => h("tr", null,
        h("th", { scope: "row" }, h("a", { class: "mono", href: layerHref(address, { sort: "iou", label: "concept" }) }, breakable(address))),
        [units, detectors, unique.reduce((a, b) => a + b, 0), ...unique].map((count) => h("td", { class: "right", text: number(count) }))))))));
}

/** The table with its own sorting and filters, all kept in the query. */
class ConceptList {
  #body = h("tbody");
  #count = h("span", { class: "muted", role: "status" });
  #filter = h("input", { type: "search", "aria-label": "Filter concepts by name", placeholder: "Filter by name" });
  #sort = h("select", { "aria-label": "Sort concepts by", "data-action": "sort-concepts" }, Object.entries(SORTS).map(([value, { text }]) => h("option", { value, text })));
  #category;

  /** @param {Concepts} message @param {Network} all */
  constructor({ concepts, dissection: { categories } }, all) {
    this.concepts = concepts;
    this.rows = new Map(concepts.map((line) => [line.concept, row(line, all)]));
    this.#category = h("select", { "aria-label": "Category" }, h("option", { value: "", text: "all categories" }), categories.map((name) => h("option", { value: name, text: name })));
    this.#filter.addEventListener("input", () => setQuery({ text: this.#filter.value || null }));
    this.#category.addEventListener("change", () => setQuery({ category: this.#category.value || null }));
    this.#sort.addEventListener("change", () => setQuery({ sort: this.#sort.value === "iou" ? null : this.#sort.value }));
    const heads = [["Concept", ""], ["IoU", "right"], ["Detectors", "right"], ["Best unit", "after-number"], ["Category", ""], ["Labelled", "right"]];
    this.node = h("div", { class: "class-list" },
      h("div", { class: "class-tools" }, this.#filter, this.#category, h("label", null, "Sort by ", this.#sort), this.#count),
      h("div", { class: "scrolls tall", tabindex: 0, role: "region", "aria-label": "All concepts" }, h("table", null,
        h("thead", null, h("tr", null, heads.map(([text, side]) => h("th", { scope: "col", class: side, text })))), this.#body)));
  }

  /** @param {URLSearchParams} query */
  update(query) {
    const text = query.get("text") ?? "";
    const category = query.get("category") ?? "";
    const sort = Object.hasOwn(SORTS, query.get("sort") ?? "") ? String(query.get("sort")) : "iou";
    if (this.#filter.value !== text) this.#filter.value = text;
    this.#category.value = category;
    this.#sort.value = sort;
    const wanted = text.trim().toLowerCase();
    const shown = this.concepts
      .filter((line) => line.name.toLowerCase().includes(wanted) && (category === "" || line.category === category))
      .sort(SORTS[sort].compare);
    this.#body.replaceChildren(...shown.map(({ concept }) => /** @type {Node} */ (this.rows.get(concept))));
    this.#count.textContent = shown.length === 0 ? "No concept passes both filters." : `${number(shown.length)} of ${counted(this.concepts.length, "concept")}`;
  }
}

/** @param {ConceptLine} line @param {Network} all */
function row({ concept, name, category, pixels, detectors, best }, all) {
  const address = best && all.layers[best.layer].address;
  return h("tr", null,
    h("th", { scope: "row", class: "class-name concept-name" }, conceptLink(concept, name)),
    h("td", { class: "right", text: iou(best?.iou) }),
    h("td", { class: "right", text: number(detectors) }),
    h("td", { class: "after-number" }, best && address ? h("a", { class: "mono", href: unitHref(address, best.unit) }, breakable(best.address)) : "—"),
    h("td", { text: category }),
    h("td", { class: "right", text: number(pixels) }));
}

function nextSort() {
  const select = /** @type {HTMLSelectElement | null} */ (document.querySelector("[data-action=sort-concepts]"));
  if (!select) return;
  select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
  select.dispatchEvent(new Event("change"));
}
