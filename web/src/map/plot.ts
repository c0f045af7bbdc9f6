// What draws points: WebGL where there is, else a plain canvas. Both take places from -1 to 1.
export interface Cloud {
  x: Float32Array;
  y: Float32Array;
  /** Every point's place in the palette. */
  colours: Uint8Array;
  palette: string[];
}

export interface Events {
  /** The point under the pointer, or -1. */
  over(row: number): void;
  choose(row: number): void;
  select(rows: number[]): void;
  /** The view was moved or drawn anew. */
  moved(): void;
}

export interface Look {
  background: string;
  ink: string;
  accent: string;
}

export interface Plot {
  draw(cloud: Cloud): Promise<void>;
  select(rows: number[]): void;
  lasso(on: boolean): void;
  zoom(by: number): void;
  home(): void;
  look(look: Look): void;
  resize(width: number, height: number): void;
  /** Where a point is, in pixels of the canvas. */
  at(row: number): [number, number] | null;
  destroy(): void;
}

/** Places of rows within the window: both axes by one scale where distances mean something, else each by its own. */
export function fitted(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  ratio: number,
  same: boolean,
): { x: Float32Array; y: Float32Array; spanX: [number, number]; spanY: [number, number] } {
  const [ax, ay] = [around(x), around(y)];
  let [halfX, halfY] = [ax.half * 1.06 || 1, ay.half * 1.06 || 1];
  if (same) {
    const unit = Math.max(halfX / ratio, halfY);
    [halfX, halfY] = [unit * ratio, unit];
  }
  return {
    x: Float32Array.from(x, (value) => (value - ax.middle) / halfX),
    y: Float32Array.from(y, (value) => (value - ay.middle) / halfY),
    spanX: [ax.middle - halfX, ax.middle + halfX],
    spanY: [ay.middle - halfY, ay.middle + halfY],
  };
}

function around(values: ArrayLike<number>): { middle: number; half: number } {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? { middle: (low + high) / 2, half: (high - low) / 2 } : { middle: 0, half: 1 };
}

/** Points are smaller the more there are, but stay to be seen. */
export const pointSize = (count: number): number => Math.max(1, Math.min(6, 9 - 1.45 * Math.log10(Math.max(10, count))));
export const opacity = (count: number): number => Math.max(0.12, Math.min(0.9, 1.35 - 0.2 * Math.log10(Math.max(10, count))));
