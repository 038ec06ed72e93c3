// Every address of a page can be written and read back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { href, layerHref, parse, unitHref } from "./route.js";

const LAYERS = [
  "features.3", "images", "classes", "concepts", "concepts/3", "images/3", "classes/K", "a/b/c", "a/3", "3", "layer 1", "50%25",
  "=images", "==", "a?b=c#d", "<img/src=x/onerror=alert(1)>", "\u202ertl", "\u7f8e\u8853", "a//b", "+&;", ".", "..",
];

test("a layer's address", () => {
  for (const layer of LAYERS) {
    const route = parse(layerHref(layer));
    assert.deepEqual([route.page, route.layer, route.unit], ["layer", layer, undefined], layer);
  }
});

test("a unit's address", () => {
  for (const layer of LAYERS) {
    for (const unit of [0, 12, 4095]) {
      const route = parse(unitHref(layer, unit));
      assert.deepEqual([route.page, route.layer, route.unit], ["unit", layer, unit], layer);
    }
  }
});

test("the other pages", () => {
  assert.equal(parse("").page, "network");
  assert.equal(parse("#/").page, "network");
  assert.equal(parse(href(["images"])).page, "images");
  assert.deepEqual([parse(href(["images", 7])).page, parse(href(["images", 7])).id], ["image", 7]);
  assert.equal(parse(href(["classes"])).page, "classes");
  assert.deepEqual([parse(href(["classes", 7])).page, parse(href(["classes", 7])).id], ["class", 7]);
  assert.deepEqual([parse(href(["concepts", 7])).page, parse(href(["concepts", 7])).id], ["concept", 7]);
  assert.equal(parse(href(["concepts"])).page, "concepts");
  assert.equal(parse("#/images/seven").page, "unknown");
  assert.equal(parse("#/%zz").page, "unknown");
});

test("the query", () => {
  const address = layerHref("features.3", { view: "mean", class: "a&b=c?#", text: null });
  const { layer, query } = parse(address);
  assert.equal(layer, "features.3");
  assert.deepEqual([...query], [["view", "mean"], ["class", "a&b=c?#"]]);
});
