// @ts-check
/** The buttons above the drawing. */

import { h } from "./dom.js";
import { download, standalone } from "./graph-save.js";

/**
 * @param {import("./graph-view.js").GraphView} view
 * @param {SVGSVGElement} drawing
 * @param {import("./graph-layout.js").Layout} layout
 */
export function toolbar(view, drawing, { width, height }) {
  const save = () => {
    const paper = getComputedStyle(document.body).backgroundColor;
    download("network.svg", standalone(drawing, width, height, paper), "image/svg+xml");
  };
  /** @type {[string, string, () => void][]} */
  const buttons = [
    ["−", "Zoom out", () => view.zoomBy(1 / 1.25)],
    ["+", "Zoom in", () => view.zoomBy(1.25)],
    ["Fit", "Show the whole network", () => view.fit()],
    ["1:1", "Full size, from the top", () => view.reset()],
    ["Save as SVG", "Save the drawing as an SVG file", save],
  ];
  return h("div", { class: "graph-tools", role: "toolbar", "aria-label": "Drawing" }, buttons.map(([text, label, click]) =>
    h("button", { type: "button", title: label, "aria-label": label, on: { click }, text })));
}
