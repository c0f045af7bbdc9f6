// Points' colours: every row's place in a palette of few colours, whose last is that of rows with none.
import { CLASSES, NONE, sequential, steps } from "./colour";
import { quantile, sorted } from "./statistics";

export interface Paint {
  palette: string[];
  places: Uint8Array;
  /** The ends of a scale of numbers. */
  low: number;
  high: number;
}

const SHADES = 64;
const SAMPLE = 100_000;

/** Classes have the colours of their places; where one is emphasised, only that has its colour. */
export function ofClasses(values: ArrayLike<number>, count: number, only: number | null): Paint {
  const palette = [...CLASSES, NONE];
  const none = CLASSES.length;
  const places = Uint8Array.from(values, (value) => {
    const known = value >= 0 && value < count && (only === null || value === only);
    return known ? Math.round(value) % CLASSES.length : none;
  });
  return { palette, places, low: 0, high: count - 1 };
}

/** Numbers from dark to light, between the quantiles that leave out the outermost hundredth on both sides. */
export function ofNumbers(values: ArrayLike<number>): Paint {
  const step = Math.max(1, Math.floor(values.length / SAMPLE));
  const some = sorted(Array.from({ length: Math.ceil(values.length / step) }, (_, i) => values[i * step] as number));
  const [low, high] = [quantile(some, 0.01), quantile(some, 0.99)];
  const scale = (SHADES - 1) / (high - low || 1);
  const places = Uint8Array.from(values, (value) =>
    Number.isNaN(value) ? SHADES : Math.round(Math.min(SHADES - 1, Math.max(0, (value - low) * scale))),
  );
  return { palette: [...steps(sequential, SHADES), NONE], places, low, high };
}

/** How many rows each class has. */
export function counts(values: ArrayLike<number>, count: number): number[] {
  const found = new Array<number>(count).fill(0);
  for (let i = 0; i < values.length; i++) {
    const value = Math.round(values[i] as number);
    if (value >= 0 && value < count) found[value] = (found[value] as number) + 1;
  }
  return found;
}
