// Names of concepts: what is one, and a file of them.

export const LONGEST = 60;

/** What is wrong with a name, as Python has it; empty where it can be kept. An empty name takes the name away. */
export function fault(name: string, unit: number, names: Readonly<Record<number, string>>): string {
  const told = name.trim();
  const length = [...told].length;
  if (length > LONGEST) return `A name has at most ${LONGEST} characters; this one has ${length}.`;
  // Line breaks and signs that cannot be seen, which could show a name as another.
  if (/\p{C}|(?! )\p{Z}/u.test(told)) return "A name is one line of characters that can be seen.";
  const other = Object.entries(names).find(([key, known]) => told !== "" && known === told && Number(key) !== unit);
  return other ? `Unit ${other[0]} is called ${told} already; choose another name.` : "";
}

/** Names by number, in their order, without those that are empty. */
export function listed(names: Readonly<Record<number, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(names).filter(([, name]) => name !== ""));
}
