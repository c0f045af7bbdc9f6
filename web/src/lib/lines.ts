// Lines and bars of more numbers than there are dots.
import type { Cells } from "./cells";

export interface Bin {
  low: number;
  high: number;
  /** The first place that it stands for. */
  from: number;
}

/** Neighbouring numbers as their lowest and highest, at most so many. */
export function binned(values: Cells, most: number): Bin[] {
  const count = Math.max(1, Math.min(values.length, most));
  const bins: Bin[] = [];
  for (let bin = 0; bin < count && values.length > 0; bin++) {
    const from = Math.floor((bin * values.length) / count);
    const to = Math.floor(((bin + 1) * values.length) / count);
    let [low, high] = [Infinity, -Infinity];
    for (let i = from; i < to; i++) {
      low = Math.min(low, values[i] as number);
      high = Math.max(high, values[i] as number);
    }
    bins.push(low <= high ? { low, high, from } : { low: NaN, high: NaN, from });
  }
  return bins;
}

/** The lowest and highest number, 0 and 1 where there is none. */
export function range(...lists: ArrayLike<number>[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const values of lists) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : [0, 1];
}

/** An SVG path of one channel within a box; it breaks where numbers are missing, and keeps peaks of long lines. */
export function path(values: Cells, from: number, to: number, box: { width: number; height: number; low: number; high: number }): string {
  const bins = binned(values.slice(from, to) as Cells, Math.max(2, Math.floor(box.width)));
  const y = (value: number): string => (box.height - ((value - box.low) / (box.high - box.low || 1)) * box.height).toFixed(1);
  let [text, pen] = ["", "M"];
  bins.forEach((bin, i) => {
    if (Number.isNaN(bin.low)) {
      pen = "M";
      return;
    }
    const x = ((i / Math.max(1, bins.length - 1)) * box.width).toFixed(1);
    text += `${pen}${x} ${y(bin.low)}`;
    if (bin.high > bin.low) text += `L${x} ${y(bin.high)}`;
    pen = "L";
  });
  return text;
}
