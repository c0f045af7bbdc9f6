// Put what was built where the Python package looks for it: the page's frame, its program, and the runtime of graphs.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const assets = here("../../src/isthmus/report/assets");
const check = process.argv.includes("--check");
const runtime = here("../node_modules/onnxruntime-web/dist");

const built = readFileSync(here("../build/index.html"), "utf-8");
const [whole, program] = /<script type="module"[^>]*>([^]*?)<\/script>/.exec(built);
const boot = readFileSync(here("../build/boot/boot.js"), "utf-8").trim();
// The program is unpacked by the frame, which stands after all that it reads.
const frame = built.replace(whole, "").replace("</body>", () => `<script type="module">${boot}</script>\n  </body>`);

mkdirSync(assets, { recursive: true });
for (const [name, content] of [
  ["page.html", Buffer.from(frame)],
  ["app.gz", Buffer.from(program)],
  ["runtime.mjs.gz", readFileSync(`${runtime}/ort.wasm.bundle.min.mjs`)],
  ["runtime.wasm.gz", readFileSync(`${runtime}/ort-wasm-simd-threaded.wasm`)],
]) {
  const path = `${assets}/${name}`;
  const [pack, unpack] = name.endsWith(".gz") ? [(bytes) => gzipSync(bytes, { level: 9 }), gunzipSync] : [Buffer.from, Buffer.from];
  // One that holds the same stays: Zopfli has made the runtime a twentieth smaller, in more time than a build may take.
  if (existsSync(path) && unpack(readFileSync(path)).equals(content)) continue;
  if (check) throw new Error(`${name} in src/isthmus/report/assets is not what web/ builds to; run: npm --prefix web run build`);
  writeFileSync(path, pack(content));
}
