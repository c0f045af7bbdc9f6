// Arrays as they lie beside the page, unpacked to numbers when somebody first looks at them.
import type { Packed } from "../contract";
import type { Source } from "./source";

export interface Numbers {
  values: Float64Array | Float32Array | Int32Array;
  shape: number[];
}

const TYPES = {
  uint8: Uint8Array,
  uint16: Uint16Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

export function read(bytes: Uint8Array<ArrayBuffer>, packed: Packed): Numbers {
  const type = TYPES[packed.type as keyof typeof TYPES];
  const stored = new type(bytes.buffer, bytes.byteOffset, bytes.byteLength / type.BYTES_PER_ELEMENT);
  if (packed.step.length === 0) {
    const small = stored instanceof Uint8Array || stored instanceof Uint16Array;
    return { values: small ? Int32Array.from(stored) : stored, shape: packed.shape };
  }
  // Whole steps of a byte come back as the very numbers that they were.
  const values = new Float64Array(stored.length);
  const missing = packed.type === "uint8" ? 255 : 65535;
  const columns = packed.step.length;
  for (let i = 0; i < stored.length; i++) {
    const j = i % columns;
    const s = stored[i] as number;
    values[i] = s === missing ? NaN : (packed.low[j] as number) + (packed.step[j] as number) * s;
  }
  return { values, shape: packed.shape };
}

/** Unpacks every array once. */
export class Arrays {
  private readonly known = new Map<string, Promise<Numbers>>();

  constructor(private readonly source: Source) {}

  get(packed: Packed): Promise<Numbers> {
    let found = this.known.get(packed.blob);
    if (found === undefined) {
      found = this.source.bytes(packed.blob).then((bytes) => read(bytes, packed));
      this.known.set(packed.blob, found);
    }
    return found;
  }
}

/** One row of an array of two or more axes, without a copy. */
export function row(numbers: Numbers, i: number): Float64Array | Float32Array | Int32Array {
  const width = numbers.shape.slice(1).reduce((a, b) => a * b, 1);
  return numbers.values.subarray(i * width, (i + 1) * width);
}
