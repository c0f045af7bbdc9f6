// Where the page's bytes come from: the file itself, or the server that shows it.
import type { Page } from "../contract";

export interface Source {
  /** Bytes by name, unpacked. */
  bytes(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Keep a concept's name in the model; null where the page cannot. */
  rename: ((unit: number, name: string) => Promise<void>) | null;
}

export async function unpacked(gzip: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([gzip]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Python's base85, whose one sign with a meaning in HTML is another: a sixth smaller than base64's surplus.
const SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;'=>?@^_`{|}~";

/** Bytes of a text in which five signs are four bytes; the last group may be shorter. */
export function decoded(text: string): Uint8Array<ArrayBuffer> {
  const value = new Uint8Array(128);
  for (let i = 0; i < SIGNS.length; i++) value[SIGNS.charCodeAt(i)] = i;
  const groups = Math.ceil(text.length / 5);
  const view = new DataView(new ArrayBuffer(4 * groups));
  for (let g = 0; g < groups; g++) {
    let sum = 0;
    // A group that is cut off counts as filled with the last sign.
    for (let k = 5 * g; k < 5 * g + 5; k++) sum = 85 * sum + (k < text.length ? (value[text.charCodeAt(k)] as number) : 84);
    view.setUint32(4 * g, sum);
  }
  return new Uint8Array(view.buffer, 0, 4 * groups - (5 * groups - text.length));
}

/** Blobs written into the page as scripts that no browser runs. */
export class Embedded implements Source {
  readonly rename: Source["rename"] = null;

  async bytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const element = document.querySelector(`script[data-blob="${CSS.escape(name)}"]`);
    if (element === null) throw new Error(`the page holds no ${name}; write the report again`);
    return unpacked(decoded(element.textContent.trim()));
  }
}

/** A page with everything inside, in a frame of a notebook that keeps names. */
export class Hosted extends Embedded {
  override readonly rename = (unit: number, name: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const answered = ({ source: from, data }: MessageEvent<{ isthmus?: string; unit?: number; why?: string }>): void => {
        if (from !== window.parent || data.unit !== unit || !(data.isthmus === "named" || data.isthmus === "refused")) return;
        window.removeEventListener("message", answered);
        if (data.isthmus === "named") resolve();
        else reject(new Error(data.why));
      };
      window.addEventListener("message", answered);
      // Whoever shows the page is whoever may hear of a name in it.
      window.parent.postMessage({ isthmus: "name", unit, name }, "*");
    });
}

/** Blobs that a server on this machine gives, as `isthmus explore` does. */
export class Served implements Source {
  constructor(private readonly root: string) {}

  async bytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const answer = await fetch(`${this.root}/blobs/${encodeURIComponent(name)}`);
    if (!answer.ok) throw new Error(`the server gave no ${name} (${answer.status}); is isthmus explore still running?`);
    return new Uint8Array(await answer.arrayBuffer());
  }

  readonly rename = async (unit: number, name: string): Promise<void> => {
    const answer = await fetch(`${this.root}/concepts/${unit}`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name }),
    });
    if (!answer.ok) throw new Error(((await answer.json()) as { detail: string }).detail);
  };
}

export function source(): Source {
  const served = document.querySelector<HTMLMetaElement>('meta[name="isthmus-server"]');
  if (served !== null) return new Served(served.content);
  return document.querySelector('meta[name="isthmus-host"]') === null ? new Embedded() : new Hosted();
}

export async function page(from: Source): Promise<Page> {
  return JSON.parse(new TextDecoder().decode(await from.bytes("page"))) as Page;
}
