import { expect, test } from "vitest";
import { counterfactual, least, ties } from "../src/lib/counter";
import { minimise } from "../src/lib/linear";
import { against, argmax, contributions, perClass, softmax, sums, table, told } from "../src/lib/outputs";

const theta = table([1, -1, 0.5, -1, 2, 0], 2);
const code = [2, 0.5];

test("contributions add up to logits, and differences of classes to their gap", () => {
  const found = contributions(theta, code);
  expect(sums(found)).toEqual([2, -1]);
  expect(against(found, 0, 1).reduce((a, b) => a + b)).toBe(3);
  expect(softmax([0, 0])).toEqual([0.5, 0.5]);
  expect(argmax([1, 3, 3])).toBe(1);
});

test("a single logit speaks for the second of two classes", () => {
  const both = perClass(table([1, -1, 0.5], 1), 2);
  expect(sums(contributions(both, code))).toEqual([0, 2]);
  expect(perClass(theta, 3)).toBe(theta);
});

test("bars add up to all parts, however few are shown", () => {
  const parts = Float64Array.of(3, -0.5, 1, 0.25, 0, 2);
  const bars = told(parts, 2);
  expect(bars.map((bar) => bar.concept)).toEqual([0, 2, -2, -1]);
  expect(bars.reduce((sum, bar) => sum + bar.adds, 0)).toBe(5.75);
  expect(told(Float64Array.of(0, 7), 5)).toEqual([{ concept: -1, adds: 7, count: 1 }]);
});

test("a linear programme is solved, or has no solution", () => {
  // x + y >= 2, x <= 1.5, at costs 1 and 3
  expect(minimise([1, 3], [[-1, -1], [1, 0]], [-2, 1.5])).toEqual([1.5, 0.5]); // prettier-ignore
  expect(minimise([1], [[-1], [1]], [-2, 1])).toBeNull();
  expect(minimise([1], [[-1]], [1])).toEqual([0]);
});

const scale = { low: [0, 0], high: [3, 3], spread: [1, 0.5] };

test("the least change that another class needs", () => {
  // The gap of class 1 is -3 = -2 h0 + 3 h1 - 0.5; per deviation h0 moves it by 2 and h1 by 1.5, so h0 moves.
  const change = least(code, theta, 1, 0, scale) as number[];
  expect(change[0]).toBeCloseTo(-1.5);
  expect(change[1]).toBeCloseTo(0);
  expect(least(code, theta, 1, 100, scale)).toBeNull();
});

test("a counterfactual is reached, or told to be out of reach", async () => {
  const found = await counterfactual(code, theta, 1, scale, null);
  expect(found.reached).toBe(true);
  expect(found.cost).toBeCloseTo(1.5, 2);
  const tight = { ...scale, low: [2, 0], high: [2, 1] };
  expect(await counterfactual(code, theta, 1, tight, null)).toEqual({ code, reached: false, cost: 0 });
});

test("relevances that follow the code are looked at again", async () => {
  let asked = 0;
  const anew = (after: number[]): Promise<typeof theta> => {
    asked++;
    // Classes tie later than the relevances of the row promise.
    return Promise.resolve(table([1.2, -1, 0.5 + 0 * (after[0] as number), -1, 2, 0], 2));
  };
  const found = await counterfactual(code, theta, 1, scale, anew);
  expect(found.reached).toBe(true);
  expect(asked).toBeGreaterThan(1);
});

test("the value of one concept at which two classes tie", () => {
  const moves = ties(code, theta, 1, 0, { ...scale, high: [3, 1] });
  expect(moves[0]).toMatchObject({ concept: 0, within: true });
  expect(moves[0]?.value).toBeCloseTo(0.5);
  expect(moves[1]).toMatchObject({ concept: 1, value: 1.5, within: false });
});
