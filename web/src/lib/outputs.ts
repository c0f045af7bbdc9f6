// What concepts add to predictions: contributions that add up to a logit, or to the gap between two classes.

/** Numbers by output and concept, the constant concept last: (outputs, concepts + 1). */
export type Table = Float64Array[];

export function table(flat: ArrayLike<number>, outputs: number): Table {
  const width = flat.length / outputs;
  return Array.from({ length: outputs }, (_, c) => Float64Array.from({ length: width }, (_, i) => flat[c * width + i] as number));
}

/** One row of numbers per class: a single logit of two classes speaks for the second, and the first has 0. */
export function perClass(found: Table, classes: number): Table {
  if (classes !== 2 || found.length !== 1) return found;
  const second = found[0] as Float64Array;
  return [new Float64Array(second.length), second];
}

/** Contributions of concepts that are set to a code, by relevances that stay as they are. */
export function contributions(relevances: Table, code: ArrayLike<number>): Table {
  return relevances.map((theta) => theta.map((t, i) => t * (i < code.length ? (code[i] as number) : 1)));
}

export function sums(found: Table): number[] {
  return found.map((parts) => parts.reduce((a, b) => a + b, 0));
}

/** Probabilities of classes, whose logits these are. */
export function softmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - top));
  const all = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / all);
}

/** The place of the largest, the first of several. */
export function argmax(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > (values[best] as number) ? i : best), 0);
}

/** What each concept adds to the gap between two classes. */
export function against(found: Table, wanted: number, other: number): Float64Array {
  return (found[wanted] as Float64Array).map((part, i) => part - ((found[other] as Float64Array)[i] as number));
}

export interface Part {
  /** Its concept; -1 is the constant one, -2 all others together. */
  concept: number;
  adds: number;
  count: number;
}

/** The parts that add most, the constant, and the others as one: they add up to what all add up to. */
export function told(parts: Float64Array, most: number): Part[] {
  const concepts = parts.length - 1;
  const order = Array.from({ length: concepts }, (_, i) => i).sort((a, b) => Math.abs(parts[b] as number) - Math.abs(parts[a] as number));
  const kept = order.slice(0, concepts <= most + 1 ? concepts : most).filter((i) => parts[i] !== 0);
  const found: Part[] = kept.map((i) => ({ concept: i, adds: parts[i] as number, count: 1 }));
  const rest = order.filter((i) => !kept.includes(i));
  const others = rest.reduce((sum, i) => sum + (parts[i] as number), 0);
  if (rest.length > 0 && others !== 0) found.push({ concept: -2, adds: others, count: rest.length });
  found.push({ concept: -1, adds: parts[concepts] as number, count: 1 });
  return found;
}
