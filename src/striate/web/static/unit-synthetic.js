// @ts-check
/** The image that was made to excite a unit, with what it reaches. */

import { ask, picture } from "./data.js";
import { h, number } from "./dom.js";
import { DEFINITIONS, term } from "./term.js";

/** @typedef {import("../messages.js").Unit} Unit */
/** @typedef {import("../messages.js").Synthetic} Synthetic */
/** @typedef {import("../messages.js").LayerLine} LayerLine */

const SIDE = 224;

/**
 * @param {Unit} unit
 * @param {LayerLine} line
 * @returns {HTMLElement | null} null where none was asked for
 */
export function synthetic(unit, line) {
  const made = unit.synthetic;
  if (made === null && unit.unsynthesized === null) return null;
  const title = h("h2", { id: "synthetic", text: "Synthetic image" });
  const body = made === null ? h("p", { class: "notice", text: `There is none: ${unit.unsynthesized}.` })
    : h("div", { class: "synthetic-columns" }, image(unit, made), words(unit, made, line));
  return h("section", { class: "unit-synthetic", "aria-labelledby": "synthetic" }, title, body);
}

/**
 * @param {Unit} unit
 * @param {Synthetic} made
 */
function image(unit, made) {
  const [height, width] = made.size;
  const longest = Math.max(height, width);
  const factor = longest * 2 <= SIDE ? Math.floor(SIDE / longest) : SIDE / longest;
  const path = `pictures/synthetic/${unit.layer}/${unit.unit}.webp`;
  const shown = h("img", {
    class: factor >= 2 ? "enlarged" : null, width: Math.round(width * factor), height: Math.round(height * factor), decoding: "async",
    alt: `Synthetic image of ${unit.address.replace(/:(\d+)$/, " unit $1")}: ${reaches(unit, made).join("")}`,
  });
  shown.addEventListener("error", async () => {
    const why = await ask(picture(path)).then(() => "It is no picture.", (/** @type {Error} */ error) => error.message);
    shown.replaceWith(h("p", { class: "notice bad", text: `The image cannot be shown. ${why}` }));
  });
  shown.src = picture(path);
  return shown;
}

/**
 * The number and what it is beside the probe set's.
 *
 * @param {Unit} unit
 * @param {Synthetic} made
 * @returns {[string, string, string]}
 */
function reaches({ maximum }, { activation }) {
  const beside = maximum === null ? ""
    : maximum > 0 ? `, ${number(activation / maximum, 2)} × its maximum on the probe set (${number(maximum)})`
      : `; its maximum on the probe set is ${number(maximum)}`;
  return ["reaches ", number(activation), beside];
}

/**
 * @param {Unit} unit
 * @param {Synthetic} made
 * @param {LayerLine} line
 */
function words(unit, made, line) {
  const [verb, value, beside] = reaches(unit, made);
  const centred = made.centred_rank === null ? ["no ", term("centred rank", DEFINITIONS.centred), ": it never varies on the probe set"]
    : [term("centred rank", DEFINITIONS.centred), ` ${number(made.centred_rank)}`];
  const steps = `${number(made.steps)} ${made.steps === 1 ? "step" : "steps"}`;
  const contrast = made.contrast > 1 ? ` It is faint: its contrast is shown ${number(made.contrast, 2)} times as large.` : "";
  return h("div", { class: "synthetic-words" },
    h("p", { class: "small muted" }, "An ", term("image made", DEFINITIONS.synthetic), ` to excite this unit; ${extent(made, line)}.${contrast}`),
    h("p", null, `It ${verb}`, h("strong", { text: value }), `${beside}.`),
    h("p", null, "In its layer, ", term("rank", DEFINITIONS.rank), ` ${number(made.rank)} of ${number(line.units)}, `, centred, "."),
    h("p", { class: "small muted", text: `${made.preset}, ${steps}, seed ${made.seed}.` }));
}

/**
 * @param {Synthetic} made
 * @param {LayerLine} line
 */
function extent({ size: [height, width] }, { receptive_field: field }) {
  const pixels = `${height} × ${width} pixels`;
  return field && height > field[0] && width > field[1] ? `${pixels}, what the neuron sees (${field.join(" × ")}) and a margin` : pixels;
}
