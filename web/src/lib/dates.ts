// Text to seconds since 1970-01-01 UTC, as Python reads it: ISO 8601 by Arrow's rules, other formats by strptime's.

const MONTHS = "january february march april may june july august september october november december".split(" ");
const DAYS = "monday tuesday wednesday thursday friday saturday sunday".split(" ");
const short = (names: string[]): string => names.map((name) => name.slice(0, 3)).join("|");
const ISO = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?)?$/;

/** What a directive of strptime matches; the same alternatives in the same order as Python's, which are not all greedy. */
const DIRECTIVES: Record<string, string> = {
  d: "(3[0-1]|[1-2]\\d|0[1-9]|[1-9]| [1-9])",
  m: "(1[0-2]|0[1-9]|[1-9])",
  Y: "(\\d\\d\\d\\d)",
  y: "(\\d\\d)",
  H: "(2[0-3]|[0-1]\\d|\\d)",
  I: "(1[0-2]|0[1-9]|[1-9])",
  M: "([0-5]\\d|\\d)",
  S: "(6[0-1]|[0-5]\\d|\\d)",
  f: "(\\d{1,6})",
  j: "(36[0-6]|3[0-5]\\d|[1-2]\\d\\d|0[1-9]\\d|00[1-9]|[1-9]\\d|0[1-9]|[1-9])",
  b: `(${short(MONTHS)})`,
  B: `(${[...MONTHS].sort((a, b) => b.length - a.length).join("|")})`,
  a: `(${short(DAYS)})`,
  A: `(${[...DAYS].sort((a, b) => b.length - a.length).join("|")})`,
  p: "(am|pm)",
};

/** The days from 1970-01-01 to a date, null where the calendar has no such one. Years below 100 are what they say. */
function day(year: number, month: number, day: number): number | null {
  const made = new Date(0);
  made.setUTCFullYear(year, month - 1, day);
  if (made.getUTCFullYear() !== year || made.getUTCMonth() !== month - 1 || made.getUTCDate() !== day) return null;
  return made.getTime() / 86_400_000;
}

/** Seconds of an ISO date or time without a zone; null where the text is none. */
export function iso(text: string): number | null {
  const found = ISO.exec(text);
  if (found === null) return null;
  const [year, month, date, hour, minute, second] = found.slice(1, 7).map((part) => Number(part ?? 0)) as number[];
  const days = day(year as number, month as number, date as number);
  if (days === null || (hour as number) > 23 || (minute as number) > 59 || (second as number) > 59) return null;
  const whole = days * 86_400 + (hour as number) * 3600 + (minute as number) * 60 + (second as number);
  return whole + Number((found[7] ?? "0").padEnd(6, "0")) / 1e6;
}

/** The first directive of a format that this page cannot read; empty where it can read all. */
export function unreadable(format: string): string {
  for (const [directive, letter] of format.matchAll(/%(.?)/gs)) {
    if (letter !== "%" && !(letter as string in DIRECTIVES)) return directive;
  }
  return "";
}

interface Format {
  pattern: RegExp;
  letters: string[];
}

function compiled(format: string): Format {
  const letters: string[] = [];
  const pattern = format
    .split(/(%.|\s+)/s)
    .map((part) => {
      if (part === "%%") return "%";
      if (/^\s+$/.test(part)) return "\\s+";
      if (!part.startsWith("%")) return part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
      letters.push(part.slice(1));
      return DIRECTIVES[part.slice(1)] as string;
    })
    .join("");
  return { pattern: new RegExp(pattern, "iy"), letters };
}

/** Seconds of text in a format of strptime, which must be readable; null where the text is none. */
export function formatted(text: string, format: string): number | null {
  const { pattern, letters } = compiled(format);
  const found = pattern.exec(text);
  // As in Python, the text is read from its start, and nothing may be left over.
  if (found === null || found[0].length !== text.length) return null;
  const parts: Record<string, string> = {};
  letters.forEach((letter, i) => (parts[letter] = (found[i + 1] as string).toLowerCase()));
  return seconds(parts);
}

function seconds(parts: Record<string, string>): number | null {
  const has = (letter: string, otherwise: number): number => Number(parts[letter] ?? otherwise);
  const short = has("y", 0);
  const year = "y" in parts ? short + (short <= 68 ? 2000 : 1900) : has("Y", 1900);
  const days = "j" in parts ? ofYear(year, has("j", 1)) : day(year, month(parts), has("d", 1));
  if (days === null || year < 1 || has("S", 0) > 59) return null;
  const hour = "I" in parts ? (has("I", 12) % 12) + (parts["p"] === "pm" ? 12 : 0) : has("H", 0);
  const whole = days * 86_400 + hour * 3600 + has("M", 0) * 60 + has("S", 0);
  return whole + Number((parts["f"] ?? "0").padEnd(6, "0")) / 1e6;
}

function month(parts: Record<string, string>): number {
  const name = parts["B"] ?? parts["b"];
  return name === undefined ? Number(parts["m"] ?? 1) : MONTHS.findIndex((each) => each.startsWith(name)) + 1;
}

/** A day of the year counts on, as Python's does, even the 366th of a year that has 365. */
function ofYear(year: number, number: number): number | null {
  const first = day(year, 1, 1);
  return first === null ? null : first + number - 1;
}
