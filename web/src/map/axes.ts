// Round numbers along the axes of a window that is moved and zoomed.
import { short } from "../lib/cells";
import { ticks } from "../lib/statistics";

export interface Mark {
  /** In pixels from the window's left or upper edge. */
  at: number;
  text: string;
}

/** The rows with the least and the greatest value, which tell where the window is. */
export function outer(values: ArrayLike<number>): [number, number] {
  let [low, high] = [0, 0];
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) < (values[low] as number)) low = i;
    if ((values[i] as number) > (values[high] as number)) high = i;
  }
  return [low, high];
}

/** Marks along an axis of so many pixels, where two values lie at two places. */
export function marks(values: [number, number], places: [number | undefined, number | undefined], size: number): Mark[] {
  const [[low, high], [from, to]] = [values, places];
  if (from === undefined || to === undefined || from === to || low === high) return [];
  const per = (high - low) / (to - from);
  const [first, last] = [low - from * per, low + (size - from) * per];
  return ticks(Math.min(first, last), Math.max(first, last), Math.max(3, size / 110))
    .map((tick) => ({ at: from + (tick - low) / per, text: short(tick) }))
    .filter(({ at }) => at > 12 && at < size - 12);
}
