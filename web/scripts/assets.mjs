// Put what was built where the Python package looks for it: the page, and the runtime of ONNX graphs, compressed.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const assets = process.argv[2] ?? here("../../src/isthmus/report/assets");
const runtime = here("../node_modules/onnxruntime-web/dist");

mkdirSync(assets, { recursive: true });
copyFileSync(here("../build/index.html"), `${assets}/page.html`);
for (const [name, file] of [
  ["runtime.mjs.gz", "ort.wasm.bundle.min.mjs"],
  ["runtime.wasm.gz", "ort-wasm-simd-threaded.wasm"],
]) {
  const [path, content] = [`${assets}/${name}`, readFileSync(`${runtime}/${file}`)];
  // One that holds the same stays: Zopfli has made it a twentieth smaller, in more time than a build should take.
  if (existsSync(path) && gunzipSync(readFileSync(path)).equals(content)) continue;
  writeFileSync(path, gzipSync(content, { level: 9 }));
}
