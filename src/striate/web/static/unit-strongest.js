// @ts-check
/** A unit's strongest images: crops with their projections, and where each lies in its whole image. */

import { even, h, number } from "./dom.js";
import { baseName } from "./names.js";
import { sheetAt } from "./sheets.js";
import { stripTile } from "./tiles.js";
import { DEFINITIONS, term } from "./term.js";
import { chosen } from "./theme.js";
import { href } from "./route.js";
import { wholeImage } from "./unit-whole.js";

/** @typedef {import("../messages.js").Unit} Unit */
/** @typedef {import("../messages.js").Top} Top */
/** @typedef {import("../messages.js").LayerLine} LayerLine */

const GAP = 12;
const SIDES = { small: 96, medium: 134, large: 200 };

/**
 * @param {Unit} unit
 * @param {LayerLine} line
 * @param {[number, number, number]} image channels, height and width of the input
 * @param {string} strip path of the pictures
 * @param {AbortSignal} signal
 * @returns {HTMLElement}
 */
export function strongest(unit, line, image, strip, signal) {
  const title = h("h2", { id: "strongest", text: unit.top.length === 1 ? "Strongest image" : `${unit.top.length} strongest images` });
  if (unit.dead || unit.top.length === 0) return silent(unit);
  const whole = wholeImage(unit);
  const figures = unit.top.map((top, k) => figure(unit, top, k, strip, whole.show));
  const problem = h("div", { role: "status" });
  sheetAt(strip).catch((/** @type {Error} */ error) => {
    problem.className = "notice bad";
    problem.textContent = `The pictures are missing. ${error.message}`;
  });
  /** @param {number | null} index */
  const light = (index) => figures.forEach((each, k) => each.classList.toggle("lit", k === index));
  document.addEventListener("highlight", (event) => light(/** @type {CustomEvent} */ (event).detail?.index ?? null), { signal });
  whole.onShow((index) => figures.forEach((each, k) => each.querySelector("button")?.setAttribute("aria-pressed", String(k === index))));
  return h("section", { class: "unit-strongest", "aria-labelledby": "strongest" },
    title,
    h("p", { class: "small muted legend" }, ...legend(unit), grain(line, image, unit.unprojected === null ? "Both are" : "It is")),
    problem,
    h("div", { class: "figures", style: { "--side": `${side(unit.top.length)}px` } }, figures),
    whole.node);
}

/** @param {Unit} unit */
function legend({ unprojected }) {
  const [crop, projection] = [term("crop", DEFINITIONS.crop), term("projection", DEFINITIONS.projection)];
  if (unprojected === null) return ["Above, the ", crop, "; below, its ", projection, ". "];
  return ["Each picture is a ", crop, ". There is no ", projection, `: ${unprojected}. `];
}

/**
 * The side of a picture with which the rows fill the page.
 *
 * @param {number} count
 * @returns {number}
 */
function side(count) {
  const wanted = SIDES[chosen().tiles];
  const main = /** @type {HTMLElement} */ (document.querySelector("main"));
  const room = Math.min(main.clientWidth, document.documentElement.clientWidth) - 2 * parseFloat(getComputedStyle(main).paddingLeft);
  const columns = Math.max(2, Math.floor((room + GAP) / (wanted + GAP)));
  return columns > count ? wanted : Math.floor((room - GAP * (columns - 1)) / columns);
}

/**
 * @param {LayerLine} line
 * @param {[number, number, number]} image
 * @param {string} are
 */
function grain({ receptive_field: field }, [, height, width], are = "Both are") {
  // Of a field that is larger than the input no more is shown than the input.
  if (!field || (field[0] >= height && field[1] >= width)) return `${are} the whole input.`;
  const [high, wide] = [Math.min(field[0], height), Math.min(field[1], width)];
  return `${are} ${high} × ${wide} pixels of the input; beyond its border it is grey.`;
}

/** @param {Unit} unit */
function below({ maximum }) {
  return maximum !== null && maximum < 0 ? ` Its activations stay below zero: they reach ${number(maximum)}.` : "";
}

/** @param {Unit} unit */
function silent(unit) {
  const words = unit.dead
    ? `This unit is dead: never positive on any of ${number(unit.images)} images. There is nothing to crop and nothing to project.${below(unit)}`
    : "No image has made this unit positive yet.";
  return h("section", { class: "unit-strongest" }, h("h2", { text: "Strongest images" }), h("p", { class: "notice", text: words }));
}

/**
 * @param {Unit} unit
 * @param {Top} top
 * @param {number} index
 * @param {string} strip
 * @param {(index: number) => void} show on the whole image
 */
function figure(unit, top, index, strip, show) {
  const words = `${unit.address.replace(/:(\d+)$/, " unit $1")}, top image ${index + 1} of ${unit.top.length}, `
    + `activation ${number(top.value)}, file ${top.file}`;
  const size = side(unit.top.length);
  /** @param {0 | 1} row @param {string} label */
  const picture = (row, label) => stripTile({ url: strip, count: unit.top.length, row, index, size, label });
  const box = h("figure", { class: "strongest" },
    h("button", {
      type: "button", class: "crop", title: "Show it on the whole image", "aria-pressed": "false", on: { click: () => show(index) },
    }, picture(0, words)),
    unit.unprojected === null ? picture(1, `Projection of ${words}`) : null,
    h("figcaption", null,
      h("strong", { text: even(top.value, 4) }),
      top.value > 0 || unit.unprojected !== null ? null : h("span", { class: "small", text: "not positive: nothing to project" }),
      h("span", { class: "small muted", text: `row ${top.row}, column ${top.column}` }),
      h("a", { class: "small", href: href(["images", top.image]), title: top.file, text: baseName(top.file) }),
      top.class_name === null && top.label === null ? null
        : h("span", { class: "small", text: top.class_name ?? `class ${top.label}` })));
  /** @param {number | null} lit */
  const tell = (lit) => () => box.dispatchEvent(new CustomEvent("highlight", { bubbles: true, detail: { index: lit } }));
  for (const name of ["pointerenter", "focusin"]) box.addEventListener(name, tell(index));
  for (const name of ["pointerleave", "focusout"]) box.addEventListener(name, tell(null));
  return box;
}
