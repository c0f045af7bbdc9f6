// Scores against a threshold: how many rows are above it, and how many alarms normal rows would raise.

/** How many of ascending numbers are above a limit. */
export function above(ascending: ArrayLike<number>, limit: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] as number) > limit) high = middle;
    else low = middle + 1;
  }
  return ascending.length - low;
}

export interface Expected {
  /** Rows above the threshold. */
  rows: number;
  /** The share of normal rows above it, as those that calibrate say. */
  rate: number;
  /** Alarms among as many normal rows as there are rows. */
  alarms: number;
  /** Whether no calibrating row is above, so that the rate is only known to be small. */
  fewer: boolean;
}

export function expected(scores: ArrayLike<number>, calibration: ArrayLike<number>, threshold: number): Expected {
  let rows = 0;
  for (let i = 0; i < scores.length; i++) if ((scores[i] as number) > threshold) rows++;
  const over = above(calibration, threshold);
  const rate = calibration.length === 0 ? NaN : over / calibration.length;
  return { rows, rate, alarms: rate * scores.length, fewer: over === 0 };
}

/** A p-value as Python's: (1 + calibrating rows at least as strange) / (n + 1). */
export function pValue(score: number, calibration: ArrayLike<number>): number {
  let [low, high] = [0, calibration.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((calibration[middle] as number) < score) low = middle + 1;
    else high = middle;
  }
  return (1 + calibration.length - low) / (calibration.length + 1);
}

/** Rows by score, the strangest first; rows without a score last. */
export function ranked(scores: ArrayLike<number>): number[] {
  const key = (i: number): number => (Number.isNaN(scores[i]) ? -Infinity : (scores[i] as number));
  return Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => key(b) - key(a) || a - b);
}

/** Runs of neighbouring moments above a threshold, [first, last]. */
export function runs(scores: ArrayLike<number>, threshold: number): [number, number][] {
  const found: [number, number][] = [];
  for (let i = 0; i < scores.length; i++) {
    if (!((scores[i] as number) > threshold)) continue;
    const last = found.at(-1);
    if (last !== undefined && last[1] === i - 1) last[1] = i;
    else found.push([i, i]);
  }
  return found;
}
