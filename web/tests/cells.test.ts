import { expect, test } from "vitest";
import type { Column, Data } from "../src/contract";
import { cellText, dateText, percent, rowNumber, rowTitle, short } from "../src/lib/cells";

const column = (more: Partial<Column>): Column => ({
  name: "x",
  kind: "number",
  levels: [],
  low: 0,
  high: 100,
  step: 0,
  format: "",
  buckets: 0,
  unseen: 0,
  ...more,
});

test("numbers have the digits that tell a thousandth of their column's range", () => {
  expect(cellText(column({}), 12.3456)).toBe("12.3");
  expect(cellText(column({ high: 0.01 }), 0.0012345)).toBe("0.00123");
  expect(cellText(column({ step: 1 }), 2024.2)).toBe("2024");
  expect(cellText(column({}), -0.0001)).toBe("0.0");
  expect(cellText(column({ low: null, high: null }), 0)).toBe("0");
});

test("levels are their text, also where they hold markup or nothing", () => {
  const city = column({ kind: "category", levels: ["<b>Wien</b>", "", "שלום"] });
  expect([0, 1, 2, 3, NaN].map((cell) => cellText(city, cell))).toEqual(["<b>Wien</b>", "(empty)", "שלום", "(another level)", "missing"]);
  expect(cellText(column({ kind: "binary", levels: [false, true] }), 1)).toBe("true");
  expect(cellText(column({ kind: "hashed" }), 7)).toBe("bucket 7");
});

test("dates are read in their own format, or as far as they say something", () => {
  const at = Date.UTC(2024, 1, 29, 13, 5, 9) / 1000;
  expect(dateText(Date.UTC(2024, 1, 29) / 1000, 86400, "")).toBe("2024-02-29");
  expect(dateText(at, 1, "")).toBe("2024-02-29 13:05:09");
  expect(dateText(at + 0.25, 1e-6, "")).toBe("2024-02-29 13:05:09.250");
  expect(dateText(at, 1, "%d.%m.%y %I:%M %p, day %j, 100%%")).toBe("29.02.24 01:05 PM, day 060, 100%");
  expect(dateText(-1e9, 86400, "")).toBe("1938-04-25");
  expect(dateText(1e300, 0, "")).toBe("1e+300 s");
});

test("short numbers", () => {
  expect([0, 3.14159, 12345.6, 0.00021, 1.2e-9, -7, NaN, null, Infinity].map((value) => short(value))).toEqual([
    "0", "3.14", "12,346", "0.00021", "1.20e−9", "−7", "–", "–", "∞",
  ]);
  expect([0, 0.00001, 0.012, 0.5].map(percent)).toEqual(["0 %", "<0.01 %", "1.2 %", "50 %"]);
});

test("rows count from 1, as in the shell and in spreadsheets", () => {
  const data = { kind: "table", titles: [] as string[] } as Data;
  expect([rowNumber(null, 0), rowNumber([7, 3], 1)]).toEqual([1, 4]);
  expect([rowTitle(data, [7, 3], 0), rowTitle({ ...data, kind: "series" }, null, 2)]).toEqual(["row 8", "moment 3"]);
  expect(rowTitle({ ...data, titles: ["a.png", "b.png"] }, [7, 3], 1)).toBe("row 4 (b.png)");
});
