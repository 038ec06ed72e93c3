// @ts-check
/** A class: what its images were taken for, what was taken for it, and which units respond to it. */

import { load, network } from "./data.js";
import { h, number, percent } from "./dom.js";
import { register } from "./keys.js";
import { className, thumbnail, unitSheets } from "./names.js";
import { href, layerHref, unitHref } from "./route.js";
import { tile } from "./tiles.js";

/** @typedef {import("../messages.js").ClassPage} ClassPage */
/** @typedef {import("../messages.js").Confused} Confused */
/** @typedef {import("../messages.js").Network} Network */
/** @typedef {import("./route.js").Route} Route */

const FIRST = 24;
const GROUPS = 12;
const RIGHT = "guessed right";

register("class", [
  { keys: { always: ["ArrowLeft"], vim: ["h"], dvt: ["j"] }, label: "Previous class", control: "[data-action=previous-class]" },
  { keys: { always: ["ArrowRight"], vim: ["l"], dvt: ["l"] }, label: "Next class", control: "[data-action=next-class]" },
]);

/**
 * @param {Route} route
 * @param {AbortSignal} signal
 */
export async function render(route, signal) {
  /** @type {[Network, ClassPage, import("../messages.js").Classes]} */
  const [all, it, { classes }] = await Promise.all([
    network(), load(`data/classes/${route.id}.json`, signal), load("data/classes.json", signal),
  ]);
  const title = className(it);
  const groups = h("div");
  const node = h("article", { class: "class-page" },
    h("div", { class: "title-line" }, h("h1", { text: title }), neighbours(classes.map(({ class_index: index }) => index), it.class_index)),
    h("p", { text: summary(it) }),
    groups,
    units(it, all));
  const update = (/** @type {Route} */ { query }) => {
    const asked = query.get("guess");
    groups.replaceChildren(...sections(it, all, asked === null ? null : Number(asked)));
  };
  update(route);
  return { title, node, update };
}

/**
 * @param {number[]} indices
 * @param {number} index
 */
function neighbours(indices, index) {
  const sorted = [...indices].sort((a, b) => a - b);
  const at = sorted.indexOf(index);
  const link = (/** @type {number | undefined} */ to, /** @type {string} */ name, /** @type {string} */ text) =>
    to === undefined ? h("span", { class: "muted", text }) : h("a", { href: href(["classes", to]), "data-action": `${name}-class`, text });
  return h("nav", { class: "neighbours", "aria-label": "Neighbouring classes" },
    link(sorted[at - 1], "previous", "← previous"), link(sorted[at + 1], "next", "next →"));
}

/** @param {ClassPage} it */
function summary({ class_index: index, images, judged, correct, top5 }) {
  const first = `Class ${index}. ${number(images)} ${images === 1 ? "image has" : "images have"} this label`;
  if (judged === 0) return `${first}; none was seen with scores.`;
  const seen = judged === images ? "" : `, ${number(judged)} of them seen with scores`;
  return `${first}${seen}: ${number(correct)} of ${number(judged)} guessed right (${percent(correct / judged)}), `
    + `${number(top5)} among the first five guesses (${percent(top5 / judged)}).`;
}

/**
 * @param {ClassPage} it
 * @param {Network} all
 * @param {number | null} guess
 */
function sections(it, all, guess) {
  const asked = guess === null ? null : it.taken_for.find(({ class_index: index }) => index === guess);
  const rest = it.taken_for.filter((each) => each !== asked);
  const what = (/** @type {Confused} */ each) => (each.class_index === it.class_index ? RIGHT : `taken for ${className(each)}`);
  return [
    guess !== null && !asked ? h("p", { class: "notice", text: `None of its images was taken for class ${guess}.` }) : null,
    asked ? section(`Its images ${what(asked)}`, [asked], all, () => "") : null,
    section(asked ? "What the others were taken for" : "What its images were taken for", rest, all, what),
    section("What was taken for it", it.mistaken_for_it, all, (each) => `in truth ${className(each)}`),
    it.unjudged.length === 0 ? null
      : section("Its images without scores", [{ class_index: -1, name: null, images: it.unjudged }], all, () => ""),
  ].filter((each) => each !== null);
}

/**
 * @param {string} title
 * @param {Confused[]} groups
 * @param {Network} all
 * @param {(group: Confused) => string} name
 */
function section(title, groups, all, name) {
  const more = h("button", { type: "button", text: `Show all ${groups.length} classes` });
  const draw = (/** @type {number} */ count) => groups.slice(0, count).map((each) => group(each, all, name(each)));
  const box = h("section", { class: "confused" }, h("h2", { text: title }),
    groups.length === 0 ? h("p", { class: "muted", text: "None." }) : draw(GROUPS), groups.length > GROUPS && more);
  more.addEventListener("click", () => box.replaceChildren(h("h2", { text: title }), ...draw(groups.length)));
  return box;
}

/**
 * @param {Confused} each
 * @param {Network} all
 * @param {string} title
 */
function group(each, all, title) {
  const { class_index: index, images } = each;
  const pictures = h("div", { class: "thumbnails" }, images.slice(0, FIRST).map((id) => thumbnail(id, all)));
  const more = h("button", { type: "button", text: `Show all ${number(images.length)}`, on: { click: () => {
    more.remove();
    pictures.append(...images.slice(FIRST).map((id) => thumbnail(id, all)));
  } } });
  return h("div", { class: "group" },
    title !== "" && h("h3", null, index < 0 || title === RIGHT ? title : h("a", { href: href(["classes", index]), text: title }),
      h("span", { class: "muted small", text: ` ${number(images.length)} ${images.length === 1 ? "image" : "images"}` })),
    pictures, images.length > FIRST && more);
}

/**
 * @param {ClassPage} it
 * @param {Network} all
 */
function units(it, all) {
  const sizes = new Map(all.layers.map(({ number: layer, units: count }) => [layer, count]));
  const cards = it.units.map(({ layer, unit, address, selectivity, maximum }) => {
    const name = all.layers.find((each) => each.number === layer)?.address ?? address;
    return h("div", { class: "unit-card" },
      h("a", { href: unitHref(name, unit), "aria-label": `${name} unit ${unit}` },
        tile({ sheets: unitSheets(sizes.get(layer) ?? 0), path: (page) => `pictures/layers/${layer}/crop/${page}.webp`, index: unit, size: 96, label: `${name} unit ${unit}, strongest crop` })),
      h("a", { class: "mono small", href: layerHref(name), text: name }),
      h("span", { class: "small", text: `unit ${unit}` }),
      h("span", { class: "muted small", text: `selectivity ${number(selectivity, 3)}` }),
      h("span", { class: "muted small", text: `maximum ${number(maximum, 3)}` }));
  });
  return h("section", { "aria-labelledby": "selective" },
    h("h2", { id: "selective", text: "Units that respond most to this class" }),
    h("p", { class: "muted", text: "Those whose best class it is, most selective first: (a − b) / (a + b), with a the mean response to this class and b the mean over the other classes. A unit with a negative mean for any class has no selectivity, and is not here." }),
    cards.length === 0 ? h("p", { text: "It is the best class of no unit that has a selectivity." }) : h("div", { class: "unit-cards" }, cards));
}
