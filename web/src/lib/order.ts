// Which ones come first.

/** Places of the numbers that are largest in size, the largest first; those that are no number never come. */
export function largest(values: ArrayLike<number>, most: number): number[] {
  const places: number[] = [];
  for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i])) places.push(i);
  places.sort((a, b) => Math.abs(values[b] as number) - Math.abs(values[a] as number) || a - b);
  return places.slice(0, most);
}

/** Places whose text holds what was typed, without regard to case; those of `first` come first. */
export function matching(names: readonly string[], typed: string, first: ArrayLike<number> | null): number[] {
  const wanted = typed.trim().toLocaleLowerCase();
  const all = first === null ? names.map((_, i) => i) : completed(first, names.length);
  return wanted === "" ? all : all.filter((i) => (names[i] as string).toLocaleLowerCase().includes(wanted));
}

/** An order of all places that begins with these. */
function completed(first: ArrayLike<number>, count: number): number[] {
  const seen = new Set<number>();
  for (let i = 0; i < first.length; i++) if ((first[i] as number) < count) seen.add(first[i] as number);
  for (let i = 0; i < count; i++) seen.add(i);
  return [...seen];
}
