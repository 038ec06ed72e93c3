// @ts-check
/** The network: what it is, what the pass saw, its layers in order, and its drawing. */

import "./network-graph.js";
import { counted } from "./concept-words.js";
import { network } from "./data.js";
import { append, breakable, h, number, percent } from "./dom.js";
import { fieldDrawing, fieldText } from "./field.js";
import { register } from "./keys.js";
import { listKeys } from "./list-keys.js";
import { href, layerHref, unitHref } from "./route.js";
import { DEFINITIONS, term } from "./term.js";
import { tile } from "./tiles.js";

/** @typedef {import("../messages.js").Network} Network */
/** @typedef {import("../messages.js").LayerLine} LayerLine */

const SAMPLE = 42;
const WIDE = "(width >= 1380px)";

listKeys("network", ".layer-name a", "layer");
register("network", [
  { keys: { vim: ["d"], dvt: ["d"] }, label: "Open or close the drawing", control: ".network-drawing > summary" },
]);

/** The network's page. */
export async function render() {
  const all = await network();
  const node = h("article", { class: "network" },
    h("h1", { text: all.name }),
    facts(all),
    skipped(all),
    h("div", { class: "network-columns" },
      h("section", { class: "network-layers", "aria-labelledby": "layers" },
        h("h2", { id: "layers", text: `${all.layers.length} layers` }),
        all.layers.length === 0 ? h("p", { text: "The atlas observes no layer." }) : table(all)),
      drawing()));
  return { title: all.name, node };
}

/** @param {Network} all */
function facts(all) {
  const [channels, height, width] = all.image_size;
  const { seen, images } = all.status;
  return h("dl", { class: "facts" },
    h("dt", { text: "Input" }),
    h("dd", { text: `${height} × ${width} pixels, ${channels} ${channels === 1 ? "channel" : "channels"}` }),
    h("dt", { text: "Preprocessing" }), h("dd", { text: all.preprocessing || "none" }),
    h("dt", { text: "Images" }),
    h("dd", null, h("a", { href: href(["images"]), text: `${number(seen)} of ${number(images)} seen` }),
      all.skipped > 0 ? `, ${number(all.skipped)} skipped` : ""),
    h("dt", { text: "Units" }),
    h("dd", { text: `${number(all.units)} in ${all.layers.length} layers; the ${all.top} strongest images of each are kept` }),
    h("dt", { text: "Accuracy" }), h("dd", null, accuracy(all)));
}

/** @param {Network} all */
function accuracy(all) {
  if (all.judged === 0) return "not known: no image has both a label and scores";
  const judged = `${number(all.judged)} images with a label`;
  const five = all.top5 === null || all.classes <= 5 ? ""
    : `, in ${percent(all.top5 / 100)} it is among the first five`;
  return [h("a", { href: href(["classes"]), text: `${percent((all.top1 ?? 0) / 100)} right` }),
    ` at the first guess${five} (of ${judged})`];
}

/** @param {Network} all */
function skipped(all) {
  if (all.skipped === 0) return null;
  const shown = all.skipped_images;
  return h("details", { class: "skipped" },
    h("summary", { text: `${number(all.skipped)} ${all.skipped === 1 ? "image was" : "images were"} skipped` }),
    h("table", null,
      h("thead", null, h("tr", null, h("th", { scope: "col", text: "File" }), h("th", { scope: "col", text: "Reason" }))),
      h("tbody", null, shown.map(({ image, file, reason }) => h("tr", null,
        h("td", null, h("a", { class: "mono", href: href(["images", image]), text: file })), h("td", { text: reason }))))),
    shown.length < all.skipped ? h("p", { class: "muted", text: `The first ${shown.length}.` }) : null);
}

/** The drawing stands beside the layers where there is room, and waits behind a button where there is not. */
function drawing() {
  const box = h("details", { class: "network-drawing" }, h("summary", null, h("h2", { text: "Drawing of the network" })));
  const wide = matchMedia(WIDE);
  box.open = wide.matches;
  const fill = () => box.open && !box.querySelector("network-graph") && append(box, [h("network-graph")]);
  box.addEventListener("toggle", fill);
  // Its first size decides what is in view, so it waits until the page is there.
  requestAnimationFrame(fill);
  return box;
}

/** @param {Network} all */
function table(all) {
  const heads = [["Layer", ""], ["Units", DEFINITIONS.unit], ["Map", DEFINITIONS.map],
    ["Receptive field", DEFINITIONS.field], ["Dead units", DEFINITIONS.dead], ["Some of its units", ""]];
  return h("table", { class: "layers", role: "table" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map(([word, definition]) =>
      h("th", { scope: "col", role: "columnheader" }, definition ? term(word, definition) : word)))),
    h("tbody", { role: "rowgroup" }, all.layers.map((layer, row) => line(all, layer, row))));
}

/**
 * @param {Network} all
 * @param {LayerLine} layer
 * @param {number} row
 */
function line(all, layer, row) {
  const share = layer.dead / layer.units;
  return h("tr", { role: "row" },
    h("th", { role: "rowheader", scope: "row", class: "layer-name" },
      h("a", { class: "mono", href: layerHref(layer.address) }, breakable(layer.address)),
      h("span", { class: "muted small", text: layer.operation }), detectors(layer)),
    h("td", { role: "cell", class: "nowrap" }, number(layer.units), h("span", { class: "word", text: layer.units === 1 ? " unit" : " units" })),
    h("td", { role: "cell", class: "nowrap" }, layer.map_size.join(" × "), h("span", { class: "word", text: " map" })),
    h("td", { role: "cell", class: "nowrap field-cell" }, fieldDrawing(layer.receptive_field, all.image_size),
      h("span", { class: "small", text: fieldText(layer.receptive_field) })),
    h("td", { role: "cell", class: "dead-cell" },
      h("a", { href: layerHref(layer.address, { dead: "only" }), class: layer.dead ? "" : "none" },
        layer.dead === 0 ? "none" : `${number(layer.dead)} (${percent(share)})`),
      h("span", { class: "word", text: " dead" }),
      layer.dead === 0 ? null : h("span", { class: "bar", "aria-hidden": "true" }, h("span", { style: { width: `${share * 100}%` } }))),
    h("td", { role: "cell", class: "samples" }, layer.samples.map((unit, k) => sample(all, layer, row, unit, k))));
}

/** @param {LayerLine} layer */
function detectors({ detectors: units, detected }) {
  if (units === null) return null;
  return h("span", { class: "muted small", text: `${counted(units, "detector")} of ${counted(detected ?? 0, "concept")}` });
}

/**
 * @param {Network} all
 * @param {LayerLine} layer
 * @param {number} row
 * @param {number} unit
 * @param {number} k
 */
function sample(all, layer, row, unit, k) {
  const sheets = all.sample_sheets;
  return h("a", { href: unitHref(layer.address, unit), "aria-label": `${layer.address} unit ${unit}`, title: `unit ${unit}` },
    tile({
      sheets, path: (page) => `pictures/samples/${page}.webp`, index: row * sheets.columns + k, size: SAMPLE,
      label: `${layer.address} unit ${unit}, strongest crop`,
    }));
}
