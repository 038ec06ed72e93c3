// @ts-check
/** What a node of the network looks like: one outline for each kind of operation. */

import { NODE } from "./graph-layout.js";

/** @typedef {"input" | "conv" | "rectifier" | "pool" | "sum" | "concat" | "dense" | "norm" | "other"} Kind */

/** @type {[Kind, string, RegExp][]} */
const KINDS = [
  ["input", "image", /^(input|image)$/],
  ["conv", "convolution", /conv/],
  ["dense", "fully connected", /^(linear|addmm|mm|matmul|bmm)$/],
  ["norm", "normalisation", /norm/],
  ["pool", "pooling", /pool|^amax$|^mean$/],
  ["sum", "sum", /^(add|sub|sum|rsub)$/],
  ["concat", "concatenation", /^(cat|concat|stack)$/],
  ["rectifier", "rectifier or gate", /relu|elu|^(hardtanh|threshold|clamp.*|silu|mish|hardswish|swish|softplus|sigmoid|hardsigmoid|tanh|softmax)$/],
  ["other", "other", /./],
];

/** The kinds with their names, in the legend's order. */
export const LEGEND = KINDS.map(([kind, name]) => ({ kind, name }));

/**
 * @param {string} operation
 * @returns {Kind}
 */
export function kindOf(operation) {
  return KINDS.find(([, , pattern]) => pattern.test(operation))?.[0] ?? "other";
}

/**
 * The outline of a kind, as the path of an SVG, around the origin.
 * @param {Kind} kind
 * @param {number} width
 * @param {number} height
 */
export function outline(kind, width = NODE.width, height = NODE.height) {
  const [w, h] = [width / 2, height / 2];
  const cut = Math.min(0.6 * h, width / 8);
  if (kind === "rectifier") return rounded(w, h, h);
  if (kind === "input") return rounded(w, h, 2);
  if (kind === "other") return rounded(w, h, h / 3);
  if (kind === "pool") return polygon([-w, -h], [w, -h], [w - cut, h], [-w + cut, h]);
  if (kind === "concat") return polygon([-w + cut, -h], [w - cut, -h], [w, h], [-w, h]);
  if (kind === "dense") return polygon([-w + cut, -h], [w, -h], [w - cut, h], [-w, h]);
  if (kind === "sum") return polygon([-w, 0], [-w + cut, -h], [w - cut, -h], [w, 0], [w - cut, h], [-w + cut, h]);
  if (kind === "norm") {
    const c = cut / 2;
    return polygon([-w + c, -h], [w - c, -h], [w, -h + c], [w, h - c], [w - c, h], [-w + c, h], [-w, h - c], [-w, -h + c]);
  }
  return polygon([-w, -h], [w, -h], [w, h], [-w, h]);
}

/** @param {[number, number][]} corners */
function polygon(...corners) {
  return `M${corners.map((corner) => corner.join(" ")).join("L")}Z`;
}

/**
 * @param {number} w
 * @param {number} h
 * @param {number} r
 */
function rounded(w, h, r) {
  const arc = (/** @type {number} */ x, /** @type {number} */ y) => `A${r} ${r} 0 0 1 ${x} ${y}`;
  return `M${r - w} ${-h}H${w - r}${arc(w, r - h)}V${h - r}${arc(w - r, h)}H${r - w}${arc(-w, h - r)}V${r - h}${arc(r - w, -h)}Z`;
}

/**
 * A long address, shortened in front: its end tells more.
 * @param {string} text
 * @param {number} room
 */
export function shortened(text, room) {
  return text.length <= room ? text : `…${text.slice(text.length - room + 1)}`;
}

/**
 * A node in one line of words.
 * @param {import("./graph-layout.js").GraphNode} node
 */
export function describe({ address, operation, units, map_size: [rows, columns], layer }) {
  const size = units === null ? "" : `, ${units} ${units === 1 ? "unit" : "units"}, map ${rows} × ${columns}`;
  const watched = layer !== null || kindOf(operation) === "input" ? "" : ", not observed";
  return `${address}: ${operation}${size}${watched}`;
}
