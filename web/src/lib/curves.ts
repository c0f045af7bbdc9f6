// Curves of training as they are drawn: one plot per term, with a line for every member of an ensemble.
import type { Curve } from "../contract";
import { classColour } from "./colour";

export interface Line {
  name: string;
  values: (number | null)[];
  colour: string;
  dash?: number[];
}

export interface Drawn {
  name: string;
  unit: string;
  epochs: number[];
  lines: Line[];
  /** Whether a logarithmic axis shows more: numbers above 0 that are far apart. */
  spans: boolean;
}

const DASH = [6, 3];
const known = (values: (number | null)[]): boolean => values.some((value) => value !== null);

function spans(lines: Line[]): boolean {
  const values = lines.flatMap((line) => line.values).filter((value) => value !== null);
  const low = Math.min(...values);
  return low > 0 && Math.max(...values) > 8 * low;
}

function alone(curve: Curve): Drawn {
  const both: Line[] = [
    { name: "training rows", values: curve.training, colour: "--bar" },
    { name: "held-out rows", values: curve.held_out, colour: "--more", dash: DASH },
  ];
  const lines = both.filter((line) => known(line.values));
  return { name: curve.name, unit: curve.unit, epochs: curve.epochs, lines, spans: spans(lines) };
}

function together(name: string, term: string, members: Curve[]): Drawn {
  const longest = members.reduce((a, b) => (b.epochs.length > a.epochs.length ? b : a));
  const lines = members.flatMap((curve, i): Line[] => {
    const member = curve.name.slice(0, -term.length - 1);
    const colour = classColour(i);
    return [
      { name: member, values: curve.training, colour },
      { name: `${member}, held out`, values: curve.held_out, colour, dash: DASH },
    ].filter((line) => known(line.values));
  });
  return { name, unit: members[0]?.unit ?? "", epochs: longest.epochs, lines, spans: spans(lines) };
}

/** One plot per term and kind of members, which their names tell, "denoiser 3 loss"; each begins with the first epoch. */
export function drawn(curves: Curve[]): Drawn[] {
  const found = new Map<string, { term: string; some: Curve[] }>();
  for (const curve of curves) {
    const [, kind, term = ""] = /^(\w+) \d+ (.+)$/.exec(curve.name) ?? [];
    const key = kind ? `${kind}s: ${term}` : `\n${found.size}`;
    const known = found.get(key) ?? { term, some: [] };
    known.some.push(curve);
    found.set(key, known);
  }
  return [...found].map(([key, { term, some }]) => (some.length > 1 ? together(key, term, some) : alone(some[0] as Curve)));
}
