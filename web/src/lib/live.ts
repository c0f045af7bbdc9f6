// The model's graphs, run in the browser. The runtime is unpacked when a graph is first asked.
import type { InferenceSession, Tensor } from "onnxruntime-web";
import type { Graph } from "../contract";
import type { Source } from "./source";

type Runtime = typeof import("onnxruntime-web");
export type Answers = Record<string, { data: Float32Array | Float64Array; dims: readonly number[] }>;

export class Live {
  private runtime: Promise<Runtime> | null = null;
  private readonly sessions = new Map<string, Promise<InferenceSession>>();
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly source: Source,
    private readonly graphs: Record<string, Graph>,
  ) {}

  has(name: string): boolean {
    return name in this.graphs;
  }

  width(name: string): number {
    return (this.graphs[name] as Graph).width;
  }

  /** Run a graph on rows that lie one after another: cells in double precision, codes in single. */
  run(name: string, rows: Float64Array | Float32Array): Promise<Answers> {
    // One session answers one question at a time.
    const answer = this.last.then(() => this.answer(name, rows));
    this.last = answer.catch(() => undefined);
    return answer;
  }

  private async answer(name: string, rows: Float64Array | Float32Array): Promise<Answers> {
    const [runtime, session] = [await this.load(), await this.session(name)];
    const dims = [rows.length / this.width(name), this.width(name)];
    const tensor: Tensor =
      rows instanceof Float64Array ? new runtime.Tensor("float64", rows, dims) : new runtime.Tensor("float32", rows, dims);
    const found = await session.run({ [session.inputNames[0] as string]: tensor });
    return Object.fromEntries(
      Object.entries(found).map(([key, value]) => [key, { data: value.data as Float32Array, dims: value.dims }]),
    );
  }

  private load(): Promise<Runtime> {
    this.runtime ??= (async () => {
      const [code, wasm] = await Promise.all([this.source.bytes("runtime.mjs"), this.source.bytes("runtime.wasm")]);
      const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
      const runtime = (await import(/* @vite-ignore */ url)) as Runtime;
      URL.revokeObjectURL(url);
      runtime.env.wasm.wasmBinary = wasm.buffer;
      runtime.env.wasm.numThreads = 1;
      return runtime;
    })();
    return this.runtime;
  }

  private session(name: string): Promise<InferenceSession> {
    let found = this.sessions.get(name);
    if (found === undefined) {
      found = (async () => {
        const graph = this.graphs[name];
        if (graph === undefined) throw new Error(`the page holds no graph ${name}`);
        const [runtime, bytes] = [await this.load(), await this.source.bytes(graph.blob)];
        return runtime.InferenceSession.create(bytes);
      })();
      this.sessions.set(name, found);
    }
    return found;
  }
}
