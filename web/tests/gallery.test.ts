import { expect, test } from "vitest";
import type { Concept } from "../src/contract";
import { histogram, matches, sorted, unitOf } from "../src/lib/gallery";
import { fault, listed } from "../src/lib/names";

const concept = (unit: number, more: Partial<Concept> = {}): Concept => ({
  unit, name: "", rate: 0.1 * unit, quantiles: [], bands: [], contrast: [], labels: [], nearest: [], flags: [], stability: null, sentence: "", ...more,
}); // prettier-ignore
const label = { label: "eight", lift: 4, low: 3, high: 5, precision: 0.5, recall: 0.5 };

test("concepts are sorted, those without an answer last", () => {
  const all = [concept(0, { labels: [label] }), concept(1, { stability: 0.5 }), concept(2), concept(10)];
  const names: Record<number, string> = { 2: "Zebra", 10: "ant" };
  const order = (by: Parameters<typeof sorted>[1]): number[] =>
    sorted(all, by, (unit) => names[unit] ?? `unit ${unit}`, (unit) => unit in names, (c) => -c.unit).map((c) => c.unit); // prettier-ignore
  expect(order("rate")).toEqual([10, 2, 1, 0]);
  expect(order("unit")).toEqual([0, 1, 2, 10]);
  expect(order("name")).toEqual([10, 2, 0, 1]);
  expect(order("lift")).toEqual([0, 1, 2, 10]);
  expect(order("stability")).toEqual([1, 0, 2, 10]);
  expect(order("effect")).toEqual([0, 1, 2, 10]);
});

test("a search looks at numbers, names, labels and flags", () => {
  const found = concept(7, { labels: [label], flags: ["duplicate of 3"] });
  for (const typed of ["", "7", "LOOP", "eigh", "dupl"]) expect(matches(found, "loop", typed)).toBe(true);
  expect(matches(found, "loop", "<b>")).toBe(false);
});

test("a histogram counts zeros apart where they are many", () => {
  expect(histogram([0, 0, 1, 2, 4], 4)).toEqual({ low: 0, high: 4, counts: [0, 1, 1, 1], zeros: 2 });
  expect(histogram([5, 5], 2).counts).toEqual([0, 0]);
});

test("addresses of units", () => {
  expect(unitOf("#unit-7")).toBe(7);
  expect(unitOf("#unit-x")).toBeNull();
  expect(unitOf("#concepts")).toBeNull();
});

test("names are one visible line that no other unit has", () => {
  const names = { 1: "loop", 2: "" };
  expect(fault("stroke", 2, names)).toBe("");
  expect(fault("loop", 1, names)).toBe("");
  expect(fault("", 2, names)).toBe("");
  expect(fault(" loop ", 2, names)).toContain("Unit 1 is called loop already");
  expect(fault("x".repeat(61), 2, names)).toContain("60");
  expect(fault("a\u202eb", 2, names)).toContain("can be seen");
  expect(listed({ 3: "c", 1: "a", 2: "" })).toEqual({ 1: "a", 3: "c" });
});
