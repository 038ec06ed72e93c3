import assert from "node:assert/strict";
import { test } from "node:test";

import { GAP, Geometry } from "./grid-geometry.js";

test("cells fill the width and never pass it", () => {
  for (let width = 90; width < 2000; width += 37) {
    const { columns, size } = new Geometry(width, 96, 20, 1000);
    const filled = columns * size + (columns - 1) * GAP;
    assert.ok(filled <= width, `${filled} in ${width}`);
    assert.ok(columns === 1 || size >= 96);
    assert.ok(width - filled < columns);
  }
});

test("all that is in the window is in the range", () => {
  const lay = new Geometry(1000, 96, 20, 1234);
  for (let top = 500; top > -lay.height - 500; top -= 61) {
    const [from, to] = lay.range(top, 800, 0);
    for (let place = 0; place < 1234; place++) {
      const upper = lay.at(place).y + top;
      const seen = upper + lay.size > 0 && upper < 800;
      assert.ok(!seen || (place >= from && place < to), `place ${place} at ${top}`);
    }
  }
});

test("an empty grid has no height and no places", () => {
  const lay = new Geometry(1000, 96, 20, 0);
  assert.equal(lay.height, 0);
  assert.deepEqual(lay.range(0, 800, 2), [0, 0]);
});

test("the first place that is seen begins a row", () => {
  const lay = new Geometry(1000, 96, 20, 1234);
  assert.equal(lay.firstSeen(300), 0);
  assert.equal(lay.firstSeen(-1), lay.columns);
  assert.equal(lay.firstSeen(-1e9), 1233);
});

test("two lays are equal when every cell lies in both where it does in the other", () => {
  const lay = new Geometry(1000, 96, 20, 1234);
  assert.ok(lay.equals(new Geometry(lay.columns * (lay.size + GAP) - GAP, 96, 20, 1234)));
  for (const other of [[800, 96, 20, 1234], [1000, 90, 20, 1234], [1000, 96, 21, 1234], [1000, 96, 20, 1233]]) {
    assert.ok(!lay.equals(new Geometry(...other)), other.join());
  }
});
