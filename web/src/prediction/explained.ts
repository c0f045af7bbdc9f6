// The explanation of a row of the page: asked of the model, or read from what the page keeps.
import type { Prediction } from "../contract";
import { assembled, predict, type Predicted } from "../lib/answers";
import { row as rowOf, type Numbers } from "../lib/arrays";
import type { Context } from "../lib/context";
import { perClass, table } from "../lib/outputs";

export interface Kept {
  cells: Numbers;
  codes: Numbers | null;
  relevances: Numbers;
  contributions: Numbers;
}

export async function keep(context: Context, prediction: Prediction): Promise<Kept> {
  const map = context.page.code_map;
  const [cells, relevances, contributions] = await Promise.all([
    context.arrays.get(context.page.data.cells),
    context.arrays.get(prediction.relevances),
    context.arrays.get(prediction.contributions),
  ]);
  return { cells, codes: map ? await context.arrays.get(map.code) : null, relevances, contributions };
}

/** Take the prediction of a row apart; null where the page neither runs the model nor keeps this row. */
export async function explained(context: Context, prediction: Prediction, kept: Kept, row: number): Promise<Predicted | null> {
  const found = await predict(context.live, context.page, Float64Array.from(rowOf(kept.cells, row)));
  if (found !== null) return found;
  const at = prediction.rows.indexOf(row);
  if (at < 0) return null;
  const read = (numbers: Numbers): ReturnType<typeof table> => perClass(table(rowOf(numbers, at), prediction.outputs.length), prediction.classes.length);
  const [relevances, contributions] = [read(kept.relevances), read(kept.contributions)];
  const code = kept.codes ? Array.from(rowOf(kept.codes, row) as ArrayLike<number>) : valuesOf(relevances, contributions);
  return assembled(code, relevances, contributions, prediction.classes.length);
}

/** Concepts of their contributions, where a relevance is not 0. */
function valuesOf(relevances: readonly Float64Array[], contributions: readonly Float64Array[]): number[] {
  const width = (relevances[0]?.length ?? 1) - 1;
  return Array.from({ length: width }, (_, i) => {
    const c = relevances.findIndex((theta) => theta[i] !== 0);
    return c < 0 ? 0 : (contributions[c]?.[i] as number) / (relevances[c]?.[i] as number);
  });
}

/** What an output is called. */
export function outputName(prediction: Prediction, which: number): string {
  return (prediction.classes.length > 0 ? prediction.classes[which] : prediction.outputs[which]) ?? `output ${which}`;
}
