import { expect, test } from "vitest";
import { CLASSES, rgb, sequential } from "../src/lib/colour";
import { drawn } from "../src/lib/curves";
import { binned, path, range } from "../src/lib/lines";
import { largest, matching } from "../src/lib/order";
import { ofClasses, ofNumbers, counts } from "../src/lib/paint";
import { extent, heat, layout, plain } from "../src/lib/pixels";
import { marks, outer } from "../src/map/axes";
import { fitted } from "../src/map/plot";
import { beyond, placeOf } from "../src/lib/rows";

const light = ([r, g, b]: number[]): number => 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);

test("the first classes differ from their neighbours in lightness too, and scales rise in it", () => {
  for (let i = 1; i < 8; i++) {
    const [a, b] = [CLASSES[i - 1], CLASSES[i]].map((hex) => light(rgb(hex as string)));
    expect(Math.abs((a as number) - (b as number))).toBeGreaterThan(15);
  }
  const shades = [0, 0.25, 0.5, 0.75, 1].map((share) => light(sequential(share)));
  expect([...shades].sort((a, b) => a - b)).toEqual(shades);
});

test("grey, colour, and channels side by side", () => {
  expect(layout([1, 4, 5])).toMatchObject({ width: 5, panels: 1, colour: false });
  expect(layout([3, 4, 5])).toMatchObject({ width: 5, panels: 1, colour: true });
  expect(layout([2, 4, 5])).toMatchObject({ width: 11, panels: 2 });
  expect([...plain([0, 1], [1, 1, 2], 0, 1)]).toEqual([0, 0, 0, 255, 255, 255, 255, 255]);
  expect([...plain([0, 0.5, 1], [3, 1, 1], 0, 1)].slice(0, 3)).toEqual([0, 128, 255]);
  // The gap between channels stays clear.
  expect([...plain([0, 1], [2, 1, 1], 0, 1)].slice(4, 8)).toEqual([0, 0, 0, 0]);
});

test("heat of colours is the sum of channels, and its extent that of the sums", () => {
  expect(extent([1, -3, 1], [3, 1, 1])).toEqual({ extent: 1, signed: true });
  expect(extent([0, 0], [1, 1, 2])).toEqual({ extent: 1, signed: false });
  expect(heat([-1, 0, 1], [1, 1, 3], 1, true, false)).toHaveLength(12);
});

test("long lines keep their peaks, and break where numbers are missing", () => {
  const values = Array.from({ length: 1000 }, (_, i) => (i === 500 ? 9 : 0));
  expect(Math.max(...binned(values, 10).map((bin) => bin.high))).toBe(9);
  expect(binned([], 5)).toEqual([]);
  expect(path([0, NaN, 1], 0, 3, { width: 2.9, height: 1, low: 0, high: 1 }).match(/M/g)?.length).toBeGreaterThan(0);
  expect(range([NaN])).toEqual([0, 1]);
});

test("the largest first, and names that hold what was typed", () => {
  expect(largest([1, -5, NaN, 3], 2)).toEqual([1, 3]);
  expect(matching(["Age", "<script>", "age of x"], "AGE", [2])).toEqual([2, 0]);
});

test("points' colours: one class alone, and numbers between quantiles", () => {
  expect([...ofClasses([0, 1, -1, 13], 14, null).places]).toEqual([0, 1, 12, 1]);
  expect([...ofClasses([0, 1, -1, 13], 14, 1).places]).toEqual([12, 1, 12, 12]);
  const { places, low, high } = ofNumbers([0, NaN, 10]);
  expect([...places]).toEqual([0, 64, 63]);
  expect(low).toBeLessThan(high);
  expect(counts([0, 0, 2, -1], 3)).toEqual([2, 0, 1]);
});

test("places fill the window, by one scale where asked", () => {
  const free = fitted([0, 10], [0, 1], 2, false);
  expect(free.x[1]).toBeCloseTo(free.y[1] as number, 5);
  const same = fitted([0, 1], [0, 1], 2, true);
  expect(same.x[1]).toBeCloseTo((same.y[1] as number) / 2, 5);
  expect(fitted([3, 3], [1, 1], 1, true).x[0]).toBe(0);
});

test("surprise beyond what is usual; a missing cell has none", () => {
  expect([...(beyond([20, 3, 1], [22, 1, 0], [0, 0, NaN]) as Float64Array)]).toEqual([-2, 2, NaN]);
  expect(beyond([1], [], [0])).toEqual([1]);
});

test("a row of the data on a page that shows a sample", () => {
  expect(placeOf([4, 7, 9], 7)).toBe(1);
  expect(placeOf([0, 1], 1)).toBe(1);
  expect(placeOf([4], 5)).toBe(-1);
});

test("members of an ensemble share a plot, other terms have their own", () => {
  const curve = (name: string, training: number[]) => ({ name, unit: "nats", epochs: training.map((_, i) => i + 1), training, held_out: [] });
  const plots = drawn([curve("filler 1 loss", [9, 1]), curve("filler 2 loss", [8, 2, 0.5]), curve("loss", [3, 2])]);
  expect(plots.map((plot) => [plot.name, plot.lines.map((line) => line.name), plot.spans])).toEqual([
    ["fillers: loss", ["filler 1", "filler 2"], true],
    ["loss", ["training rows"], false],
  ]);
  expect(plots[0]?.epochs).toEqual([1, 2, 3]);
  const apart = drawn(["denoiser 1", "denoiser 2", "filler 1", "filler 2"].map((name) => curve(`${name} loss`, [1])));
  expect(apart.map((plot) => plot.name)).toEqual(["denoisers: loss", "fillers: loss"]);
});

test("marks of an axis are round numbers within the window, and none where all values are one", () => {
  expect(outer([3, 1, NaN, 7])).toEqual([1, 3]);
  expect(marks([0, 10], [0, 300], 300)).toEqual([2, 4, 6, 8].map((value) => ({ at: 30 * value, text: String(value) })));
  expect(marks([0, 1], [300, 0], 300)[0]).toMatchObject({ text: "0.2", at: 240 });
  expect(marks([2, 2], [0, 300], 300)).toEqual([]);
});
