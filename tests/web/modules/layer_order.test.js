import assert from "node:assert/strict";
import { test } from "node:test";

import { choiceOf, SORTS, sortsOf, unitsOf } from "./layer-order.js";
import { agreement } from "./layer-reason.js";

const layer = {
  units: 5,
  class_names: { 0: "Cat", 7: "sea lion" },
  similarity: [4, 2, 0, 1, 3],
  columns: {
    maximum: [2, null, 9, 2, 0], fires: [0.5, 0, 1, 0.25, 0], selectivity: [0.1, null, -0.2, 0.9, null],
    best_class: [0, null, 7, 7, null], dead: [false, true, false, false, true], top_image: [10, null, 11, 12, null],
    concept: {
      index: [4, null, 0, 4, 1], name: ["Sky", null, "red", "Sky", "tree"], category: ["object", null, "colour", "object", "object"],
      iou: [0.05, null, 0.3, 0.234, 0.004],
    },
  },
};
const files = new Map([[10, "a/one.jpg"], [11, "b/Two.jpg"], [12, "b/three.jpg"]]);
const units = (query) => unitsOf(layer, choiceOf(new URLSearchParams(query), layer), files);

test("orders: the highest first, unknown ones last, ties by index", () => {
  assert.deepEqual(units(""), [0, 1, 2, 3, 4]);
  assert.deepEqual(units("sort=maximum"), [2, 0, 3, 4, 1]);
  assert.deepEqual(units("sort=selectivity"), [3, 0, 2, 1, 4]);
  assert.deepEqual(units("sort=sparsity"), [1, 4, 3, 0, 2]);
  assert.deepEqual(units("sort=iou"), [2, 3, 0, 4, 1]);
  assert.deepEqual(units("sort=similarity"), [4, 2, 0, 1, 3]);
  assert.deepEqual(units("sort=nonsense"), [0, 1, 2, 3, 4]);
});

test("every order has all units", () => {
  for (const { name } of SORTS) assert.deepEqual(units(`sort=${name}`).sort(), [0, 1, 2, 3, 4]);
});

test("an order that a layer does not have is not said of it", () => {
  const columns = { ...layer.columns, selectivity: [null, null, null, null, null], concept: null };
  const plain = { ...layer, similarity: null, columns };
  assert.deepEqual(sortsOf(plain).map(({ name }) => name), ["index", "maximum", "sparsity"]);
  assert.deepEqual(sortsOf(layer), SORTS);
  for (const sort of ["similarity", "selectivity", "iou"]) {
    assert.equal(choiceOf(new URLSearchParams({ sort }), plain).sort, "index");
    assert.equal(choiceOf(new URLSearchParams({ sort }), layer).sort, sort);
  }
});

test("dead units are shown, hidden or alone", () => {
  assert.deepEqual(units("dead=hide"), [0, 2, 3]);
  assert.deepEqual(units("dead=only"), [1, 4]);
  assert.deepEqual(units("dead=what"), [0, 1, 2, 3, 4]);
});

test("classes by name or index, whole", () => {
  assert.deepEqual(units("class=cat"), [0]);
  assert.deepEqual(units("class=7"), [2, 3]);
  assert.deepEqual(units("class=ca"), []);
});

test("concepts by name or category, whole; part of a text; nothing where there are none", () => {
  assert.deepEqual(units("concept=sky"), [0, 3]);
  assert.deepEqual(units("concept=OBJECT&sort=iou"), [3, 0, 4]);
  assert.deepEqual(units("concept=sk"), []);
  assert.deepEqual(units("text=tre"), [4]);
  const bare = { ...layer, columns: { ...layer.columns, concept: null } };
  const query = new URLSearchParams("concept=sky&label=concept&sort=iou");
  const choice = choiceOf(query, bare);
  assert.deepEqual([choice.concept, choice.label, choice.sort], ["", "number", "index"]);
  assert.deepEqual(unitsOf(bare, choice, files), [0, 1, 2, 3, 4]);
  assert.deepEqual(unitsOf(bare, choiceOf(new URLSearchParams("text=tre"), bare), files), []);
  assert.equal(choiceOf(query, layer).label, "concept");
});

test("agreement in words, with two decimals", () => {
  assert.equal(agreement(layer.columns.concept, 3), "IoU 0.23 with Sky (object)");
  assert.equal(agreement(layer.columns.concept, 1), "covers nothing labelled");
});

test("text: a unit's number, a part of its class or of its file; all words", () => {
  assert.deepEqual(units("text=3"), [3]);
  assert.deepEqual(units("text=SEA"), [2, 3]);
  assert.deepEqual(units("text=b/+t"), [2, 3]);
  assert.deepEqual(units("text=sea+two"), [2]);
  assert.deepEqual(units("text=nobody"), []);
});
