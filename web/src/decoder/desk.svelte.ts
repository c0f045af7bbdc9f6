// The code that the person plays with, and what the decoder makes of it.
import type { Decoder } from "../contract";
import { row, type Numbers } from "../lib/arrays";
import type { Cells } from "../lib/cells";
import type { Context } from "../lib/context";
import { Newest } from "../lib/newest";

/** What was decoded beforehand, for pages that cannot decode. */
export interface Frames {
  steps: Numbers;
  frames: Numbers;
}

export class Desk {
  code = $state.raw<number[]>([]);
  /** The code that playing started from, and what it was. */
  start = $state.raw<number[]>([]);
  from = $state("the average code");
  cells = $state.raw<Cells | null>(null);
  first = $state.raw<Cells | null>(null);
  chance = $state.raw<Cells | null>(null);
  ms = $state(NaN);
  error = $state("");
  private readonly newest: Newest<{ code: number[]; first: boolean }, void>;

  constructor(
    private readonly context: Context,
    private readonly decoder: Decoder,
    private readonly kept: Frames | null,
  ) {
    this.newest = new Newest(
      (asked) => this.decoded(asked),
      () => (this.error = ""),
      (error) => (this.error = `The decoder gave no answer: ${error.message}`),
    );
    this.begin(decoder.mean, "the average code");
  }

  /** Whether any code can be decoded; else only the frames of the page can be shown. */
  get live(): boolean {
    return this.kept === null;
  }

  begin(code: readonly number[], from: string): void {
    this.start = [...code];
    this.from = from;
    this.show([...code], true);
  }

  show(code: number[], first = false): void {
    this.code = code;
    if (this.kept === null) this.newest.put({ code, first });
    else if (first) this.cells = this.first = this.nearest(this.middle(0), 0);
  }

  set(unit: number, value: number): void {
    this.show(this.code.map((old, i) => (i === unit ? value : old)));
  }

  /** Without a decoder: one unit at a step that was decoded, all others at their mean. */
  snap(unit: number, step: number): void {
    if (this.kept === null) return;
    const steps = row(this.kept.steps, unit);
    this.code = this.decoder.mean.map((mean, i) => (i === unit ? (steps[step] as number) : mean));
    this.cells = this.nearest(step, unit);
  }

  /** The step of a unit that is closest to its value now. */
  middle(unit: number): number {
    if (this.kept === null) return 0;
    const [steps, value] = [row(this.kept.steps, unit), this.code[unit] as number];
    let best = 0;
    steps.forEach((step, k) => {
      if (Math.abs(step - value) < Math.abs((steps[best] as number) - value)) best = k;
    });
    return best;
  }

  private nearest(step: number, unit: number): Cells | null {
    if (this.kept === null) return null;
    const [, steps = 1, columns = 1] = this.kept.frames.shape;
    const at = (unit * steps + step) * columns;
    return this.kept.frames.values.subarray(at, at + columns);
  }

  private async decoded({ code, first }: { code: number[]; first: boolean }): Promise<void> {
    const before = performance.now();
    const answers = await this.context.live.run("decoder", Float32Array.from(code));
    // The first answer also waits for the runtime and the graph to be unpacked.
    if (this.cells !== null) this.ms = performance.now() - before;
    this.cells = answers["reconstruction"]?.data ?? null;
    this.chance = answers["chance"]?.data ?? null;
    if (first || this.first === null) this.first = this.cells;
  }
}

/** Several codes, decoded at once: rows of cells. */
export async function decodeAll(context: Context, codes: readonly (readonly number[])[]): Promise<Cells[]> {
  const answers = await context.live.run("decoder", Float32Array.from(codes.flat()));
  const found = answers["reconstruction"]?.data as Float64Array;
  const columns = found.length / codes.length;
  return codes.map((_, i) => found.subarray(i * columns, (i + 1) * columns));
}
