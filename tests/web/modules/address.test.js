import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { parseAddress, printAddress } from "./address.js";

const vectors = JSON.parse(readFileSync(process.env.STRIATE_VECTORS, "utf-8"));

for (const { text, printed, ...parts } of vectors.valid) {
  test(`reads ${text}`, () => {
    assert.deepEqual(parseAddress(text), parts);
    assert.equal(printAddress(parts), printed ?? text);
  });
}

for (const text of vectors.invalid) {
  test(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseAddress(text), null));
}

test("a number that JavaScript cannot hold is refused, not rounded", () => {
  assert.equal(parseAddress("conv1:9007199254740993"), null);
});
