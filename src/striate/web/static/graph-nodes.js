// @ts-check
/** The nodes of the drawing and its legend, as elements. */

import { h, number, s } from "./dom.js";
import { describe, kindOf, LEGEND, outline, shortened } from "./graph-shapes.js";

/** @typedef {import("../messages.js").GraphNode} GraphNode */

/**
 * @param {GraphNode} node
 * @param {{x: number, y: number}} place
 * @param {boolean} reachable by Tab; arrow keys lead to the others
 */
export function nodeAt(node, { x, y }, reachable) {
  const kind = kindOf(node.operation);
  const opens = node.layer !== null;
  const size = node.units === null ? "" : ` · ${number(node.units)} × ${node.map_size.join("×")}`;
  return s("g", {
    class: `graph-node ${kind}${opens || kind === "input" ? "" : " hollow"}`, transform: `translate(${x} ${y})`,
    tabindex: reachable ? 0 : -1, role: opens ? "link" : "img", "aria-label": describe(node),
  },
  s("path", { class: "graph-shape", d: outline(kind) }),
  s("text", { class: "graph-name", y: -3, text: shortened(node.address, 22) }),
  s("text", { class: "graph-detail", y: 11, text: shortened(`${node.operation}${size}`, 28) }));
}

/** @param {GraphNode[]} nodes */
export function legend(nodes) {
  const present = new Set(nodes.map(({ operation }) => kindOf(operation)));
  const hollow = nodes.some(({ operation, layer }) => layer === null && kindOf(operation) !== "input");
  /** @param {string} kind @param {string} name */
  const entry = (kind, name) => h("li", null,
    s("svg", { class: "graph-key", viewBox: "-17 -8 34 16", "aria-hidden": "true" },
      s("g", { class: `graph-node ${kind}` }, s("path", { class: "graph-shape", d: outline(/** @type {any} */ (kind.split(" ")[0]), 30, 12) }))),
    name);
  return h("ul", { class: "graph-legend", "aria-label": "Legend" },
    LEGEND.filter(({ kind }) => present.has(kind)).map(({ kind, name }) => entry(kind, name)),
    hollow && entry("other hollow", "not observed"));
}
