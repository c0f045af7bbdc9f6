// Cells of what a person types, equal to Python's: numbers as they are, levels by their place, dates in seconds, NaN where
// a value is missing.
import type { Column } from "../contract";
import { crc32 } from "./crc32";
import { formatted, iso, unreadable } from "./dates";

/** A sentence for the person: which column, what is wrong with what was typed, and what would be right. */
export class CellError extends Error {
  constructor(
    readonly column: string,
    reason: string,
    remedy: string,
  ) {
    super(`column '${column}' ${reason}; ${remedy}`);
  }
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
/** Squares of greater numbers are infinite; Python refuses them too. */
const GREATEST = 1e150;
const SHOWN = 40;

/** One cell. null is a missing value; so is empty text, unless empty text is one of the levels. */
export function encode(column: Column, text: string | null): number {
  if (text === null) return NaN;
  switch (column.kind) {
    case "number":
    case "count":
      return number(column, text.trim());
    case "date":
      return date(column, text.trim());
    case "hashed":
      return text === "" ? NaN : crc32(text) % column.buckets;
    default:
      return level(column, text);
  }
}

function quoted(text: string): string {
  return `'${text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text}'`;
}

function number(column: Column, text: string): number {
  if (text === "" || /^[+-]?nan$/i.test(text)) return NaN;
  const comma = /^[+-]?\d+,\d+$/.test(text) ? `write ${text.replace(",", ".")}` : "";
  if (/^[+-]?inf(inity)?$/i.test(text)) {
    throw new CellError(column.name, "is infinite", "write less than 1e150, or leave it empty where it is missing");
  }
  if (!NUMBER.test(text)) {
    const remedy = comma || "write a number like 12.5, or leave it empty where it is missing";
    throw new CellError(column.name, `holds numbers, and ${quoted(text)} is none`, remedy);
  }
  const value = Number(text);
  if (Math.abs(value) > GREATEST) throw new CellError(column.name, `is ${text}`, "write less than 1e150");
  if (column.kind === "count" && (value < 0 || !Number.isInteger(value))) {
    throw new CellError(column.name, `counts, but holds ${text}`, "write a whole number of 0 or more");
  }
  return value;
}

function level(column: Column, text: string): number {
  const exact = column.levels.findIndex((each) => each === text);
  if (exact >= 0) return exact;
  const plain = text.trim();
  if (text === "" || (plain === "" && column.levels.some((each) => typeof each !== "string"))) return NaN;
  if (column.levels.some((each) => typeof each === "boolean")) return truth(column, plain);
  if (NUMBER.test(plain)) {
    const found = column.levels.findIndex((each) => each === Number(plain));
    if (found >= 0) return found;
  } else if (/^nan$/i.test(plain) && column.levels.some((each) => typeof each === "number")) {
    return NaN;
  }
  return column.unseen;
}

function truth(column: Column, text: string): number {
  const word = text.toLowerCase();
  // Python takes 1 for true and 0 for false, and other numbers for levels that it has not seen.
  const known: Record<string, boolean> = { true: true, false: false };
  const value = NUMBER.test(text) ? ({ 0: false, 1: true } as Record<number, boolean>)[Number(text)] : known[word];
  if (value === undefined && !NUMBER.test(text)) {
    const reason = `holds truth values, and ${quoted(text)} is none`;
    throw new CellError(column.name, reason, "write true or false, or leave it empty where it is missing");
  }
  const found = column.levels.findIndex((each) => each === value);
  return found < 0 ? column.unseen : found;
}

function date(column: Column, text: string): number {
  if (text === "") return NaN;
  const unknown = column.format === "" ? "" : unreadable(column.format);
  if (unknown !== "") {
    const reason = `has dates of the form ${quoted(column.format)}, and this page cannot read ${unknown}`;
    throw new CellError(column.name, reason, "score this row in Python, or keep the date as it is");
  }
  const found = column.format === "" ? iso(text) : formatted(text, column.format);
  if (found !== null) return found;
  const remedy =
    column.format === "" ? "write it like 2024-12-31 or 2024-12-31 23:59:59" : `write it like ${example(column.format)}`;
  throw new CellError(column.name, `holds dates, and ${quoted(text)} is none`, remedy);
}

const EXAMPLES: Record<string, string> = {
  d: "31", m: "12", Y: "2024", y: "24", H: "23", I: "11", M: "59", S: "58", f: "5", j: "366",
  b: "Dec", B: "December", a: "Tue", A: "Tuesday", p: "PM", "%": "%",
}; // prettier-ignore

/** The last day of 2024 in a format, so that day and month are told apart. */
export function example(format: string): string {
  return format.replace(/%(.)/gs, (whole, letter: string) => EXAMPLES[letter] ?? whole);
}

/** A row of text, a value per column; errors are collected, so that all of them can be mended at once. */
export function encodeRow(columns: Column[], texts: readonly (string | null)[]): { cells: Float64Array; errors: string[] } {
  if (texts.length !== columns.length) {
    const remedy = "give one value for each, and leave values that are missing empty";
    return { cells: new Float64Array(0), errors: [`these are ${texts.length} values, and rows have ${columns.length}; ${remedy}`] };
  }
  const errors: string[] = [];
  const cells = Float64Array.from(columns, (column, j) => {
    try {
      return encode(column, texts[j] as string | null);
    } catch (error) {
      if (!(error instanceof CellError)) throw error;
      errors.push(error.message);
      return NaN;
    }
  });
  return { cells, errors };
}
