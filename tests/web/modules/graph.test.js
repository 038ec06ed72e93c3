import assert from "node:assert/strict";
import { test } from "node:test";

import { layOut, neighbourOf, NODE, trunkOf } from "./graph-layout.js";
import { kindOf, shortened } from "./graph-shapes.js";

const node = (rank, column = 0) => ({ address: `n${rank}`, operation: "conv2d", units: 1, map_size: [1, 1], layer: rank, rank, column });

// A residual block: 0 -> 1 -> 2 -> 3, and 0 -> 3 past the others.
const block = { nodes: [node(0), node(1), node(2), node(3)], edges: [[0, 1], [1, 2], [2, 3], [0, 3]] };

test("an edge goes straight to the next row and around what stands between", () => {
  const { edges } = layOut(block);
  assert.deepEqual(edges.map(({ long }) => long), [false, false, false, true]);
});

test("everything is inside the drawing", () => {
  const { width, height, places, edges } = layOut({ ...block, nodes: [node(0), node(1), node(2), node(3, -2)] });
  for (const { x, y } of places) {
    assert.ok(x - NODE.width / 2 >= 0 && x + NODE.width / 2 <= width);
    assert.ok(y - NODE.height / 2 >= 0 && y + NODE.height / 2 <= height);
  }
  for (const { path } of edges) {
    const [, control] = path.split("C");
    assert.ok(control.split(" ").every((value) => Number(value) >= 0), path);
  }
});

test("edges of the same column that skip a row do not cross the nodes between", () => {
  const { places, edges } = layOut(block);
  const [, x1, , cx] = /M(\S+) (\S+)C(\S+)/.exec(edges[3].path).map(Number);
  assert.ok(x1 >= places[1].x + NODE.width / 2 && cx > x1);
});

test("the trunk is all that leads to a node and all that it leads to", () => {
  const fork = [[0, 1], [0, 2], [1, 3], [4, 3]];
  const { above, below } = trunkOf(fork, 1);
  assert.deepEqual([[...above], [...below]], [[0], [3]]);
});

test("arrow keys walk along edges and rows", () => {
  const wide = { nodes: [node(0), node(1, -0.5), node(1, 0.5), node(2)], edges: [[0, 1], [0, 2], [1, 3], [2, 3]] };
  assert.equal(neighbourOf(wide, 1, "ArrowRight"), 2);
  assert.equal(neighbourOf(wide, 2, "ArrowLeft"), 1);
  assert.equal(neighbourOf(wide, 2, "ArrowDown"), 3);
  assert.equal(neighbourOf(wide, 2, "ArrowUp"), 0);
  assert.equal(neighbourOf(wide, 0, "ArrowUp"), undefined);
});

test("1700 edges are placed at once", () => {
  const nodes = Array.from({ length: 430 }, (_, k) => node(k));
  const edges = nodes.flatMap((_, to) => Array.from({ length: Math.min(4, to) }, (__, k) => [to - 1 - k, to]));
  const start = performance.now();
  assert.equal(layOut({ nodes, edges }).edges.length, edges.length);
  assert.ok(performance.now() - start < 1000);
});

test("operations have a kind", () => {
  const kinds = { conv2d: "conv", _native_batch_norm_legit_no_training: "norm", relu: "rectifier", max_pool2d: "pool", add: "sum", cat: "concat", addmm: "dense", gelu: "rectifier", split: "other" };
  for (const [operation, kind] of Object.entries(kinds)) assert.equal(kindOf(operation), kind, operation);
});

test("a long name keeps its end", () => {
  assert.equal(shortened("abcdef", 4), "…def");
  assert.equal(shortened("abcd", 4), "abcd");
});
