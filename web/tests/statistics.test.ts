import { expect, test } from "vitest";
import { below, histogram, quantile, sorted, ticks } from "../src/lib/statistics";

test("quantiles lie between neighbours, and what is no number is left out", () => {
  const ascending = sorted([3, NaN, 1, 2, Infinity]);
  expect([...ascending]).toEqual([1, 2, 3]);
  expect(quantile(ascending, 0.25)).toBe(1.5);
  expect(quantile([], 0.5)).toBeNaN();
});

test("a histogram counts every number once, and gathers a long tail", () => {
  const values = [...Array.from({ length: 1000 }, (_, i) => i / 1000), 1000];
  const found = histogram(values, 10);
  expect(found.counts.reduce((a, b) => a + b, 0)).toBe(1001);
  expect(found.beyond).toBe(1);
  expect(found.edges.at(-1)).toBeLessThan(2);
  expect(histogram([], 4).counts).toEqual([0, 0, 0, 0]);
  expect(histogram([5, 5], 4).counts).toEqual([2, 0, 0, 0]);
});

test("ticks are round and within the range", () => {
  expect(ticks(0, 1, 4)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticks(-0.5, 1, 2).map(Object.is.bind(null, -0))).not.toContain(true);
  expect(ticks(-0.3, 0.31, 3)).toEqual([-0.2, 0, 0.2]);
  expect(ticks(2, 2, 5)).toEqual([2]);
});

test("the share below a number", () => {
  expect(below([1, 2, 3, 4], 3)).toBe(0.5);
  expect(below([], 3)).toBeNaN();
});
