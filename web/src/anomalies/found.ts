// What is known of scores and reasons, from arrays beside the page.
import type { Anomalies } from "../contract";
import { row as rowOf, type Numbers } from "../lib/arrays";
import { pValue, ranked } from "../lib/alarms";
import { rowNumber } from "../lib/cells";
import type { Context } from "../lib/context";
import { csv } from "../lib/csv";
import { reasons, type Explained } from "../lib/reasons";

export interface Found {
  score: ArrayLike<number>;
  p: ArrayLike<number>;
  /** Rows of the page, the strangest first. */
  order: number[];
  calibration: ArrayLike<number>;
  contributions: Numbers;
  expected: Numbers;
  low: Numbers | null;
  high: Numbers | null;
  neighbours: Numbers | null;
  cells: Numbers;
  numbers: Numbers;
  labels: ArrayLike<number> | null;
  /** Where the reasons of a row are, by row. */
  place: Map<number, number>;
}

export async function load(context: Context, section: Anomalies): Promise<Found> {
  const get = (packed: Parameters<typeof context.arrays.get>[0] | null): Promise<Numbers | null> => (packed ? context.arrays.get(packed) : Promise.resolve(null));
  const data = context.page.data;
  const [score, p, calibration, contributions, expected, cells, numbers] = (await Promise.all(
    [section.score, section.p_value, section.calibration, section.contributions, section.expected, data.cells, data.numbers].map(get),
  )) as [Numbers, Numbers, Numbers, Numbers, Numbers, Numbers, Numbers];
  const [low, high, neighbours, labels] = await Promise.all([section.low, section.high, section.neighbours, data.labels?.values ?? null].map(get));
  return {
    score: score.values,
    p: p.values,
    order: ranked(score.values),
    calibration: calibration.values,
    contributions,
    expected,
    low: low ?? null,
    high: high ?? null,
    neighbours: neighbours ?? null,
    cells,
    numbers,
    labels: labels?.values ?? null,
    place: new Map(section.rows.map((row, i) => [row, i])),
  };
}

/** The reasons that the page keeps of a row; null where it keeps none. */
export function kept(found: Found, row: number): Explained | null {
  const at = found.place.get(row);
  if (at === undefined) return null;
  return {
    score: found.score[row] as number,
    contributions: rowOf(found.contributions, at),
    values: rowOf(found.cells, row),
    expected: rowOf(found.expected, at),
    low: found.low && rowOf(found.low, at),
    high: found.high && rowOf(found.high, at),
  };
}

/** What a row is labelled, empty where that is not known. */
export function labelOf(context: Context, found: Found, row: number): string {
  const value = found.labels?.[row];
  const classes = context.page.data.labels?.classes ?? [];
  if (value === undefined || Number.isNaN(value)) return "";
  return classes.length > 0 ? (classes[value] ?? "") : String(value);
}

/** All rows with their scores, alarms at a threshold and reasons, the strangest first. */
export function table(context: Context, found: Found, threshold: number): Generator<string> {
  const { columns, titles } = context.page.data;
  const rows = found.order.map((row) => {
    const told = kept(found, row);
    const score = found.score[row] as number;
    return [rowNumber(found.numbers.values, row), ...titles.slice(row, row + 1), score, found.p[row] as number, score > threshold ? 1 : 0, told ? reasons(columns, told).join("; ") : ""];
  });
  return csv(["row", ...(titles.length > 0 ? ["name"] : []), "score", "p_value", "alarm", "reasons"], rows);
}

/** A p-value where the detector gives none. */
export function pOf(found: Found, score: number, p: number): number {
  return Number.isNaN(p) ? pValue(score, found.calibration) : p;
}
