// Rows as pictures: cells to the bytes of a canvas.
import { diverging, rgb, NONE, sequential, type Rgb } from "./colour";
import type { Cells } from "./cells";

export interface Layout {
  width: number;
  height: number;
  panels: number;
  colour: boolean;
}

/** One and three channels are one picture; others lie side by side, one pixel apart. */
export function layout(shape: number[]): Layout {
  const [channels = 1, height = 1, width = 1] = shape;
  const panels = channels === 1 || channels === 3 ? 1 : channels;
  return { width: panels * width + panels - 1, height, panels, colour: channels === 3 };
}

/** Paint every pixel that `colour` gives for (channel, place in the channel); gaps stay clear. */
function painted(shape: number[], colour: (channel: number, pixel: number) => Rgb): Uint8ClampedArray<ArrayBuffer> {
  const [, height = 1, width = 1] = shape;
  const { width: whole, panels } = layout(shape);
  const bytes = new Uint8ClampedArray(whole * height * 4);
  for (let panel = 0; panel < panels; panel++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = 4 * (y * whole + panel * (width + 1) + x);
        const [r, g, b] = colour(panel, y * width + x);
        bytes[at] = r;
        bytes[at + 1] = g;
        bytes[at + 2] = b;
        bytes[at + 3] = 255;
      }
    }
  }
  return bytes;
}

/** A picture as it is, between its darkest and lightest value. */
export function plain(cells: Cells, shape: number[], low: number, high: number): Uint8ClampedArray<ArrayBuffer> {
  const [, height = 1, width = 1] = shape;
  const size = height * width;
  const scale = 255 / (high - low || 1);
  const { colour } = layout(shape);
  const none = rgb(NONE);
  const level = (i: number): number => ((cells[i] ?? NaN) - low) * scale;
  return painted(shape, (channel, pixel) => {
    const first = level(channel * size + pixel);
    if (Number.isNaN(first)) return none;
    return colour ? [first, level(size + pixel), level(2 * size + pixel)] : [first, first, first];
  });
}

/** Numbers per pixel on a scale: about 0 where some are negative, else from 0 up. Three channels are added up. */
export function heat(values: Cells, shape: number[], extent: number, signed: boolean, dark: boolean): Uint8ClampedArray<ArrayBuffer> {
  const [, height = 1, width = 1] = shape;
  const size = height * width;
  const { colour } = layout(shape);
  const none = rgb(NONE);
  return painted(shape, (channel, pixel) => {
    let value = values[channel * size + pixel] ?? NaN;
    if (colour) value += (values[size + pixel] ?? NaN) + (values[2 * size + pixel] ?? NaN);
    if (Number.isNaN(value)) return none;
    return signed ? diverging(value / extent, dark) : sequential(value / extent);
  });
}

/** What a scale must reach for these values, and whether some are below 0. */
export function extent(values: Cells, shape: number[] = []): { extent: number; signed: boolean } {
  const picture = shape.length === 3 && shape[0] === 3;
  const size = picture ? (shape[1] as number) * (shape[2] as number) : values.length;
  let [most, signed] = [0, false];
  for (let i = 0; i < size; i++) {
    let value = values[i] as number;
    if (picture) value += (values[size + i] as number) + (values[2 * size + i] as number);
    if (Math.abs(value) > most) most = Math.abs(value);
    if (value < 0) signed = true;
  }
  return { extent: most || 1, signed };
}
