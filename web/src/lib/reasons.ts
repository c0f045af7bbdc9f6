// Why a row scores as it does, in words: the columns that add most, what is there and what was expected.
import type { Column } from "../contract";
import { cellText, type Cells } from "./cells";
import { largest } from "./order";

export interface Explained {
  score: number;
  contributions: Cells;
  values: Cells;
  expected: Cells;
  low: Cells | null;
  high: Cells | null;
}

/** Columns that add most to the score, the largest first. */
export function strongest(contributions: Cells, most: number): number[] {
  const up = Array.from(contributions as ArrayLike<number>, (c) => Math.max(c, 0));
  return largest(up, most).filter((j) => (up[j] as number) > 0);
}

/** 'age is 93, expected 41 (22 to 60)'. */
export function cellReason(columns: Column[], told: Explained, j: number): string {
  const column = columns[j] as Column;
  const text = (cells: Cells): string => cellText(column, cells[j]);
  const [there, wanted] = [text(told.values), text(told.expected)];
  const ranged = told.low !== null && told.high !== null && !Number.isNaN(told.low[j]) && !Number.isNaN(told.high[j]);
  const [low, high] = ranged ? [text(told.low as Cells), text(told.high as Cells)] : ["", ""];
  const between = low === high ? "" : ` (${low} to ${high})`;
  return there === wanted ? `${column.name} is ${there}, the likeliest of several${between}` : `${column.name} is ${there}, expected ${wanted}${between}`;
}

/** The share of a score that a column adds, in whole percent as Python tells it. */
export function share(told: Explained, j: number): number {
  return Math.round((100 * (told.contributions[j] as number)) / Math.max(told.score, 1e-12));
}

/** The reasons of a row: 'age is 93, expected 41 (22 to 60): 63 % of the score'. */
export function reasons(columns: Column[], told: Explained, most = 3): string[] {
  const worth = strongest(told.contributions, most).filter((j, k) => k === 0 || share(told, j) > 0);
  return worth.map((j) => `${cellReason(columns, told, j)}: ${share(told, j)} % of the score`);
}
