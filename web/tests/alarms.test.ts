import { expect, test, vi } from "vitest";
import type { Column } from "../src/contract";
import { above, expected, pValue, ranked, runs } from "../src/lib/alarms";
import { Newest } from "../src/lib/newest";
import { reasons } from "../src/lib/reasons";

test("rows above a threshold, and the false alarms to expect", () => {
  expect(above([1, 2, 2, 3], 2)).toBe(1);
  expect(above([1, 2, 2, 3], 0)).toBe(4);
  expect(above([], 1)).toBe(0);
  expect(expected([1, 5, 9, NaN], [0, 1, 2, 6], 4)).toEqual({ rows: 2, rate: 0.25, alarms: 1, fewer: false });
  expect(expected([1, 5], [0, 1], 8)).toEqual({ rows: 0, rate: 0, alarms: 0, fewer: true });
  expect(expected([1, 5], [], 8).rate).toBeNaN();
});

test("p-values are Python's", () => {
  expect(pValue(2, [1, 2, 2, 3])).toBe(4 / 5);
  expect(pValue(9, [1, 2, 2, 3])).toBe(1 / 5);
  expect(pValue(0, [])).toBe(1);
});

test("rows in order, and runs of moments", () => {
  expect(ranked([1, NaN, 3, 1])).toEqual([2, 0, 3, 1]);
  expect(runs([0, 5, 5, 0, 5], 1)).toEqual([[1, 2], [4, 4]]); // prettier-ignore
});

test("reasons are in the column's own words", () => {
  const column = { name: "age", kind: "number", levels: [], low: 0, high: 100, step: 1, format: "", buckets: 0, unseen: 0 } satisfies Column;
  const sex = { ...column, name: "sex", kind: "binary", levels: ["f", "m"] } satisfies Column;
  const told = { score: 10, contributions: [6.3, 0.7], values: [93, 0], expected: [41, 0], low: [22, NaN], high: [60, NaN] };
  expect(reasons([column, sex], told)).toEqual([
    "age is 93, expected 41 (22 to 60): 63 % of the score",
    "sex is f, the likeliest of several: 7 % of the score",
  ]);
});

test("of questions that wait only the newest is asked", async () => {
  const asked: number[] = [];
  const told = vi.fn();
  const newest = new Newest<number, number>(
    async (q) => {
      asked.push(q);
      await new Promise((done) => setTimeout(done, 1));
      if (q === 3) throw new Error("three");
      return q;
    },
    told,
    told,
  );
  for (const q of [1, 2, 3]) newest.put(q);
  await new Promise((done) => setTimeout(done, 20));
  newest.put(4);
  await new Promise((done) => setTimeout(done, 20));
  expect(asked).toEqual([1, 3, 4]);
  expect(told.mock.calls.map(([answer]) => String(answer))).toEqual(["1", "Error: three", "4"]);
});
