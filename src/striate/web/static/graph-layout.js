// @ts-check
/** Where the nodes of the network stand and how the edges run between them; knows nothing of SVG. */

/** @typedef {import("../messages.js").GraphNode} GraphNode */
/** @typedef {import("../messages.js").Graph} Graph */
/** @typedef {{from: number, to: number, path: string, long: boolean}} Edge */
/** @typedef {{width: number, height: number, places: {x: number, y: number}[], edges: Edge[]}} Layout */

export const NODE = { width: 168, height: 36 };
const STEP = { x: 196, y: 60 };
const MARGIN = 16;

/**
 * Place all nodes, and bend the edges that skip rows around what stands between.
 * @param {Graph} graph
 * @returns {Layout}
 */
export function layOut({ nodes, edges }) {
  const centres = nodes.map(({ rank, column }) => ({ x: column * STEP.x, y: rank * STEP.y }));
  const rows = rowsOf(nodes);
  const bends = edges.map(([a, b]) => bendOf(nodes, rows, a, b));
  const reach = NODE.width / 2 + MARGIN;
  const xs = centres.map(({ x }) => x);
  const right = Math.max(...xs.map((x) => x + reach), ...bends.map((bend, k) => reachOf(edges[k], xs, bend, 1)));
  const left = Math.min(...xs.map((x) => x - reach), ...bends.map((bend, k) => reachOf(edges[k], xs, bend, -1)));
  const top = NODE.height / 2 + MARGIN;
  const places = centres.map(({ x, y }) => ({ x: x - left, y: y + top }));
  return {
    width: right - left,
    height: Math.max(...centres.map(({ y }) => y)) + 2 * top,
    places,
    edges: edges.map(([from, to], k) => ({
      from, to, path: pathOf(places[from], places[to], bends[k]), long: bends[k] !== 0,
    })),
  };
}

/** @param {GraphNode[]} nodes */
function rowsOf(nodes) {
  /** @type {Map<number, number[]>} */
  const rows = new Map();
  for (const { rank, column } of nodes) rows.set(rank, [...(rows.get(rank) ?? []), column]);
  return rows;
}

/**
 * How far an edge leaves to the side: 0 is straight down, positive is to the right.
 * @param {GraphNode[]} nodes
 * @param {Map<number, number[]>} rows
 * @param {number} a
 * @param {number} b
 */
function bendOf(nodes, rows, a, b) {
  const [from, to] = [nodes[a], nodes[b]];
  const span = to.rank - from.rank;
  for (let rank = from.rank + 1; rank < to.rank; rank++) {
    const here = from.column + ((to.column - from.column) * (rank - from.rank)) / span;
    if (!rows.get(rank)?.some((column) => Math.abs(column - here) < 0.75)) continue;
    const side = from.column + to.column < 0 ? -1 : 1;
    return side * Math.min(240, 18 + 16 * Math.sqrt(span));
  }
  return 0;
}

/**
 * @param {[number, number]} edge
 * @param {number[]} xs
 * @param {number} bend
 * @param {1 | -1} side
 */
function reachOf([from, to], xs, bend, side) {
  const end = side > 0 ? Math.max(xs[from], xs[to]) : Math.min(xs[from], xs[to]);
  return Math.sign(bend) === side ? end + side * (NODE.width / 2 + MARGIN) + 0.75 * bend : end;
}

/**
 * @param {{x: number, y: number}} from
 * @param {{x: number, y: number}} to
 * @param {number} bend
 */
function pathOf(from, to, bend) {
  if (bend === 0) {
    const [y1, y2] = [from.y + NODE.height / 2, to.y - NODE.height / 2];
    const pull = (y2 - y1) / 2;
    return `M${from.x} ${y1}C${from.x} ${y1 + pull} ${to.x} ${y2 - pull} ${to.x} ${y2}`;
  }
  const side = (Math.sign(bend) * NODE.width) / 2;
  const out = (bend > 0 ? Math.max(from.x, to.x) : Math.min(from.x, to.x)) + side + bend;
  return `M${from.x + side} ${from.y}C${out} ${from.y} ${out} ${to.y} ${to.x + side} ${to.y}`;
}

/**
 * Every node that leads to this one, or that it leads to, itself left out.
 * @param {[number, number][]} edges
 * @param {number} node
 */
export function trunkOf(edges, node) {
  const [up, down] = [new Map(), new Map()];
  for (const [from, to] of edges) {
    down.set(from, [...(down.get(from) ?? []), to]);
    up.set(to, [...(up.get(to) ?? []), from]);
  }
  return { above: reachable(up, node), below: reachable(down, node) };
}

/**
 * @param {Map<number, number[]>} next
 * @param {number} start
 */
function reachable(next, start) {
  /** @type {Set<number>} */
  const found = new Set();
  const waiting = [...(next.get(start) ?? [])];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    waiting.push(...(next.get(node) ?? []));
  }
  return found;
}

/**
 * The node that an arrow key leads to: along an edge up or down, along the row to the sides.
 * @param {Graph} graph
 * @param {number} node
 * @param {string} key
 */
export function neighbourOf({ nodes, edges }, node, key) {
  const here = nodes[node];
  /** @param {number[]} among */
  const closest = (among) => among.sort((a, b) => distance(nodes[a], here) - distance(nodes[b], here))[0];
  if (key === "ArrowDown") return closest(edges.filter(([from]) => from === node).map(([, to]) => to));
  if (key === "ArrowUp") return closest(edges.filter(([, to]) => to === node).map(([from]) => from));
  const side = key === "ArrowRight" ? 1 : -1;
  const row = [...nodes.keys()].filter((k) => nodes[k].rank === here.rank);
  return closest(row.filter((k) => (nodes[k].column - here.column) * side > 0));
}

/**
 * @param {GraphNode} a
 * @param {GraphNode} b
 */
function distance(a, b) {
  return Math.abs(a.rank - b.rank) + Math.abs(a.column - b.column);
}
