// What rows can be coloured and selected by: their label, scores, columns and units of the code.
import type { Page } from "../contract";
import type { Context } from "./context";
import { cellText, isLevel, short } from "./cells";

export interface Channel {
  key: string;
  name: string;
  group: "rows" | "columns" | "units";
  /** The words of classes and levels; empty where values are numbers. */
  classes: string[];
  unit: string;
  date: boolean;
  words: (value: number) => string;
  /** Means of whole numbers are none. */
  mean: (value: number) => string;
}

const plain = (value: number): string => short(value);
const make = (key: string, name: string, group: Channel["group"], more: Partial<Channel> = {}): Channel => ({
  key,
  name,
  group,
  classes: [],
  unit: "",
  date: false,
  words: plain,
  mean: more.words ?? plain,
  ...more,
});

function ofRows(page: Page): Channel[] {
  const found: Channel[] = [];
  const { labels } = page.data;
  if (labels) found.push(make("label", labels.name, "rows", { classes: labels.classes }));
  if (page.prediction) {
    found.push(make("predicted", `predicted ${page.prediction.target}`, "rows", { classes: page.prediction.classes }));
    if (page.prediction.confidence) found.push(make("confidence", "confidence of the prediction", "rows"));
  }
  if (page.code_map?.score) found.push(make("score", page.code_map.score_name, "rows"));
  if (page.anomalies) found.push(make("p_value", "p-value of the anomaly score", "rows"));
  if (page.reconstructions) found.push(make("error", `error of the reconstruction`, "rows", { unit: page.reconstructions.error_unit }));
  return found;
}

/** Everything in the order in which it is offered. */
export function channels(page: Page, unitName: (unit: number) => string): Channel[] {
  const columns = page.data.columns.map((column, i) =>
    make(`column ${i}`, column.name, "columns", {
      classes: isLevel(column) ? column.levels.map((_, level) => cellText(column, level)) : [],
      date: column.kind === "date",
      words: (value) => cellText(column, value),
      mean: (value) => (column.kind !== "date" && column.step >= 1 ? short(value) : cellText(column, value)),
    }),
  );
  const units = Array.from({ length: page.code_map?.code.shape[1] ?? 0 }, (_, i) => make(`unit ${i}`, unitName(i), "units"));
  return [...ofRows(page), ...units, ...columns];
}

/** One number per row of the page. */
export async function valuesOf(context: Context, channel: Channel): Promise<ArrayLike<number>> {
  const { page, arrays } = context;
  const [kind = "", place = "0"] = channel.key.split(" ");
  const packed = {
    label: page.data.labels?.values,
    predicted: page.prediction?.predicted,
    confidence: page.prediction?.confidence,
    score: page.code_map?.score,
    p_value: page.anomalies?.p_value,
    error: page.reconstructions?.error,
    column: page.data.cells,
    unit: page.code_map?.code,
  }[kind];
  if (!packed) throw new Error(`this page holds no ${channel.name}`);
  const found = await arrays.get(packed);
  return kind === "column" || kind === "unit" ? strided(found.values, found.shape[1] ?? 1, Number(place)) : found.values;
}

/** One column of rows that lie one after another. */
export function strided(values: ArrayLike<number>, width: number, column: number): Float64Array {
  const found = new Float64Array(values.length / width);
  for (let i = 0; i < found.length; i++) found[i] = values[i * width + column] as number;
  return found;
}
