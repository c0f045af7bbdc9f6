// Arrays that a component waits for: null until they are there.
import type { Packed } from "../contract";
import type { Numbers } from "./arrays";
import type { Context } from "./context";

export class Loaded {
  now = $state.raw<Numbers | null>(null);
  failed = $state("");

  constructor(context: Context, packed: Packed | null) {
    if (packed === null) return;
    context.arrays.get(packed).then(
      (found) => (this.now = found),
      (error: unknown) => (this.failed = error instanceof Error ? error.message : String(error)),
    );
  }
}

export const load = (context: Context, packed: Packed | null): Loaded => new Loaded(context, packed);
