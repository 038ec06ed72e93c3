// @ts-check
/** All images of the probe set, with what the network made of them. */

import { load, network } from "./data.js";
import { h, number } from "./dom.js";
import { ImageGrid } from "./image-grid.js";
import { register } from "./keys.js";
import { className, named, namesPage } from "./names.js";
import { setQuery } from "./route.js";

/** @typedef {import("./names.js").Named} Named */
/** @typedef {import("./route.js").Route} Route */

/** @type {{[name: string]: {text: string, keep: (each: Named) => boolean}}} */
const SHOWN = {
  all: { text: "all", keep: () => true },
  right: { text: "guessed right", keep: ({ correct }) => correct === true },
  wrong: { text: "guessed wrong", keep: ({ correct }) => correct === false },
  skipped: { text: "skipped", keep: ({ skipped }) => skipped },
};

register("images", [
  { keys: { vim: ["s"], dvt: ["s"] }, label: "Next choice of what is shown", run: nextChoice, control: "[data-action=shown]" },
]);

/**
 * @param {Route} route
 * @param {AbortSignal} signal
 */
export async function render(route, signal) {
  const all = await network();
  const total = all.status.images;
  /** @type {import("../messages.js").ClassLine[]} */
  const classes = all.classes > 0 ? (await load("data/classes.json", signal)).classes : [];
  const grid = new ImageGrid(all, named, signal);
  const controls = makeControls(classes);
  const count = h("p", { class: "image-count", role: "status" });
  let asked = 0;
  const update = async (/** @type {Route} */ { query }) => {
    const mine = ++asked;
    const keep = filterOf(query, classes);
    controls.show(query);
    if (!keep) {
      grid.ids = Array.from({ length: total }, (_, id) => id);
      count.textContent = `${number(total)} images`;
      return;
    }
    await sift(keep, all, signal, (ids, searched) => {
      if (mine !== asked) return false;
      grid.ids = ids;
      const which = searched < total ? `, ${number(searched)} looked at so far` : "";
      count.textContent = ids.length === 0 && searched === total
        ? `None of the ${number(total)} images is ${sayFilter(query)}.`
        : `${number(ids.length)} of ${number(total)} images${which}`;
      return true;
    }).catch((error) => {
      if (!signal.aborted) count.textContent = `The names could not be read: ${error.message}`;
    });
  };
  update(route);
  const node = h("article", { class: "images-page" }, h("h1", { text: "Images" }), controls.node, count, grid.node);
  return { title: "Images", node, update };
}

/** @param {import("../messages.js").ClassLine[]} classes */
function makeControls(classes) {
  const shown = h("select", { "data-action": "shown", "aria-label": "Which images", on: {
    change: () => setQuery({ show: shown.value === "all" ? null : shown.value }),
  } }, Object.entries(SHOWN).map(([value, { text }]) => h("option", { value, text })));
  const label = h("input", { list: "image-classes", placeholder: "any class", "aria-label": "True class: name or number", on: {
    change: () => setQuery({ label: label.value || null }),
  } });
  const text = h("input", { type: "search", placeholder: "in the file name", "aria-label": "Text in the file name", on: {
    input: () => setQuery({ text: text.value || null }),
  } });
  const node = h("div", { class: "image-tools", role: "group", "aria-label": "Filter" },
    h("label", null, "Show ", shown),
    classes.length > 0 && h("label", null, "Class ", label),
    h("label", null, "File ", text),
    h("datalist", { id: "image-classes" }, classes.map((each) => h("option", { value: className(each) }))));
  return { node, show(/** @type {URLSearchParams} */ query) {
    shown.value = showOf(query);
    for (const [field, name] of /** @type {const} */ ([[label, "label"], [text, "text"]])) {
      if (field.value !== (query.get(name) ?? "")) field.value = query.get(name) ?? "";
    }
  } };
}

/** @param {URLSearchParams} query */
function showOf(query) {
  const show = query.get("show") ?? "all";
  return Object.hasOwn(SHOWN, show) ? show : "all";
}

/**
 * What is kept, or null when everything is.
 * @param {URLSearchParams} query
 * @param {import("../messages.js").ClassLine[]} classes
 */
function filterOf(query, classes) {
  const show = SHOWN[showOf(query)];
  const label = (query.get("label") ?? "").trim().toLowerCase();
  const text = (query.get("text") ?? "").trim().toLowerCase();
  if (show === SHOWN.all && label === "" && text === "") return null;
  const exact = classes.filter((each) => String(each.class_index) === label || className(each).toLowerCase() === label);
  const meant = exact.length > 0 ? exact : classes.filter((each) => className(each).toLowerCase().includes(label));
  const indices = new Set(meant.map(({ class_index: index }) => index));
  return (/** @type {Named} */ each) =>
    show.keep(each) && (label === "" || (each.label !== null && indices.has(each.label)))
    && each.name.toLowerCase().includes(text);
}

/** @param {URLSearchParams} query */
function sayFilter(query) {
  const show = showOf(query);
  const parts = [show === "all" ? "" : SHOWN[show].text, query.get("label") && `of class “${query.get("label")}”`,
    query.get("text") && `named “${query.get("text")}”`];
  return parts.filter(Boolean).join(" and ");
}

/**
 * Go through all names page by page, and tell what is found as it is found.
 * @param {(each: Named) => boolean} keep
 * @param {import("../messages.js").Network} all
 * @param {AbortSignal} signal
 * @param {(ids: number[], searched: number) => boolean} tell false: nobody waits any more
 */
async function sift(keep, all, signal, tell) {
  /** @type {number[]} */
  const ids = [];
  const total = all.status.images;
  const pages = Math.ceil(total / all.names_page);
  for (let page = 0; page < pages; page++) {
    for (const each of await namesPage(page, signal)) if (keep(each)) ids.push(each.id);
    const last = page === pages - 1;
    if ((last || page % 8 === 0) && !tell([...ids], last ? total : (page + 1) * all.names_page)) return;
  }
  if (pages === 0) tell([], 0);
}

function nextChoice() {
  const select = /** @type {HTMLSelectElement | null} */ (document.querySelector("[data-action=shown]"));
  if (!select) return;
  select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
  select.dispatchEvent(new Event("change"));
}
