// The least change of concepts after which another class is predicted, as Python's counterfactual finds it: the sum of
// changes, each in standard deviations of its concept, none beyond the values that training rows have.
import { minimise } from "./linear";
import { argmax, contributions, sums, type Table } from "./outputs";

/** Ends of the values that concepts have, and their standard deviations. */
export interface Scale {
  low: readonly number[];
  high: readonly number[];
  spread: readonly number[];
}

export const MARGIN = 1e-3;
const TRIES = 8;

/** Changes of concepts after which `wanted` leads all classes by a margin; null where none within the scale does that. */
export function least(code: readonly number[], relevances: Table, wanted: number, margin: number, scale: Scale): number[] | null {
  const n = code.length;
  const own = relevances[wanted] as Float64Array;
  const rows: number[][] = [];
  const bounds: number[] = [];
  relevances.forEach((theta, c) => {
    if (c === wanted) return;
    const slope = code.map((_, i) => (own[i] as number) - (theta[i] as number));
    const gap = code.reduce((sum, h, i) => sum + h * (slope[i] as number), (own[n] as number) - (theta[n] as number));
    rows.push([...slope.map((s) => -s), ...slope]);
    bounds.push(gap - margin);
  });
  for (let j = 0; j < 2 * n; j++) {
    const [h, i] = [code[j % n] as number, j % n];
    const room = j < n ? (scale.high[i] as number) - h : h - (scale.low[i] as number);
    rows.push(Array.from({ length: 2 * n }, (_, k) => (k === j ? 1 : 0)));
    bounds.push(Math.max(room, 0));
  }
  const costs = Array.from({ length: 2 * n }, (_, j) => 1 / (scale.spread[j % n] as number));
  const found = minimise(costs, rows, bounds);
  return found && code.map((_, i) => (found[i] as number) - (found[n + i] as number));
}

export interface Change {
  code: number[];
  reached: boolean;
  cost: number;
}

/** The least change; where relevances follow the code (`anew`), what they promised is looked at and asked for again. */
export async function counterfactual(
  code: readonly number[],
  relevances: Table,
  wanted: number,
  scale: Scale,
  anew: ((code: number[]) => Promise<Table>) | null,
): Promise<Change> {
  let [theta, margin, after, reached] = [relevances, MARGIN, [...code], false];
  for (let k = 0; k < TRIES && !reached; k++) {
    const change = least(code, theta, wanted, margin, scale);
    after = code.map((h, i) => h + (change?.[i] ?? 0));
    const now = anew === null ? relevances : await anew(after);
    reached = argmax(sums(contributions(now, after))) === wanted;
    if (anew === null) break;
    [theta, margin] = [now, 2 * margin];
  }
  const cost = after.reduce((sum, h, i) => sum + Math.abs(h - (code[i] as number)) / (scale.spread[i] as number), 0);
  return { code: after, reached, cost };
}

export interface Move {
  concept: number;
  /** The value at which the classes tie. */
  value: number;
  cost: number;
  within: boolean;
}

/** For every concept the value at which two classes tie if only it is changed; the least change within the scale first. */
export function ties(code: readonly number[], relevances: Table, wanted: number, other: number, scale: Scale): Move[] {
  const [own, its] = [relevances[wanted] as Float64Array, relevances[other] as Float64Array];
  const gap = own.reduce((sum, t, i) => sum + (t - (its[i] as number)) * (i < code.length ? (code[i] as number) : 1), 0);
  const found: Move[] = [];
  code.forEach((h, concept) => {
    const slope = (own[concept] as number) - (its[concept] as number);
    if (Math.abs(slope) < 1e-12) return;
    const value = h - gap / slope;
    const within = value >= (scale.low[concept] as number) && value <= (scale.high[concept] as number);
    found.push({ concept, value, cost: Math.abs(value - h) / (scale.spread[concept] as number), within });
  });
  return found.sort((a, b) => Number(b.within) - Number(a.within) || a.cost - b.cost);
}
