// How a cell reads: the one place where the numbers of graphs become the words of the data's owner.
import type { Column, Data } from "../contract";

export type Cells = Float64Array | Float32Array | Int32Array | number[];

export const MISSING = "missing";
export const UNSEEN = "(another level)";
const DAY = 86_400;
const MONTHS = "January February March April May June July August September October November December".split(" ");
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

/** A number for people, with about so many digits that say something: 12,345 / 3.14 / 0.00021 / 1.2e-9. */
export function short(value: number | null, digits = 3): string {
  if (value === null || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-4 || size >= 1e9) return value.toExponential(digits - 1).replace("-", "−").replace("e+", "e");
  const whole = size >= 10 ** (digits - 1);
  const shape = whole ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: digits };
  return value.toLocaleString("en-US", shape).replace("-", "−");
}

/** A share from 0 to 1 as percent. */
export function percent(share: number | null): string {
  if (share === null || Number.isNaN(share)) return "–";
  const size = Math.abs(share) * 100;
  const digits = size === 0 || size >= 10 ? 0 : size >= 1 ? 1 : 2;
  return size !== 0 && size < 0.01 ? "<0.01 %" : `${(share * 100).toFixed(digits).replace("-", "−")} %`;
}

const two = (n: number): string => String(n).padStart(2, "0");

function coded(code: string, date: Date): string {
  const year = date.getUTCFullYear();
  const known: Record<string, string> = {
    Y: String(year).padStart(4, "0"),
    y: two(year % 100),
    m: two(date.getUTCMonth() + 1),
    d: two(date.getUTCDate()),
    H: two(date.getUTCHours()),
    I: two(((date.getUTCHours() + 11) % 12) + 1),
    M: two(date.getUTCMinutes()),
    S: two(date.getUTCSeconds()),
    f: String(date.getUTCMilliseconds() * 1000).padStart(6, "0"),
    p: date.getUTCHours() < 12 ? "AM" : "PM",
    B: MONTHS[date.getUTCMonth()] as string,
    b: (MONTHS[date.getUTCMonth()] as string).slice(0, 3),
    A: DAYS[date.getUTCDay()] as string,
    a: (DAYS[date.getUTCDay()] as string).slice(0, 3),
    j: String(Math.floor((date.getTime() - Date.UTC(year, 0, 1)) / (DAY * 1000)) + 1).padStart(3, "0"),
    z: "+0000",
    Z: "UTC",
    "%": "%",
  };
  return known[code] ?? `%${code}`;
}

/** A moment as text, in the format that the data has it in, else as far as its step says something. */
export function dateText(seconds: number, step: number, format: string): string {
  const fine = step > 0 ? Math.round(seconds / step) * step : seconds;
  const date = new Date(Math.round(fine * 1000));
  if (Number.isNaN(date.getTime())) return `${seconds} s`; // beyond what calendars hold
  if (format) return format.replace(/%(.)/g, (_, code: string) => coded(code, date));
  const iso = date.toISOString();
  const [day, time] = [iso.slice(0, iso.indexOf("T")), iso.slice(iso.indexOf("T") + 1)];
  if (step >= DAY && step % DAY === 0) return day;
  return `${day} ${step >= 1 || date.getUTCMilliseconds() === 0 ? time.slice(0, 8) : time.slice(0, 12)}`;
}

/** A number of a column: whole where all are, else with decimals that tell a thousandth of its range. */
function numberText(column: Column, value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (column.step >= 1 || column.kind === "count") return String(Math.round(value));
  const range = column.low !== null && column.high !== null ? column.high - column.low : Math.abs(value);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || (size < 1e-4 && range < 1e-2))) return value.toExponential(3);
  if (!(range > 0)) return String(Number(value.toPrecision(6)));
  const decimals = Math.min(10, Math.max(0, 3 - Math.ceil(Math.log10(range))));
  return value.toFixed(decimals).replace(/^-(0(\.0*)?)$/, "$1");
}

function levelText(column: Column, value: number): string {
  const at = Math.round(value);
  const level = column.levels[at];
  if (level !== undefined) return String(level) || "(empty)";
  return column.kind === "hashed" ? `bucket ${at}` : UNSEEN;
}

/** One cell in its column's own words. */
export function cellText(column: Column, value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return MISSING;
  if (column.kind === "date") return dateText(value, column.step, column.format);
  if (isLevel(column)) return levelText(column, value);
  return numberText(column, value);
}

/** Whether cells are places among levels rather than numbers. */
export function isLevel(column: Column): boolean {
  return column.kind === "hashed" || (column.levels.length > 0 && column.kind !== "number" && column.kind !== "count");
}

/** Which row of the data a row of the page is, for people: from 1, as the shell and spreadsheets count. */
export function rowNumber(numbers: ArrayLike<number> | null, row: number): number {
  return (numbers?.[row] ?? row) + 1;
}

/** What a row of the page is called: by its number, and by its own name where it has one. */
export function rowTitle(data: Data, numbers: ArrayLike<number> | null, row: number): string {
  const [word, name] = [data.kind === "series" ? "moment" : "row", data.titles[row]];
  return `${word} ${rowNumber(numbers, row)}${name === undefined ? "" : ` (${name})`}`;
}
