// The first lines of the page: they unpack the rest of it, which takes a third of the room that way.
import { source } from "./lib/source";

async function boot(): Promise<void> {
  const code = await source().bytes("app");
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  await import(/* @vite-ignore */ url);
  URL.revokeObjectURL(url);
}

boot().catch((error: unknown) => {
  const target = document.getElementById("app");
  if (target !== null) target.textContent = `This page cannot be opened: ${String(error)}`;
});
