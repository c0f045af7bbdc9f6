import { expect, test } from "vitest";
import { aligned, listedRows, wrong } from "../src/lib/lists";

const found = { predicted: [0, 1, 1], confidence: [0.9, 0.6, 0.7], truth: Int32Array.of(0, 0, -1), classes: true };

test("labels of the data are counted as the model's classes", () => {
  expect(aligned([0, 1, -1], ["b", "x"], ["a", "b"])).toEqual(Int32Array.of(1, -1, -1));
});

test("rows by how sure the model is, and wrong ones", () => {
  expect(listedRows(found, "sure")).toEqual([0, 2, 1]);
  expect(listedRows(found, "unsure")).toEqual([1, 2, 0]);
  expect(listedRows(found, "wrong")).toEqual([1]);
  expect([0, 1, 2].map((row) => wrong(found, row))).toEqual([false, true, false]);
});

test("numbers by their size, and by how far they are off", () => {
  const numbers = { predicted: [1, 5, 3], confidence: null, truth: [1.5, 5, NaN], classes: false };
  expect(listedRows(numbers, "sure")).toEqual([1, 2, 0]);
  expect(listedRows(numbers, "wrong")).toEqual([0, 1]);
});
