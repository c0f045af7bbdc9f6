import { defineConfig } from "vite";

// What unpacks the page is a script of its own, so that it stays small.
export default defineConfig({
  build: {
    target: "es2022",
    outDir: "build/boot",
    lib: { entry: "src/boot.ts", formats: ["es"], fileName: "boot" },
  },
});
