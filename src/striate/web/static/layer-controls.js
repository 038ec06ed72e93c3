// @ts-check
/** The controls above a layer's grid; they write the query, and the page reads it. */

import { h } from "./dom.js";
import { sortsOf } from "./layer-order.js";
import { setQuery } from "./route.js";

/** @typedef {import("../messages.js").Layer} Layer */
/** @typedef {import("./layer-order.js").Choice} Choice */

/** @type {{[view: string]: string}} */
export const VIEWS = { crop: "Crop", mean: "Mean crop", projection: "Projection", synthetic: "Synthetic" };

/**
 * What a layer's grid can show: synthetic images where there are some.
 *
 * @param {import("../messages.js").Network} all
 * @param {Layer} layer
 */
export const viewsOf = (all, layer) => (layer.synthetic === null ? all.views : [...all.views, "synthetic"]);

const PAUSE = 150;
const WIDE = "(width >= 700px)";

/**
 * @param {Layer} layer
 * @param {string[]} views
 * @param {(unit: number) => string | null} jump goes to a unit, or says why not
 * @returns {{node: HTMLElement, show: (choice: Choice, view: string) => void}}
 */
export function controls(layer, views, jump) {
  const view = segments("View", "view", views.map((name) => [name, VIEWS[name] ?? name]), views[0]);
  const dead = segments("Dead units", "dead", [["show", "show"], ["hide", "hide"], ["only", "only"]], "show");
  const sort = h("select", { id: "sort", on: { change: () => setQuery({ sort: sort.value === "index" ? null : sort.value }) } },
    sortsOf(layer).map(({ name, words }) => h("option", { value: name, text: words })));
  const best = field("class", "class", { list: "class-names", placeholder: "any", size: 14 });
  const concept = field("concept", "concept", { list: "concept-names", placeholder: "any", size: 14 });
  const text = field("text", "text", { placeholder: `unit, class${layer.columns.concept ? ", concept" : ""} or file`, size: 16 });
  const label = layer.columns.concept && segments("Below", "label", [["number", "number"], ["concept", "concept"]], "number");
  const wide = matchMedia(WIDE);
  const filters = h("details", { class: "filters", open: wide.matches }, h("summary", { text: "Filters" }), h("div", null, dead.node,
    hasClasses(layer) ? [h("label", null, "Class", best), names(layer)] : null,
    layer.columns.concept ? [h("label", null, "Concept", concept), conceptNames(layer.columns.concept)] : null, h("label", null, "Filter", text)));
  wide.addEventListener("change", () => (filters.open ||= wide.matches));
  const node = h("div", { class: "controls", role: "group", "aria-label": "What the grid shows" },
    view.node, label && label.node, h("label", null, "Sort by", sort), filters, jumpBox(layer, jump));
  return {
    node,
    show(choice, which) {
      view.show(which);
      dead.show(choice.dead);
      if (label) label.show(choice.label);
      sort.value = choice.sort;
      filters.open ||= choice.dead !== "show" || choice.class !== "" || choice.concept !== "" || choice.text !== "";
      if (document.activeElement !== best) best.value = choice.class;
      if (document.activeElement !== concept) concept.value = choice.concept;
      if (document.activeElement !== text) text.value = choice.text;
    },
  };
}

/** @param {Layer} layer */
function hasClasses(layer) {
  return layer.columns.best_class.some((index) => index !== null);
}

/** @param {Layer} layer */
function names(layer) {
  return h("datalist", { id: "class-names" }, Object.values(layer.class_names).sort().map((value) => h("option", { value })));
}

/** @param {import("../messages.js").ConceptColumns} concept */
function conceptNames({ name, category }) {
  const known = new Set([...category, ...name].filter((word) => word !== null));
  return h("datalist", { id: "concept-names" }, [...known].sort().map((value) => h("option", { value })));
}

/**
 * @param {string} legend
 * @param {string} name in the query
 * @param {[string, string][]} choices and their words
 * @param {string} usual the choice that is not written
 */
function segments(legend, name, choices, usual) {
  const buttons = choices.map(([value, words]) => h("button", {
    type: "button", dataset: { [name]: value }, text: words,
    on: { click: () => setQuery({ [name]: value === usual ? null : value }) },
  }));
  return {
    node: h("div", { class: "labelled" }, h("span", { id: `${name}-legend`, text: legend }),
      h("div", { class: "segments", role: "group", "aria-labelledby": `${name}-legend` }, buttons)),
    /** @param {string} value */
    show(value) {
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset[name] === value));
    },
  };
}

/**
 * @param {string} name in the query
 * @param {string} id
 * @param {{[name: string]: string | number}} props
 */
function field(name, id, props) {
  let pause = 0;
  const input = h("input", { type: "search", id: `filter-${id}`, autocomplete: "off", spellcheck: "false", ...props });
  const write = () => {
    clearTimeout(pause);
    pause = setTimeout(() => input.isConnected && setQuery({ [name]: input.value.trim() }), PAUSE);
  };
  input.addEventListener("input", write);
  return input;
}

/**
 * @param {Layer} layer
 * @param {(unit: number) => string | null} jump
 */
function jumpBox(layer, jump) {
  const last = layer.units - 1;
  const input = h("input", { type: "text", inputmode: "numeric", id: "jump", size: 6, placeholder: `0–${last}`, autocomplete: "off" });
  const said = h("span", { class: "small said", role: "status" });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const asked = input.value.trim();
    const good = /^\d+$/.test(asked) && Number(asked) <= last;
    said.textContent = good ? jump(Number(asked)) ?? "" : `Units go from 0 to ${last}.`;
  };
  return h("form", { class: "jump", on: { submit } }, h("label", null, "Go to unit", input), h("button", { text: "Go" }), said);
}
