// @ts-check
/** All classes: how often each is guessed right, and which are taken for which. */

import "./confusion-matrix.js";
import { Confusion } from "./confusion.js";
import { load, network } from "./data.js";
import { h, number, percent } from "./dom.js";
import { register } from "./keys.js";
import { listKeys } from "./list-keys.js";
import { className } from "./names.js";
import { href, setQuery } from "./route.js";

/** @typedef {import("../messages.js").ClassLine} ClassLine */
/** @typedef {import("./route.js").Route} Route */

const WORST = 30;

listKeys("classes", ".class-name a", "class");
register("classes", [
  { keys: { vim: ["s"], dvt: ["s"] }, label: "Next order of the list", run: nextSort, control: "[data-action=sort-classes]" },
  { keys: { vim: ["e"], dvt: ["e"] }, label: "Errors only in the matrix, or all", control: "[data-action=errorsOnly]" },
  { keys: { vim: ["z"], dvt: ["z"] }, label: "Larger cells in the matrix", control: "[data-action=larger-cells]" },
]);

/** @type {{[name: string]: {text: string, compare: (a: ClassLine, b: ClassLine) => number}}} */
const SORTS = {
  accuracy: { text: "accuracy, lowest first", compare: (a, b) => shareOf(a) - shareOf(b) || a.class_index - b.class_index },
  name: { text: "name", compare: (a, b) => className(a).localeCompare(className(b), "en") },
  index: { text: "number", compare: (a, b) => a.class_index - b.class_index },
};

/**
 * @param {Route} route
 * @param {AbortSignal} signal
 */
export async function render(route, signal) {
  const all = await network();
  if (all.classes === 0) {
    const reason = "No image of this atlas has a label, and the network has neither scores nor named classes, so there is nothing to compare.";
    return { title: "Classes", node: h("article", null, h("h1", { text: "Classes" }), h("p", { text: reason })) };
  }
  /** @type {import("../messages.js").Classes} */
  const message = await load("data/classes.json", signal);
  const confusion = new Confusion(message);
  const list = new ClassList(message.classes);
  list.update(route.query);
  const matrix = /** @type {import("./confusion-matrix.js").ConfusionMatrix} */ (h("confusion-matrix"));
  matrix.confusion = confusion;
  const node = h("article", { class: "classes-page" },
    h("h1", { text: "Classes" }),
    h("p", { text: summary(all, message.classes) }),
    h("div", { class: "classes-columns" },
      h("section", { "aria-labelledby": "confusions" },
        h("h2", { id: "confusions", text: "What is taken for what" }),
        confusion.cells.length === 0
          ? h("p", { text: "No image with a known class has been seen, so there is no confusion to show." })
          : [matrix, worst(confusion)]),
      h("section", { "aria-labelledby": "class-list" }, h("h2", { id: "class-list", text: "All classes" }), list.node)));
  return { title: "Classes", node, update: (/** @type {Route} */ next) => list.update(next.query) };
}

/**
 * @param {import("../messages.js").Network} all
 * @param {ClassLine[]} classes
 */
function summary(all, classes) {
  const known = `${number(classes.length)} ${classes.length === 1 ? "class" : "classes"}`;
  if (all.judged === 0) return `${known}; no image has both a known class and scores, so accuracy is unknown.`;
  const five = all.top5 === null ? "" : `, in ${percent(all.top5 / 100)} among the first five`;
  return `${known}. Of ${number(all.judged)} images with a known class, the first guess is right in ${percent((all.top1 ?? 0) / 100)}${five}.`;
}

/** @param {ClassLine} line */
function shareOf({ correct, judged }) {
  return judged === 0 ? 2 : correct / judged;
}

