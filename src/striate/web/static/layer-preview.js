// @ts-check
/** Beside the grid: the unit under the pointer or the focus, larger, with its numbers. */

import { h, number, percent } from "./dom.js";
import { agreement } from "./layer-reason.js";
import { named } from "./names.js";
import { tile } from "./tiles.js";

/** @typedef {import("../messages.js").Layer} Layer */

const SIDE = 128;
const WAIT = 60;

/**
 * @param {Layer} layer
 * @param {string[]} views
 * @param {AbortSignal} signal
 * @returns {{node: HTMLElement, show: (unit: number | null) => void}}
 */
export function preview(layer, views, signal) {
  const node = h("aside", { class: "preview", "aria-label": "The unit you point at" }, hint());
  let wait = 0;
  signal.addEventListener("abort", () => clearTimeout(wait));
  return {
    node,
    show(unit) {
      clearTimeout(wait);
      // Crossing the grid with the pointer should not ask for everything on the way.
      if (unit !== null) wait = setTimeout(() => node.replaceChildren(...card(layer, views, unit, signal)), WAIT);
    },
  };
}

function hint() {
  return h("p", { class: "muted small", text: "Point at a unit, or go through the grid with the arrow keys, to see it larger and with its numbers. Enter opens it." });
}

/**
 * @param {Layer} layer
 * @param {string[]} views
 * @param {number} unit
 * @param {AbortSignal} signal
 */
function card({ number: layer, columns, class_names: names, sheets, synthetic }, views, unit, signal) {
  const best = columns.best_class[unit];
  const image = columns.top_image[unit];
  const file = h("dd", { class: "mono small", text: image === null ? "—" : `image ${image}` });
  if (image !== null) named(image, signal).then((found) => found && (file.textContent = found.name), () => {});
  const reached = synthetic?.[unit] ?? null;
  const agrees = columns.concept && !columns.dead[unit] ? agreement(columns.concept, unit) : "";
  const shown = views.filter((view) => (view === "synthetic" ? reached !== null : view !== "mean" && !columns.dead[unit]));
  const pictures = [columns.dead[unit] ? h("p", { class: "dead-large", text: "dead: never positive" }) : null,
    ...shown.map((view) => tile({
      sheets, index: unit, size: SIDE, label: "", eager: true, path: (page) => `pictures/layers/${layer}/${view}/${page}.webp`,
    }))];
  return [
    h("p", { class: "preview-title" }, h("strong", { text: `Unit ${unit}` })),
    h("div", { class: "preview-pictures" }, pictures),
    h("dl", { class: "facts small" },
      h("dt", { text: "Maximum" }), h("dd", { text: number(columns.maximum[unit]) }),
      h("dt", { text: "Mean" }), h("dd", { text: number(columns.mean[unit]) }),
      h("dt", { text: "Fires on" }), h("dd", { text: `${percent(columns.fires[unit])} of images` }),
      h("dt", { text: "… at" }), h("dd", { text: `${percent(columns.fires_places[unit])} of places` }),
      reached === null ? null : [h("dt", { text: "Synthetic" }), h("dd", { text: `reaches ${number(reached)}` })],
      best === null ? null : [h("dt", { text: "Best class" }), h("dd", { text: names[String(best)] ?? `class ${best}` })],
      best === null ? null : [h("dt", { text: "Selectivity" }), h("dd", { text: number(columns.selectivity[unit]) })],
      !agrees ? null : [h("dt", { text: "Concept" }), h("dd", { text: agrees })],
      h("dt", { text: "Strongest" }), file),
  ];
}
