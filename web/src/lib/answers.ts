// All that the model says of one row that the page does not hold: its code, what comes back, how odd it is and why.
import type { Page } from "../contract";
import type { Cells } from "./cells";
import type { Answers, Live } from "./live";
import { perClass, softmax, sums, table, type Table } from "./outputs";
import type { Explained } from "./reasons";

export interface Predicted {
  code: number[];
  relevances: Table;
  contributions: Table;
  /** Logits of classes, or what a regressor predicts. */
  logits: number[];
  /** Of classes; empty for a regressor. */
  probabilities: number[];
}

export interface Answer {
  cells: Float64Array;
  code: Cells | null;
  reconstruction: Cells | null;
  score: number;
  errors: Cells | null;
  explained: (Explained & { p: number }) | null;
  predicted: Predicted | null;
}

export async function answer(live: Live, page: Page, cells: Float64Array): Promise<Answer> {
  const [told, explained, predicted] = [await scored(live, cells), await explain(live, cells), await predict(live, page, cells)];
  return {
    cells,
    code: told["code"]?.data ?? null,
    reconstruction: told["reconstruction"]?.data ?? null,
    score: told["score"]?.data[0] ?? NaN,
    errors: told["errors"]?.data ?? null,
    explained,
    predicted,
  };
}

async function scored(live: Live, cells: Float64Array): Promise<Answers> {
  if (live.has("score")) return live.run("score", cells);
  if (!live.has("encoder")) return {};
  const found = await live.run("encoder", cells);
  const code = found["code"]?.data;
  if (code === undefined || !live.has("decoder")) return found;
  return { ...(await live.run("decoder", Float32Array.from(code))), ...found };
}

/** Whether the page's detector reads single rows, which one of a series does not: it reads windows. */
export function explains(live: Live, columns: number): boolean {
  return live.has("detector") && live.width("detector") === columns;
}

/** Ask the detector for a row's score and reasons; null where the page holds none. */
export async function explain(live: Live, cells: Float64Array): Promise<(Explained & { p: number }) | null> {
  if (!explains(live, cells.length)) return null;
  const found = await live.run("detector", cells);
  const data = (name: string): Cells | null => found[name]?.data ?? null;
  return {
    score: data("score")?.[0] ?? NaN,
    p: data("p_value")?.[0] ?? NaN,
    contributions: data("contributions") ?? [],
    values: cells,
    expected: data("expected") ?? [],
    low: data("low"),
    high: data("high"),
  };
}

/** Ask a self-explaining model; null where the page holds none. */
export async function predict(live: Live, page: Page, cells: Float64Array): Promise<Predicted | null> {
  const prediction = page.prediction;
  if (prediction === null || !live.has("prediction")) return null;
  return taken(await live.run("prediction", cells), prediction.outputs.length, prediction.classes.length);
}

/** The same, of a code that was set by hand, for models whose relevances read the code. */
export async function predictCode(live: Live, page: Page, code: readonly number[]): Promise<Predicted | null> {
  const prediction = page.prediction;
  if (prediction === null || !live.has("prediction_from_code")) return null;
  const found = await live.run("prediction_from_code", Float32Array.from(code));
  return { ...taken(found, prediction.outputs.length, prediction.classes.length), code: [...code] };
}

function taken(found: Answers, outputs: number, classes: number): Predicted {
  const read = (name: string): Table => perClass(table(found[name]?.data ?? [], outputs), classes);
  return assembled(Array.from(found["code"]?.data ?? []), read("relevances"), read("contributions"), classes);
}

/** A prediction of its parts; what contributions add up to is what is predicted. */
export function assembled(code: number[], relevances: Table, contributions: Table, classes: number): Predicted {
  const logits = sums(contributions);
  return { code, relevances, contributions, logits, probabilities: classes > 0 ? softmax(logits) : [] };
}
