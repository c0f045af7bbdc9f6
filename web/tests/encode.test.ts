import { describe, expect, test } from "vitest";
import type { Column } from "../src/contract";
import { crc32 } from "../src/lib/crc32";
import { field, values } from "../src/lib/csv";
import { formatted, iso } from "../src/lib/dates";
import { encode, encodeRow } from "../src/lib/encode";

const column = (kind: string, more: Partial<Column> = {}): Column => ({
  name: "x", kind, levels: [], low: null, high: null, step: 0, format: "", buckets: 0, unseen: more.levels?.length ?? 0, ...more,
}); // prettier-ignore

describe("numbers", () => {
  test("are read as Python reads them", () => {
    for (const [text, value] of [["1", 1], [" -2.5e3 ", -2500], [".5", 0.5], ["5.", 5], ["0.1", 0.1]] as const) {
      expect(encode(column("number"), text)).toBe(value);
    }
  });
  test("are missing where nothing is written", () => {
    for (const text of [null, "", "  ", "nan", "NaN"]) expect(encode(column("number"), text)).toBeNaN();
  });
  test("are refused with column, reason and remedy", () => {
    expect(() => encode(column("number"), "1,5")).toThrow("column 'x' holds numbers, and '1,5' is none; write 1.5");
    expect(() => encode(column("number"), "0x10")).toThrow("write a number like 12.5");
    expect(() => encode(column("number"), "inf")).toThrow("is infinite");
    expect(() => encode(column("number"), "1e151")).toThrow("less than 1e150");
    expect(() => encode(column("count"), "2.5")).toThrow("column 'x' counts, but holds 2.5; write a whole number");
    expect(() => encode(column("count"), "-1")).toThrow("counts");
    expect(encode(column("count"), "3.0")).toBe(3);
  });
});

describe("levels", () => {
  test("are exact text, and anything else was never seen", () => {
    const colours = column("category", { levels: ["blue", "red"] });
    expect(["blue", "red", "Red", " red", "<script>"].map((text) => encode(colours, text))).toEqual([0, 1, 2, 2, 2]);
    expect(encode(colours, "")).toBeNaN();
    expect(colours.unseen).toBe(2);
  });
  test("may be empty text", () => {
    expect(encode(column("category", { levels: ["", "a"] }), "")).toBe(0);
    expect(encode(column("category", { levels: ["", "a"] }), null)).toBeNaN();
  });
  test("may be numbers", () => {
    const numbers = column("category", { levels: [1, 2.5] });
    expect(["1", "1.0", " 2.5 ", "3", "one"].map((text) => encode(numbers, text))).toEqual([0, 0, 1, 2, 2]);
    expect(encode(numbers, "nan")).toBeNaN();
  });
  test("may be truth values", () => {
    const truths = column("binary", { levels: [false, true] });
    expect(["true", "False", "1", "0", "2"].map((text) => encode(truths, text))).toEqual([1, 0, 1, 0, 2]);
    expect(() => encode(truths, "maybe")).toThrow("write true or false");
  });
  test("of a column without any were never seen", () => expect(encode(column("constant"), "a")).toBe(0));
});

test("hashed text goes to the bucket of its checksum", () => {
  expect(crc32("")).toBe(0);
  expect(crc32("hello")).toBe(907060870);
  expect(crc32("größe")).toBe(1540598153);
  expect(encode(column("hashed", { buckets: 64 }), "hello")).toBe(907060870 % 64);
});

describe("dates", () => {
  test("of ISO 8601 are as Arrow reads them", () => {
    expect(iso("2024-01-02")).toBe(1704153600);
    expect(iso("2024-01-02 03")).toBe(1704164400);
    expect(iso("2024-01-02T03:04")).toBe(1704164640);
    expect(iso("2024-01-02 03:04:05.123456")).toBe(1704164645 + 123456 / 1e6);
    expect(iso("0001-01-01")).toBe(-62135596800);
    expect(iso("1600-02-29")).toBe(-11670998400);
    const wrong = ["2024-1-2", "2024-02-30", "2024-01-02 24:00", "2024-01-02 03:04:60", "2024-01-02T03:04:05Z", "10000-01-01", "2024-01"];
    for (const text of wrong) expect(iso(text)).toBeNull();
  });
  test("of a format are as strptime reads them", () => {
    const noon = Date.UTC(2024, 11, 31, 12) / 1000;
    expect(formatted("31.12.2024 12:00", "%d.%m.%Y %H:%M")).toBe(noon);
    expect(formatted("1.2.24", "%d.%m.%y")).toBe(Date.UTC(2024, 1, 1) / 1000);
    expect(formatted("1.2.69", "%d.%m.%y")).toBe(Date.UTC(1969, 1, 1) / 1000);
    expect(formatted("dec 31 2024", "%b %d %Y")).toBe(noon - 43200);
    expect(formatted("31 May  2024", "%d %B %Y")).toBe(Date.UTC(2024, 4, 31) / 1000);
    expect(formatted("2024/366", "%Y/%j")).toBe(noon - 43200);
    expect(formatted("12:30 am", "%I:%M %p")).toBe(Date.UTC(1900, 0, 1, 0, 30) / 1000);
    expect(formatted("5.25", "%S.%f")).toBe(Date.UTC(1900, 0, 1, 0, 0, 5) / 1000 + 0.25);
    for (const text of ["31.2.2024", "1.1.2024 ", "x1.1.2024", "1.13.2024"]) expect(formatted(text, "%d.%m.%Y")).toBeNull();
  });
  test("are refused with an example", () => {
    expect(() => encode(column("date"), "31.12.2024")).toThrow("write it like 2024-12-31");
    expect(() => encode(column("date", { format: "%d.%m.%Y" }), "2024-12-31")).toThrow("write it like 31.12.2024");
    expect(() => encode(column("date", { format: "%d %z" }), "1 +0100")).toThrow("this page cannot read %z");
    expect(encode(column("date"), "")).toBeNaN();
  });
});

test("a row tells all its errors, or how many values it lacks", () => {
  const columns = [column("number", { name: "a" }), column("count", { name: "b" })];
  expect(encodeRow(columns, ["1", "2"]).cells).toEqual(Float64Array.of(1, 2));
  expect(encodeRow(columns, ["one", "2.5"]).errors).toHaveLength(2);
  expect(encodeRow(columns, ["1"]).errors[0]).toContain("these are 1 values, and rows have 2");
});

test("lines of values", () => {
  expect(values('1,"a, ""b""",,x')).toEqual(["1", 'a, "b"', "", "x"]);
  expect(values("1;2,5;3")).toEqual(["1", "2,5", "3"]);
  expect(values("1\t2")).toEqual(["1", "2"]);
  expect(['say "hi", you', "=1+1", "-1.5", "-x"].map(field)).toEqual(['"say ""hi"", you"', "'=1+1", "-1.5", "'-x"]);
});
