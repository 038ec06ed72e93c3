import assert from "node:assert/strict";
import { test } from "node:test";

import { aroundZero, axisOf, spanOf, ticksOf } from "./histogram-axis.js";

const tiny = 2 ** -16;

test("an octave is as wide as any other, on both sides of zero", () => {
  const bins = [[-4, -2, 1], [-tiny, tiny, 1], [1, 2, 1], [2, 4, 1]];
  const axis = axisOf(bins, []);
  const widths = [bins[0], bins[2], bins[3]].map((bin) => spanOf(axis, bin)).map(([from, to]) => to - from);
  assert.deepEqual(widths, [1, 1, 1]);
  assert.deepEqual(spanOf(axis, bins[1]), [-0.5, 0.5]);
  assert.deepEqual([axis.from, axis.to], [-2.5, 2.5]);
});

test("the axis begins at zero where nothing is negative", () => {
  const axis = axisOf([[-tiny, tiny, 5], [1, 1.25, 2]], [1.2]);
  assert.equal(axis.from, -0.5);
  assert.ok(axis.place(1.2) > axis.place(1) && axis.place(1.2) < axis.to);
});

test("bins without a bound stand at the ends", () => {
  const bins = [[null, -65536, 1], [65536, null, 1]];
  const axis = axisOf(bins, []);
  assert.deepEqual(bins.map((bin) => spanOf(axis, bin)), [[-0.75, -0.5], [0.5, 0.75]]);
});

test("only the bin around zero is around zero", () => {
  assert.ok(aroundZero([-tiny, tiny, 1]));
  assert.ok(!aroundZero([tiny, 1.25 * tiny, 1]));
  assert.ok(!aroundZero([null, -1, 1]));
});

test("ticks are round, ascending, apart, and hold zero", () => {
  const axis = axisOf([[-8, -6, 1], [0.5, 12, 3]], []);
  const ticks = ticksOf(axis, 0.9);
  assert.ok(ticks.includes(0) && ticks.includes(10) && ticks.includes(-5));
  const places = ticks.map(axis.place);
  for (let k = 1; k < places.length; k++) assert.ok(places[k] - places[k - 1] >= 0.9, String(ticks));
});

test("a unit that is always zero has an axis", () => {
  const axis = axisOf([[-tiny, tiny, 400]], [0]);
  assert.deepEqual([axis.from, axis.to], [-0.5, 0.5]);
  assert.deepEqual(ticksOf(axis, 0.1), [0]);
});
