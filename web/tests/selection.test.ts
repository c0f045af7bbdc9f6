import { expect, test } from "vitest";
import { csv } from "../src/lib/csv";
import { distinguish, means } from "../src/lib/distinguish";
import { central, combined, inside, matchingRows, medoid } from "../src/lib/selection";

test("conditions; what is missing is neither equal nor other", () => {
  const values = [1, 2, NaN, 3];
  expect(matchingRows(values, "between", 3, 2)).toEqual([1, 3]);
  expect(matchingRows(values, "is not", 2, 2)).toEqual([0, 3]);
  expect(matchingRows(values, "missing", 0, 0)).toEqual([2]);
});

test("selections combine without repetition, in order", () => {
  expect(combined([4, 2], [1, 2], "add")).toEqual([1, 2, 4]);
  expect(combined([4, 2], [1, 2], "narrow")).toEqual([2]);
  expect(combined([4, 2], [1], "replace")).toEqual([1]);
});

test("points within a polygon", () => {
  const corner = [0, 0, 2, 0, 0, 2];
  expect(inside(corner, 0.5, 0.5)).toBe(true);
  expect(inside(corner, 1.5, 1.5)).toBe(false);
});

test("prototypes are near the mean and near the others", () => {
  const codes = [0, 0, 1, 0, 9, 9, 0.4, 0];
  expect(central(codes, 2, [0, 1, 3], 2)).toEqual([3, 0]);
  expect(medoid(codes, 2, [0, 1, 3])).toBe(3);
  expect(medoid(codes, 2, [])).toBe(-1);
});

test("numbers are told apart by means over the deviation within groups, levels by shares", async () => {
  // Columns: a number, a level.
  const values = [10, 0, 12, 0, 0, 1, 2, 1];
  const found = await distinguish(values, 2, Uint8Array.of(1, 1, 0, 0), [0, 2]);
  expect(found.map(({ place, level }) => [place, level])).toEqual([[1, 0], [1, 1], [0, -1]]);
  expect(found[0]?.size).toBe(Infinity);
  expect(found[2]).toMatchObject({ within: 11, elsewhere: 1, size: 10 });
});

test("equal groups, constants and missing cells tell nothing", async () => {
  const values = [5, NaN, 5, 1, 5, NaN, 5, 2];
  expect(await distinguish(values, 2, Uint8Array.of(1, 0, 1, 0), [0, 0])).toEqual([]);
});

test("large offsets lose no digits", async () => {
  const values = [1.7e9 + 1, 1.7e9 + 3, 1.7e9 - 1, 1.7e9 - 3];
  const [one] = await distinguish(values, 1, Uint8Array.of(1, 1, 0, 0), [0]);
  expect(one?.size).toBeCloseTo(4, 6);
});

test("means of both groups", () => {
  expect(means([1, 2, 3, 4, 10, 10], 2, Uint8Array.of(1, 1, 0)).map((mean) => [...mean])).toEqual([[2, 3], [10, 10]]);
});

test("csv quotes what would be read otherwise", () => {
  const rows = [[1, "line\nline"], [-2, "=1"]];
  expect([...csv(["row", "a,b"], rows)].join("")).toBe('row,"a,b"\r\n1,"line\nline"\r\n-2,\'=1\r\n');
});
