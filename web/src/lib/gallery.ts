// The gallery of concepts: its orders, what a search finds, and a histogram of a concept's values.
import type { Concept } from "../contract";

export const ORDERS = {
  rate: "how often active",
  effect: "effect on the row",
  lift: "strongest label",
  stability: "stability",
  name: "name",
  unit: "number",
} as const;
export type Order = keyof typeof ORDERS;

type By = (concept: Concept) => number;

/** Concepts in an order; those that it says nothing of come last, and ties by number. */
export function sorted(concepts: readonly Concept[], by: Order, title: (unit: number) => string, named: (unit: number) => boolean, effect: By): Concept[] {
  if (by === "name") {
    const key = (c: Concept): string => title(c.unit).toLocaleLowerCase();
    return [...concepts].sort((a, b) => Number(named(b.unit)) - Number(named(a.unit)) || (named(a.unit) ? key(a).localeCompare(key(b)) : a.unit - b.unit));
  }
  const keys: Record<Exclude<Order, "name">, By> = {
    rate: (c) => c.rate,
    effect,
    lift: (c) => c.labels[0]?.lift ?? -Infinity,
    stability: (c) => c.stability ?? -Infinity,
    unit: (c) => -c.unit,
  };
  const key = keys[by];
  return [...concepts].sort((a, b) => difference(key(b), key(a)) || a.unit - b.unit);
}

function difference(a: number, b: number): number {
  return a === b ? 0 : a - b;
}

/** Whether a concept's number, name, labels or flags hold what was typed. */
export function matches(concept: Concept, title: string, typed: string): boolean {
  const wanted = typed.trim().toLocaleLowerCase();
  if (wanted === "" || String(concept.unit) === wanted) return true;
  return [title, ...concept.labels.map((label) => label.label), ...concept.flags].some((text) => text.toLocaleLowerCase().includes(wanted));
}

export interface Histogram {
  low: number;
  high: number;
  counts: number[];
  /** Rows in which the value is exactly 0, which would hide all others. */
  zeros: number;
}

export function histogram(values: ArrayLike<number>, bins: number): Histogram {
  let [low, high, zeros] = [Infinity, -Infinity, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value === 0) zeros++;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const counts = new Array<number>(bins).fill(0);
  // Zeros are counted apart where they are many; a code that is never sparse keeps them.
  const apart = zeros > values.length / 100 ? zeros : 0;
  for (let i = 0; i < values.length && high > low; i++) {
    const value = values[i] as number;
    if ((value === 0 && apart > 0) || Number.isNaN(value)) continue;
    const bin = Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins));
    counts[bin] = (counts[bin] as number) + 1;
  }
  return { low, high, counts, zeros: apart };
}

/** The unit that an address points at, as #unit-7; null for others. */
export function unitOf(hash: string): number | null {
  const found = /^#unit-(\d+)$/.exec(hash);
  return found ? Number(found[1]) : null;
}
