// A picture that a person brings, as a row: scaled to the size of the data, in its channels and its range of values.

export interface Frame {
  shape: number[];
  low: number;
  high: number;
}

/** Bytes of a canvas, (height, width, red green blue alpha), as cells, (channels, height, width). */
export function cellsOf(bytes: Uint8ClampedArray, frame: Frame, invert: boolean): Float64Array {
  const [channels = 1, height = 1, width = 1] = frame.shape;
  const size = height * width;
  const found = new Float64Array(channels * size);
  for (let p = 0; p < size; p++) {
    const rgb = [0, 1, 2].map((c) => over(bytes, 4 * p, c));
    for (let c = 0; c < channels; c++) {
      const level = channels === 3 ? (rgb[c] as number) : grey(rgb);
      const share = invert ? 1 - level : level;
      found[c * size + p] = frame.low + share * (frame.high - frame.low);
    }
  }
  return found;
}

/** A channel from 0 to 1; what is transparent is white, as paper. */
function over(bytes: Uint8ClampedArray, at: number, channel: number): number {
  const alpha = (bytes[at + 3] as number) / 255;
  return ((bytes[at + channel] as number) / 255) * alpha + (1 - alpha);
}

/** How light a colour is (ITU-R BT.601). */
function grey(rgb: number[]): number {
  return 0.299 * (rgb[0] as number) + 0.587 * (rgb[1] as number) + 0.114 * (rgb[2] as number);
}

/** Read a file of a picture, halved until it is close to the size wanted, so that no pixel is skipped. */
export async function readPicture(file: Blob, frame: Frame): Promise<Uint8ClampedArray> {
  const [, height = 1, width = 1] = frame.shape;
  const bitmap = await createImageBitmap(file);
  let source: CanvasImageSource = bitmap;
  let [w, h] = [bitmap.width, bitmap.height];
  while (w > 2 * width && h > 2 * height) {
    [w, h] = [Math.ceil(w / 2), Math.ceil(h / 2)];
    source = drawn(source, w, h);
  }
  const last = drawn(source, width, height);
  bitmap.close();
  return (last.getContext("2d") as CanvasRenderingContext2D).getImageData(0, 0, width, height).data;
}

function drawn(source: CanvasImageSource, width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  return canvas;
}
