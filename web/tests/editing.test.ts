import { flushSync, mount, tick, unmount, type Component } from "svelte";
import { afterEach, expect, test, vi } from "vitest";
import NameEditor from "../src/concepts/NameEditor.svelte";
import type { Column } from "../src/contract";
import type { Context } from "../src/lib/context";
import CellInput from "../src/own/CellInput.svelte";
import Sum from "../src/parts/Sum.svelte";

let mounted: Record<string, unknown> | null = null;
function show<Props extends object>(component: Component<Props>, props: Props): HTMLElement {
  mounted = mount(component as Component, { target: document.body, props }) as Record<string, unknown>;
  flushSync();
  return document.body;
}
afterEach(() => {
  if (mounted) void unmount(mounted);
  document.body.replaceChildren();
});

function editor(rename: ((unit: number, name: string) => Promise<void>) | null): { context: Context; names: Record<number, string> } {
  const names: Record<number, string> = { 1: "stroke", 7: "" };
  const choice = { names, title: (unit: number) => names[unit] || `unit ${unit}` };
  return { context: { page: { editable: rename !== null }, source: { rename }, choice } as unknown as Context, names };
}

async function type(text: string, press: "submit" | "Escape"): Promise<void> {
  document.querySelector<HTMLButtonElement>(".rename")?.click();
  await tick();
  const input = document.querySelector("input") as HTMLInputElement;
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  if (press === "Escape") input.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  else document.querySelector("form")?.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
  await tick();
  await new Promise((done) => setTimeout(done, 0));
}

test("Enter keeps a name, in the model where that can be done", async () => {
  const rename = vi.fn(() => Promise.resolve());
  const { context, names } = editor(rename);
  show(NameEditor, { context, unit: 7, onkept: () => undefined });
  await type(" <script>loop ", "submit");
  expect(rename).toHaveBeenCalledWith(7, "<script>loop");
  expect(names[7]).toBe("<script>loop");
  expect(document.querySelector("script")).toBeNull();
});

test("Escape leaves a name as it was, and a name that another unit has is refused", async () => {
  const { context, names } = editor(null);
  show(NameEditor, { context, unit: 7, onkept: () => undefined });
  await type("loop", "Escape");
  expect(names[7]).toBe("");
  await type("stroke", "submit");
  expect(names[7]).toBe("");
  expect(document.querySelector("[role=alert]")?.textContent).toContain("Unit 1 is called stroke already");
});

test("a name that the server refuses is not kept", async () => {
  const { context, names } = editor(() => Promise.reject(new Error("no such unit")));
  show(NameEditor, { context, unit: 7, onkept: () => undefined });
  await type("loop", "submit");
  expect(names[7]).toBe("");
  expect(document.querySelector("[role=alert]")?.textContent).toContain("no such unit");
});

const column = { name: "age", kind: "count", levels: [], low: 0, high: 90, step: 1, format: "", buckets: 0, unseen: 0 } satisfies Column;

test("a cell that cannot be read says why, and keeps its value", () => {
  const onvalue = vi.fn();
  const body = show(CellInput, { column, value: 41, was: 41, onvalue });
  const input = body.querySelector("input") as HTMLInputElement;
  const change = (text: string): void => {
    input.value = text;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    flushSync();
  };
  change("forty");
  expect(onvalue).not.toHaveBeenCalled();
  expect(body.querySelector("[role=alert]")?.textContent).toContain("column 'age' holds numbers");
  change("");
  expect(onvalue).toHaveBeenLastCalledWith(NaN);
});

test("levels can be chosen, also one that was never seen and none", () => {
  const onvalue = vi.fn();
  const body = show(CellInput, { column: { ...column, kind: "category", levels: ["a", "<b>"], unseen: 2 }, value: 0, was: 0, onvalue });
  const select = body.querySelector("select") as HTMLSelectElement;
  expect([...select.options].map((option) => option.textContent)).toEqual(["a", "<b>", "(another level)", "(missing)"]);
  for (const [value, cell] of [["2", 2], ["missing", NaN]] as const) { // prettier-ignore
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    expect(onvalue).toHaveBeenLastCalledWith(cell);
  }
});

test("terms are written with as many decimals as let them be added up", () => {
  const body = show(Sum, { label: "sum", terms: [{ key: 1, title: "a", adds: 1.234 }, { key: 2, title: "b", adds: -0.2 }, { key: 3, title: "sum", adds: 1.034, total: true }] }); // prettier-ignore
  expect([...body.querySelectorAll(".bar-value")].map((value) => value.textContent)).toEqual(["+1.23", "−0.20", "+1.03"]);
});
