import { expect, test } from "vitest";
import { cellsOf } from "../src/lib/picture";

const bytes = Uint8ClampedArray.of(255, 0, 0, 255, 0, 0, 0, 255, 10, 10, 10, 0, 255, 255, 255, 255);

test("grey pictures lie in the range of the data, and can be inverted", () => {
  const frame = { shape: [1, 2, 2], low: 0, high: 16 };
  expect(Array.from(cellsOf(bytes, frame, false)).map((v) => Math.round(1000 * v) / 1000)).toEqual([4.784, 0, 16, 16]);
  expect(cellsOf(bytes, frame, true)[1]).toBe(16);
});

test("colours become channels, one after another", () => {
  const found = cellsOf(bytes, { shape: [3, 2, 2], low: -1, high: 1 }, false);
  expect(Array.from(found)).toEqual([1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1]);
});
