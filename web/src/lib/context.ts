// What every section is given: the page, its arrays, the model, and what the person has chosen.
import type { Page } from "../contract";
import { Arrays } from "./arrays";
import { Live } from "./live";
import type { Source } from "./source";
import { Choice } from "./choice.svelte";

export interface Context {
  page: Page;
  source: Source;
  arrays: Arrays;
  live: Live;
  choice: Choice;
}

export function context(page: Page, source: Source): Context {
  return { page, source, arrays: new Arrays(source), live: new Live(source, page.graphs), choice: new Choice(page) };
}