/** @param {Confusion} confusion */
function worst(confusion) {
  const cells = confusion.worst(WORST);
  if (cells.length === 0) return h("p", { text: "Every guess was right." });
  return h("details", { class: "worst" },
    h("summary", { text: `The ${cells.length === WORST ? `${WORST} ` : ""}most frequent confusions, as a table` }),
    h("div", { class: "scrolls" }, h("table", null,
      h("thead", null, h("tr", null, ["True class", "Guessed", "Images"].map((text) => h("th", { scope: "col", text })))),
      h("tbody", null, cells.map(({ row, column, count }) => h("tr", null,
        h("td", null, h("a", { href: href(["classes", confusion.order[row]]), text: confusion.nameAt(row) })),
        h("td", { text: confusion.nameAt(column) }),
        h("td", { class: "right" }, h("a", {
          href: href(["classes", confusion.order[row]], { guess: confusion.order[column] }), text: number(count),
          "aria-label": `${count} images of ${confusion.nameAt(row)} taken for ${confusion.nameAt(column)}`,
        }))))))));
}

/** The table with its own sorting and filter, both kept in the query. */
class ClassList {
  #body = h("tbody");
  #count = h("span", { class: "muted", role: "status" });
  #filter = h("input", { type: "search", "aria-label": "Filter classes by name or number", placeholder: "Filter by name or number" });
  #sort = h("select", { "aria-label": "Sort classes by", "data-action": "sort-classes" }, Object.entries(SORTS).map(([value, { text }]) => h("option", { value, text })));

  /** @param {ClassLine[]} classes */
  constructor(classes) {
    this.classes = classes;
    this.rows = new Map(classes.map((line) => [line.class_index, row(line)]));
    this.#filter.addEventListener("input", () => setQuery({ text: this.#filter.value || null }));
    this.#sort.addEventListener("change", () => setQuery({ sort: this.#sort.value === "accuracy" ? null : this.#sort.value }));
    const heads = [["Class", ""], ["Right", "right"], ["Images", "right"], ["Guessed", "right"]];
    this.node = h("div", { class: "class-list" },
      h("div", { class: "class-tools" }, this.#filter, h("label", null, "Sort by ", this.#sort), this.#count),
      h("div", { class: "scrolls tall", tabindex: 0, role: "region", "aria-label": "All classes" }, h("table", null,
        h("thead", null, h("tr", null, heads.map(([text, side]) => h("th", { scope: "col", class: side, text })))),
        this.#body)));
  }

  /** @param {URLSearchParams} query */
  update(query) {
    const text = query.get("text") ?? "";
    const sort = Object.hasOwn(SORTS, query.get("sort") ?? "") ? String(query.get("sort")) : "accuracy";
    if (this.#filter.value !== text) this.#filter.value = text;
    this.#sort.value = sort;
    const wanted = text.trim().toLowerCase();
    const shown = this.classes
      .filter((line) => className(line).toLowerCase().includes(wanted) || String(line.class_index) === wanted)
      .sort(SORTS[sort].compare);
    this.#body.replaceChildren(...shown.map(({ class_index: index }) => /** @type {Node} */ (this.rows.get(index))));
    this.#count.textContent = shown.length === 0 ? `No class is called “${text}”.`
      : `${number(shown.length)} of ${number(this.classes.length)} classes`;
  }
}

/** @param {ClassLine} line */
function row(line) {
  const { class_index: index, correct, judged, images, predicted } = line;
  const share = judged === 0 ? null : correct / judged;
  return h("tr", null,
    h("th", { scope: "row", class: "class-name" }, h("a", { href: href(["classes", index]), text: className(line) }),
      h("span", { class: "muted small", text: ` ${index}` })),
    h("td", { class: "right" }, share === null ? "—" : percent(share),
      h("span", { class: "bar", "aria-hidden": "true" }, h("span", { style: { width: `${100 * (share ?? 0)}%` } }))),
    h("td", { class: "right", text: number(images) }),
    h("td", { class: "right", text: number(predicted) }));
}

function nextSort() {
  const select = /** @type {HTMLSelectElement | null} */ (document.querySelector("[data-action=sort-classes]"));
  if (!select) return;
  select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
  select.dispatchEvent(new Event("change"));
}
